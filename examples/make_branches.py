"""Makes examples/branches.xlsx: about 60 made-up branches that go through every flow. `python examples/make_branches.py [file]`.

All companies, people, tax codes and addresses are fictional; mail domains end in .example. The third to fifth characters of a unit
code choose what the simulated agency does (simulator/README.md); a digit in third place is an ordinary unit.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import xlsxwriter  # type: ignore[import-untyped]

HEADERS = (
    "STT", "Mã đơn vị", "Mã chi nhánh", "Tên đơn vị *", "MST *", "Tỉnh/TP *", "Cơ quan BHXH", "Địa chỉ *", "Email *", "Nhập lại email",
    "Số điện thoại *", "Người liên hệ", "Nhà cung cấp hiện tại", "Lý do ngừng", "Nội dung lý do khác", "Chữ ký số", "Ghi chú",
)  # fmt: skip

_PROVIDERS = ("00001", "00020", "00030", "00040", "00050", "00060", "00100", "00114")


def provider_of(unit_code: str) -> str:
    """The provider that the simulated agency says a C00 unit is with (its rule, written again here)."""
    return _PROVIDERS[sum(map(ord, unit_code)) % len(_PROVIDERS)]


class Company(NamedTuple):
    """A made-up employer."""

    name: str
    tax_code: str
    email: str
    phone: str


HOA_BAN = Company("CÔNG TY TNHH Thực phẩm Hoa Ban", "9001234568", "bhxh@hoaban.example", "0912345601")
SONG_XANH = Company("CÔNG TY CỔ PHẦN Dệt may Sông Xanh Thẳm", "9001234575", "nhansu@songxanh.example", "0934567802")
TRANG_NON = Company("CÔNG TY TNHH Giáo dục Trăng Non", "9001234582", "hanhchinh@trangnon.example", "0356789103")
MUOI_BIEN = Company("CÔNG TY CỔ PHẦN Thuỷ sản Muối Biển", "9002345687", "ketoan@muoibien.example", "0778901204")
NUI_DA = Company("CÔNG TY TNHH MTV Xây dựng Núi Đá Vàng", "9003456781", "vanphong@nuida.example", "0587654305")
CHE_SUONG = Company("HỢP TÁC XÃ Chè Sương Sớm", "0999123459", "htx@chesuong.example", "02083812345")


class Branch(NamedTuple):
    """One row. Empty texts take the company's own."""

    note: str
    code: str
    company: Company
    place: str
    province: str
    address: str
    agency: str = ""
    contact: str = ""
    provider: str = ""
    reason: str = ""
    reason_text: str = ""
    profile: str = ""
    tax_code: str = ""
    email: str = ""
    phone: str = ""
    branch_id: str = ""


STRAIGHT = (
    Branch(
        "thẳng",
        "TZ1001A",
        HOA_BAN,
        "Gia Lâm",
        "Hà Nội",
        "Số 12 đường Ngô Xuân Quảng, xã Gia Lâm",
        "00112",
        "Nguyễn Thị Hoa",
    ),
    Branch(
        "thẳng",
        "TZ1002B",
        HOA_BAN,
        "Ba Đình",
        "Hà Nội",
        "Số 5 ngõ 20 phố Đội Cấn, phường Ngọc Hà",
        "BHXH Quận Ba Đình",
        "Trần Văn Đức",
    ),
    Branch("thẳng", "TZ1003C", HOA_BAN, "Đông Anh", "TP. Hà Nội", "Tổ 7, xã Đông Anh", "00111"),
    Branch(
        "thẳng",
        "TZ1004D",
        HOA_BAN,
        "Lạch Tray",
        "Hải Phòng",
        "Số 88 đường Lạch Tray, phường Gia Viên",
        "",
        "Phạm Thuỳ Dung",
    ),
    Branch("thẳng", "TZ1005E", HOA_BAN, "Bãi Cháy", "Quảng Ninh", "Tổ 3, phường Bãi Cháy"),
    Branch("thẳng", "TZ1006G", HOA_BAN, "Từ Sơn", "Tỉnh Bắc Ninh", "Phố Minh Khai, phường Từ Sơn"),
    Branch("thẳng", "TZ1007H", HOA_BAN, "Việt Trì", "Phú Thọ", "Số 9 đường Hùng Vương, phường Việt Trì"),
    Branch("thẳng", "TZ1008K", HOA_BAN, "Phố Hiến", "Hưng Yên", "Số 17 đường Điện Biên, phường Phố Hiến"),
    Branch(
        "thẳng",
        "YN0101A",
        SONG_XANH,
        "Thành Sen",
        "Hà Tĩnh",
        "Số 3 đường Phan Đình Phùng, phường Thành Sen",
        "",
        "Đặng Quốc Bảo",
    ),
    Branch("thẳng", "YN0102B", SONG_XANH, "Vinh", "Nghệ An", "Số 21 đường Lê Lợi, phường Thành Vinh"),
    Branch(
        "thẳng",
        "YN0103C",
        SONG_XANH,
        "Hạc Thành",
        "Thanh Hóa",
        "Lô C4, khu công nghiệp, phường Hạc Thành",
        "",
        "Lê Thị Ngọc Ánh",
    ),
    Branch("thẳng", "YN0104D", SONG_XANH, "Hoa Lư", "Ninh Bình", "Thôn Đông, phường Hoa Lư"),
    Branch("thẳng", "YN0105E", SONG_XANH, "Phú Xuân", "TP Huế", "Số 45 đường Chi Lăng, phường Phú Xuân"),
    Branch("thẳng", "YN0106G", SONG_XANH, "Đông Hà", "Quảng Trị", "Số 6 đường Trần Phú, phường Nam Đông Hà"),
    Branch(
        "thẳng",
        "YN0107H",
        SONG_XANH,
        "Cẩm Lệ",
        "Đà Nẵng",
        "Số 102 đường Ông Ích Đường, phường Cẩm Lệ",
        "",
        "Võ Minh Khôi",
    ),
    Branch("thẳng", "YN0108K", SONG_XANH, "Nghĩa Lộ", "Quảng Ngãi", "Số 77 đường Hùng Vương, phường Nghĩa Lộ"),
    Branch(
        "thẳng",
        "BM2001A",
        TRANG_NON,
        "Tân Định",
        "TP.HCM",
        "Số 33 đường Trần Quang Khải, phường Tân Định",
        "",
        "Huỳnh Mỹ Duyên",
    ),
    Branch("thẳng", "BM2002B", TRANG_NON, "Thủ Đức", "Thành phố Hồ Chí Minh", "Số 8 đường Võ Văn Ngân, phường Thủ Đức"),
    Branch("thẳng", "BM2003C", TRANG_NON, "Biên Hòa", "Đồng Nai", "Số 15 đường Cách Mạng Tháng Tám, phường Trấn Biên"),
    Branch(
        "thẳng",
        "BM2004D",
        TRANG_NON,
        "Tân An",
        "Tây Ninh",
        "Số 60 đường Hùng Vương, phường Tân An",
        "",
        "Ngô Thanh Tâm",
    ),
    Branch("thẳng", "BM2005E", TRANG_NON, "Cao Lãnh", "Đồng Tháp", "Số 4 đường Lý Thường Kiệt, phường Cao Lãnh"),
    Branch(
        "thẳng",
        "BM2006G",
        TRANG_NON,
        "Ninh Kiều",
        "Cần Thơ",
        "Số 19 đường Hoà Bình, phường Ninh Kiều",
        "",
        "Lý Gia Hân",
    ),
    Branch("thẳng", "BM2007H", TRANG_NON, "Long Châu", "Vĩnh Long", "Số 2 đường 30 Tháng 4, phường Long Châu"),
    Branch(
        "thẳng",
        "MB3001A",
        MUOI_BIEN,
        "Rạch Giá",
        "An Giang",
        "Số 150 đường Nguyễn Trung Trực, phường Rạch Giá",
        "",
        "Trương Hải Yến",
    ),
    Branch("thẳng", "MB3002B", MUOI_BIEN, "Năm Căn", "Cà Mau", "Khóm 2, xã Năm Căn"),
    Branch("thẳng", "MB3003C", MUOI_BIEN, "Cam Ranh", "Khánh Hòa", "Số 71 đường Phạm Văn Đồng, phường Cam Ranh"),
    Branch(
        "thẳng",
        "MB3004D",
        MUOI_BIEN,
        "Quy Nhơn",
        "Gia Lai",
        "Số 10 đường Xuân Diệu, phường Quy Nhơn",
        "",
        "Đinh Công Thành",
    ),
    Branch("thẳng", "MB3005E", MUOI_BIEN, "Phan Thiết", "Lâm Đồng", "Số 28 đường Trưng Trắc, phường Phan Thiết"),
    Branch("thẳng", "ND4001A", NUI_DA, "Buôn Ma Thuột", "Đắk Lắk", "Số 36 đường Phan Bội Châu, phường Buôn Ma Thuột"),
    Branch("thẳng", "ND4002B", NUI_DA, "Tô Hiệu", "Sơn La", "Tổ 4, phường Tô Hiệu", "", "Lò Văn Inh"),
    Branch("thẳng", "ND4003C", NUI_DA, "Mường Thanh", "Điện Biên", "Tổ 11, phường Mường Thanh"),
    Branch("thẳng", "ND4004D", NUI_DA, "Thục Phán", "Cao Bằng", "Số 5 phố Vườn Cam, phường Thục Phán"),
)

FLOWS = (
    Branch("CE007: đang ở I-VAN khác", "TZC001A", HOA_BAN, "Long Biên", "Hà Nội", "Số 40 phố Ngọc Lâm, phường Bồ Đề", "00104"),
    Branch("CE007 không nêu tên", "TZC012B", HOA_BAN, "Kiến An", "Hải Phòng", "Số 23 đường Trần Thành Ngọ, phường Kiến An"),
    Branch("CE044: đang ở Cổng BHXH", "YNC021C", SONG_XANH, "Sầm Sơn", "Thanh Hóa", "Số 14 đường Lê Lợi, phường Sầm Sơn"),
    Branch("ngừng trước: dòng ghi nhà cung cấp hiện tại", "YNC002D", SONG_XANH, "Kỳ Anh", "Hà Tĩnh", "Tổ dân phố 3, phường Sông Trí", provider="*"),
    Branch("ngừng trước ở Cổng BHXH", "BMC022E", TRANG_NON, "Gò Vấp", "TP.HCM", "Số 7 đường Quang Trung, phường Gò Vấp", provider="Cổng BHXH", reason="Khác", reason_text="Gộp các chi nhánh về một đầu mối"),
    Branch("đã ngừng từ trước", "BMC031G", TRANG_NON, "Mỹ Tho", "Đồng Tháp", "Số 52 đường Ấp Bắc, phường Mỹ Tho"),
    Branch("thư ngừng không có số hồ sơ", "MBT011A", MUOI_BIEN, "Gành Hào", "Cà Mau", "Ấp 4, xã Gành Hào"),
    Branch("lỗi hệ thống rồi được", "MBS011B", MUOI_BIEN, "Hà Tiên", "An Giang", "Số 18 đường Mạc Thiên Tích, phường Hà Tiên"),
    Branch("mất trả lời", "NDF021C", NUI_DA, "Kon Tum", "Quảng Ngãi", "Số 66 đường Phan Đình Phùng, phường Kon Tum"),
    Branch("trả lời muộn", "NDF041D", NUI_DA, "Pleiku", "Gia Lai", "Số 90 đường Hùng Vương, phường Pleiku"),
    Branch("429 rồi được", "NDF071E", NUI_DA, "Đoàn Kết", "Lai Châu", "Tổ 2, phường Đoàn Kết"),
    Branch("số hồ sơ có muộn", "NDF111G", NUI_DA, "Lương Văn Tri", "Lạng Sơn", "Số 31 đường Bà Triệu, phường Lương Văn Tri"),
    Branch("thư đến hai lần", "TZM011C", HOA_BAN, "Hồng Bàng", "Hải Phòng", "Số 3 đường Quang Trung, phường Hồng Bàng"),
    Branch("thư đến muộn", "TZM021D", HOA_BAN, "Hà Đông", "Hà Nội", "Số 55 đường Tô Hiệu, phường Hà Đông", "00115"),
    Branch("thư giả đến trước", "YNM031E", SONG_XANH, "Nam Định", "Ninh Bình", "Số 29 đường Trần Hưng Đạo, phường Nam Định"),
    Branch("mã lạ CE999", "YNC061G", SONG_XANH, "Đồng Hới", "Quảng Trị", "Số 13 đường Lý Thường Kiệt, phường Đồng Hới"),
    Branch("mã kích hoạt hết hạn", "BMM041H", TRANG_NON, "Bến Tre", "Vĩnh Long", "Số 70 đường Nguyễn Đình Chiểu, phường An Hội"),
    Branch("sai chữ ký số: chứng thư của đơn vị khác", "BM2008K", TRANG_NON, "Thuận An", "TP.HCM", "Số 9 đường Cách Mạng Tháng Tám, phường Lái Thiêu", profile="Muối Biển 2026"),
    Branch("chữ ký số có tên", "MB3006G", MUOI_BIEN, "Nha Trang", "Khánh Hòa", "Số 44 đường Trần Phú, phường Nha Trang", profile="Muối Biển 2026"),
    Branch("tỉnh cũ trong 63 tỉnh", "ND4005E", NUI_DA, "Yên Bình", "Yên Bái", "Tổ 6, xã Yên Bình"),
    Branch("tỉnh cũ trong 63 tỉnh", "MB3007H", MUOI_BIEN, "Vũng Tàu", "Bà Rịa - Vũng Tàu", "Số 25 đường Hạ Long, phường Vũng Tàu"),
    Branch("MST mất số 0 ở đầu", "CS5001A", CHE_SUONG, "Tân Cương", "Thái Nguyên", "Xóm Hồng Thái, xã Tân Cương", contact="Ma Thị Lụa", tax_code="#"),
    Branch("chưa có mã đơn vị: chờ người", "", CHE_SUONG, "Suối Giàng", "Lào Cai", "Thôn Pang Cáng, xã Văn Chấn", branch_id="CS-SUOIGIANG"),
)  # fmt: skip

WRONG = (
    Branch("lỗi: MST sai chữ số kiểm tra", "TZ1009L", HOA_BAN, "Sóc Sơn", "Hà Nội", "Tổ 9, xã Sóc Sơn", tax_code="9001234569"),
    Branch("lỗi: MST sai chữ số kiểm tra", "YN0109L", SONG_XANH, "Hương Thuỷ", "Huế", "Số 8 đường Sóng Hồng, phường Phú Bài", tax_code="9001234557"),
    Branch("lỗi: thiếu điện thoại", "BM2009L", TRANG_NON, "Dĩ An", "TP.HCM", "Số 11 đường Trần Hưng Đạo, phường Dĩ An", phone="-"),
    Branch("lỗi: trùng dòng khác", "TZ1001A", HOA_BAN, "Gia Lâm", "Hà Nội", "Số 12 đường Ngô Xuân Quảng, xã Gia Lâm", "00112", "Nguyễn Thị Hoa"),
    Branch("lỗi: mã tỉnh 15 không rõ tỉnh nào", "ND4006G", NUI_DA, "Văn Phú", "15", "Tổ 1, phường Văn Phú"),
    Branch("lỗi: email viết sai", "MB3008K", MUOI_BIEN, "Phú Quốc", "An Giang", "Khu phố 5, đặc khu Phú Quốc", email="ketoan@muoibien"),
)  # fmt: skip


def _order() -> list[Branch]:
    """Straight rows with the others strewn among them; the one with the named certificate before the one that borrows it."""
    flows = sorted(
        (*FLOWS, *WRONG),
        key=lambda branch: (branch.note.startswith("sai chữ ký"), branch.note.startswith("lỗi: trùng")),
    )
    mixed: list[Branch] = []
    for place, branch in enumerate(STRAIGHT):
        mixed.append(branch)
        if place < len(flows):
            mixed.append(flows[place])
    return mixed + flows[len(STRAIGHT) :]


def _cells(number: int, branch: Branch) -> list[str]:
    company = branch.company
    provider = provider_of(branch.code) if branch.provider == "*" else branch.provider
    phone = "" if branch.phone == "-" else branch.phone or company.phone
    return [
        str(number), branch.code, branch.branch_id, f"{company.name} - Chi nhánh {branch.place}", branch.tax_code or company.tax_code,
        branch.province, branch.agency, branch.address, branch.email or company.email, "", phone, branch.contact, provider,
        branch.reason, branch.reason_text, branch.profile, branch.note,
    ]  # fmt: skip


def write(path: Path) -> int:
    """Write the sheet, the same bytes every time; how many rows it has."""
    book = xlsxwriter.Workbook(str(path), {"strings_to_urls": False})
    book.set_properties({"title": "Chi nhánh cần đăng ký", "created": datetime(2026, 11, 1)})
    title: Any = book.add_format({"bold": True, "font_size": 14})
    head: Any = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1, "text_wrap": True})
    text: Any = book.add_format({"num_format": "@"})
    page = book.add_worksheet("Chi nhánh")
    page.write_string(0, 0, "DANH SÁCH CHI NHÁNH ĐĂNG KÝ BHXH ĐIỆN TỬ (dữ liệu bịa để thử)", title)
    page.freeze_panes(3, 4)
    for column, header in enumerate(HEADERS):
        page.set_column(column, column, 58 if header.startswith(("Tên", "Địa")) else 18, text)
        page.write_string(2, column, header, head)
    branches = _order()
    for number, branch in enumerate(branches, start=1):
        for column, value in enumerate(_cells(number, branch)):
            if value == "#":
                page.write_number(2 + number, column, int(branch.company.tax_code))
            elif value:
                page.write_string(2 + number, column, value, text)
    book.close()
    return len(branches)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("branches.xlsx")
    print(f"{target}: {write(target)} rows")
