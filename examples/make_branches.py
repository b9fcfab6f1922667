"""Makes examples/branches.xlsx: a hundred made-up branches that go through every flow, and what lies beside it.

`python examples/make_branches.py [folder]`. All companies, people, tax codes and addresses are fictional; mail domains end in .example.
The third to fifth characters of a unit code choose what the simulated agency does (simulator/README.md), a digit in third place is an
ordinary unit; for a newcomer, who has no code, the licence number does (`N01-0102`). A signing profile called "eSign …" is one of a
remote signing service, "USB …" one of a token at a workstation; an address `hoso@…` is a mailbox where every enrolment has its own
address. The demo (demo/sheet.py) sets up accordingly.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile, ZipInfo

import xlsxwriter  # type: ignore[import-untyped]

HEADERS = (
    "STT", "Mã đơn vị", "Mã chi nhánh", "Mã cơ cấu tổ chức", "Tên đơn vị *", "MST *", "Tỉnh/TP *", "Cơ quan BHXH", "Địa chỉ *", "Email *",
    "Nhập lại email", "Số điện thoại *", "Người liên hệ", "Yêu cầu", "Nhà cung cấp hiện tại", "Lý do ngừng", "Nội dung lý do khác", "Chữ ký số",
    "Tham gia lần đầu", "Người đại diện", "Số giấy phép", "Nơi cấp", "Ngày cấp", "Ngành nghề", "Phương thức đóng", "Nhận kết quả",
    "Tệp đính kèm", "Ghi chú",
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
    head: str = ""


HOA_BAN = Company("CÔNG TY TNHH Thực phẩm Hoa Ban", "9001234568", "bhxh@hoaban.example", "0912345601")
SONG_XANH = Company("CÔNG TY CỔ PHẦN Dệt may Sông Xanh Thẳm", "9001234575", "nhansu@songxanh.example", "0934567802")
TRANG_NON = Company("CÔNG TY TNHH Giáo dục Trăng Non", "9001234582", "hanhchinh@trangnon.example", "0356789103")
MUOI_BIEN = Company("CÔNG TY CỔ PHẦN Thuỷ sản Muối Biển", "9002345687", "ketoan@muoibien.example", "0778901204")
NUI_DA = Company("CÔNG TY TNHH MTV Xây dựng Núi Đá Vàng", "9003456781", "vanphong@nuida.example", "0587654305")
CHE_SUONG = Company("HỢP TÁC XÃ Chè Sương Sớm", "0999123459", "htx@chesuong.example", "02083812345")
GOM_LUA = Company("CÔNG TY TNHH Gốm Lửa Hồng", "9004567893", "bhxh@gomlua.example", "0901234506", "Hoàng Thị Men")
DEN_LONG = Company("CÔNG TY TNHH Đèn Lồng Phố", "9005678902", "hoso@denlong.example", "0901234507", "Phan Văn Lụa")
MAY_TRE = Company("CÔNG TY CỔ PHẦN Mây tre Làng Nón", "9007890125", "bhxh@maytre.example", "0901234508", "Vũ Thị Mây")
BEN_NUOC = Company(
    "CÔNG TY TNHH Dịch vụ cảng Bến Nước", "9008901235", "bhxh@bennuoc.example", "0901234509", "Tạ Văn Bến"
)
REMOTE, TOKEN = "eSign Làng Nón", "USB Bến Nước"


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
    purpose: str = ""
    org_unit: str = ""
    licence: str = ""
    """Of a newcomer; empty: the unit took part before."""
    files: str = "giay-phep.pdf"


def newcomer(
    licence: str, note: str, place: str, company: Company = GOM_LUA, province: str = "Hà Nội", **more: str
) -> Branch:
    """A branch that never took part and applies for its code."""
    number = more.pop("branch_id", f"CN-{licence}")
    address = more.pop("address", f"Số {1 + len(note)} đường {place}")
    return Branch(
        f"lần đầu: {note}",
        "",
        company,
        place,
        province,
        address,
        branch_id=number,
        licence=licence,
        contact=company.head,
        **more,
    )


STRAIGHT = (
    Branch("thẳng", "TZ1001A", HOA_BAN, "Gia Lâm", "Hà Nội", "Số 12 đường Ngô Xuân Quảng, xã Gia Lâm", agency="00112", contact="Nguyễn Thị Hoa"),
    Branch("thẳng", "TZ1002B", HOA_BAN, "Ba Đình", "Hà Nội", "Số 5 ngõ 20 phố Đội Cấn, phường Ngọc Hà", agency="BHXH Quận Ba Đình", contact="Trần Văn Đức"),
    Branch("thẳng", "TZ1003C", HOA_BAN, "Đông Anh", "TP. Hà Nội", "Tổ 7, xã Đông Anh", agency="00111"),
    Branch("thẳng", "TZ1004D", HOA_BAN, "Lạch Tray", "Hải Phòng", "Số 88 đường Lạch Tray, phường Gia Viên", contact="Phạm Thuỳ Dung"),
    Branch("thẳng", "TZ1005E", HOA_BAN, "Bãi Cháy", "Quảng Ninh", "Tổ 3, phường Bãi Cháy"),
    Branch("thẳng", "TZ1006G", HOA_BAN, "Từ Sơn", "Tỉnh Bắc Ninh", "Phố Minh Khai, phường Từ Sơn"),
    Branch("thẳng", "YN0101A", SONG_XANH, "Thành Sen", "Hà Tĩnh", "Số 3 đường Phan Đình Phùng, phường Thành Sen", contact="Đặng Quốc Bảo"),
    Branch("thẳng", "YN0102B", SONG_XANH, "Vinh", "Nghệ An", "Số 21 đường Lê Lợi, phường Thành Vinh"),
    Branch("thẳng", "YN0103C", SONG_XANH, "Hạc Thành", "Thanh Hóa", "Lô C4, khu công nghiệp, phường Hạc Thành", contact="Lê Thị Ngọc Ánh"),
    Branch("thẳng", "YN0105E", SONG_XANH, "Phú Xuân", "TP Huế", "Số 45 đường Chi Lăng, phường Phú Xuân"),
    Branch("thẳng", "BM2001A", TRANG_NON, "Tân Định", "TP.HCM", "Số 33 đường Trần Quang Khải, phường Tân Định", contact="Huỳnh Mỹ Duyên"),
    Branch("thẳng", "BM2002B", TRANG_NON, "Thủ Đức", "Thành phố Hồ Chí Minh", "Số 8 đường Võ Văn Ngân, phường Thủ Đức"),
    Branch("thẳng", "BM2003C", TRANG_NON, "Biên Hòa", "Đồng Nai", "Số 15 đường Cách Mạng Tháng Tám, phường Trấn Biên"),
    Branch("thẳng", "BM2004D", TRANG_NON, "Tân An", "Tây Ninh", "Số 60 đường Hùng Vương, phường Tân An", contact="Ngô Thanh Tâm"),
    Branch("thẳng", "MB3001A", MUOI_BIEN, "Rạch Giá", "An Giang", "Số 150 đường Nguyễn Trung Trực, phường Rạch Giá", contact="Trương Hải Yến"),
    Branch("thẳng", "MB3002B", MUOI_BIEN, "Năm Căn", "Cà Mau", "Khóm 2, xã Năm Căn"),
    Branch("thẳng", "MB3003C", MUOI_BIEN, "Cam Ranh", "Khánh Hòa", "Số 71 đường Phạm Văn Đồng, phường Cam Ranh"),
    Branch("thẳng", "ND4001A", NUI_DA, "Buôn Ma Thuột", "Đắk Lắk", "Số 36 đường Phan Bội Châu, phường Buôn Ma Thuột"),
    Branch("thẳng", "ND4002B", NUI_DA, "Tô Hiệu", "Sơn La", "Tổ 4, phường Tô Hiệu", contact="Lò Văn Inh"),
    Branch("thẳng", "ND4003C", NUI_DA, "Mường Thanh", "Điện Biên", "Tổ 11, phường Mường Thanh"),
)  # fmt: skip

FLOWS = (
    Branch("CE007: đang ở I-VAN khác", "TZC001A", HOA_BAN, "Long Biên", "Hà Nội", "Số 40 phố Ngọc Lâm, phường Bồ Đề", agency="00104"),
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
    Branch("thư đến muộn", "TZM021D", HOA_BAN, "Hà Đông", "Hà Nội", "Số 55 đường Tô Hiệu, phường Hà Đông", agency="00115"),
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

STOPS = (
    Branch("CE007 ngay khi nhận", "TZC041E", HOA_BAN, "Tây Hồ", "Hà Nội", "Số 6 đường Lạc Long Quân, phường Tây Hồ"),
    Branch("thư ngừng lần đầu không đến", "BMT021A", TRANG_NON, "Cái Răng", "Cần Thơ", "Số 12 đường Phạm Hùng, phường Cái Răng"),
    Branch("ngừng bị từ chối bằng thư", "MBT121B", MUOI_BIEN, "Châu Đốc", "An Giang", "Số 8 đường Lê Lợi, phường Châu Đốc"),
    Branch("ngừng: lỗi hệ thống rồi được", "NDT041A", NUI_DA, "Bắc Hà", "Lào Cai", "Tổ 5, xã Bắc Hà"),
    Branch("CE007 nêu sai nhà cung cấp", "TZT141G", HOA_BAN, "Đồ Sơn", "Hải Phòng", "Số 2 đường Lý Thánh Tông, phường Đồ Sơn"),
    Branch("ngừng: sai chữ ký một lần", "YNT151H", SONG_XANH, "Cửa Lò", "Nghệ An", "Số 30 đường Bình Minh, phường Cửa Lò"),
    Branch("thư ngừng muộn 30 giờ", "BMT111K", TRANG_NON, "Sa Đéc", "Đồng Tháp", "Số 16 đường Nguyễn Huệ, phường Sa Đéc"),
    Branch("ngừng luôn bị từ chối: chờ người", "NDT131B", NUI_DA, "Mộc Châu", "Sơn La", "Tiểu khu 3, phường Mộc Châu"),
    Branch("chỉ ngừng", "TZC003M", HOA_BAN, "Thanh Trì", "Hà Nội", "Số 9 đường Ngọc Hồi, xã Thanh Trì", provider="*", purpose="Chỉ ngừng"),
    Branch("chỉ ngừng ở Cổng BHXH", "YNC023M", SONG_XANH, "Bỉm Sơn", "Thanh Hóa", "Số 1 đường Trần Phú, phường Bỉm Sơn", provider="Cổng BHXH", reason="Khác", reason_text="Chi nhánh giải thể", purpose="Chỉ ngừng"),
    Branch("chỉ ngừng: đã ngừng từ trước", "BMC033M", TRANG_NON, "Gò Công", "Đồng Tháp", "Số 5 đường Trương Định, phường Gò Công", provider="*", purpose="Chỉ ngừng"),
)  # fmt: skip

OTHERS = (
    Branch("mã lạ một lần", "YNC071K", SONG_XANH, "Hương Trà", "Huế", "Số 3 đường Cách Mạng Tháng Tám, phường Hương Trà"),
    Branch("sai chữ ký một lần", "TZC091K", HOA_BAN, "Mê Linh", "Hà Nội", "Tổ 2, xã Mê Linh"),
    Branch("phải ký bằng chứng thư khác", "MBC081C", MUOI_BIEN, "Rạch Sỏi", "An Giang", "Số 21 đường Mai Thị Hồng Hạnh, phường Rạch Giá"),
    Branch("lỗi hệ thống hai lần", "NDS021C", NUI_DA, "Sìn Hồ", "Lai Châu", "Bản Nậm, xã Sìn Hồ"),
    Branch("mất trả lời, nộp lại báo trùng", "TZF051L", HOA_BAN, "Uông Bí", "Quảng Ninh", "Số 4 đường Quang Trung, phường Uông Bí"),
    Branch("trả lời giả: chữ ký không đúng", "YNF421L", SONG_XANH, "Diễn Châu", "Nghệ An", "Khối 2, xã Diễn Châu"),
    Branch("thư mã kích hoạt lần đầu không đến", "BMM081L", TRANG_NON, "Trảng Bàng", "Tây Ninh", "Số 27 đường Quang Trung, phường Trảng Bàng"),
    Branch("thư viết dấu rời (NFD)", "MBM051D", MUOI_BIEN, "Vạn Ninh", "Khánh Hòa", "Tổ 1, xã Vạn Ninh"),
    Branch("kích hoạt rồi mới mất trả lời", "NDP011D", NUI_DA, "Bảo Lạc", "Cao Bằng", "Khu 4, xã Bảo Lạc"),
    Branch("450 lao động", "TZR011M", HOA_BAN, "Quế Võ", "Bắc Ninh", "Lô D2, khu công nghiệp, phường Quế Võ"),
    Branch("cơ quan không có mã này: chờ người", "MBU011E", MUOI_BIEN, "Ngọc Hiển", "Cà Mau", "Ấp 2, xã Đất Mũi"),
    Branch("mã đơn vị dạng lạ: chờ người", "ND40071", NUI_DA, "Mường Lò", "Lào Cai", "Tổ 8, phường Nghĩa Lộ"),
    Branch("mã lấy từ cơ cấu tổ chức", "", HOA_BAN, "Sóc Sơn", "Hà Nội", "Tổ 3, xã Sóc Sơn", org_unit="HB-SOCSON"),
    Branch("quên mã: tra cứu được", "", HOA_BAN, "Hoài Đức", "Hà Nội", "Số 15 đường Trạm Trôi, xã Hoài Đức", branch_id="HB-HOAIDUC"),
    Branch("ký từ xa", "AM6001A", MAY_TRE, "Phú Vinh", "Hà Nội", "Thôn Phú Vinh, xã Phú Nghĩa", profile=REMOTE),
    Branch("ký từ xa: ngừng trước rồi đăng ký", "AMC002B", MAY_TRE, "Chương Mỹ", "Hà Nội", "Số 4 phố Chúc Sơn, phường Chương Mỹ", provider="*", profile=REMOTE),
    Branch("ký bằng USB token", "BN7001A", BEN_NUOC, "Cát Lái", "TP.HCM", "Số 5 đường Nguyễn Thị Định, phường Cát Lái", profile=TOKEN),
    Branch("ký bằng USB token", "BN7002B", BEN_NUOC, "Cái Mép", "TP.HCM", "Khu cảng, phường Tân Phước", profile=TOKEN),
)  # fmt: skip

NEWCOMERS = (
    newcomer("N00-0100", "được cấp mã", "Hàng Than", files="giay-phep.docx; danh-sach-nguoi-lao-dong.xlsx"),
    newcomer("N01-0101", "bị từ chối rồi sửa", "Hàng Mắm"),
    newcomer("N02-0102", "luôn bị từ chối: chờ người", "Hàng Bún"),
    newcomer("N03-0103", "cán bộ không trả lời: chờ người", "Hàng Đậu"),
    newcomer("N04-0104", "hỏi mới trả lời", "Hàng Cót"),
    newcomer("N06-0105", "thư kích hoạt lần đầu không đến", "Hàng Lược"),
    newcomer("N09-0106", "hai đơn vị cùng tên, một", "Hàng Vải", branch_id="GL-VAI-1"),
    newcomer("N09-0107", "hai đơn vị cùng tên, hai", "Hàng Vải", branch_id="GL-VAI-2"),
    newcomer("N15-0108", "mã chỉ có trong thư", "Hàng Gà"),
    newcomer("N19-0109", "cấp mã muộn 25 giờ", "Hàng Phèn"),
    newcomer("N20-0110", "hồ sơ thay đổi bị từ chối một lần", "Hàng Thiếc"),
    newcomer("N24-0111", "thư kích hoạt sau thay đổi", "Hàng Nón"),
    newcomer("N31-0112", "cấp mã mà không ai báo", "Hàng Bút"),
    newcomer("N09-0113", "cùng tên, mỗi đơn vị một địa chỉ thư, một", "Lương Văn Can", DEN_LONG, branch_id="DL-1"),
    newcomer("N09-0114", "cùng tên, mỗi đơn vị một địa chỉ thư, hai", "Lương Văn Can", DEN_LONG, branch_id="DL-2"),
    newcomer("0100-0115", "ký từ xa hai lượt", "Bát Đàn", MAY_TRE, profile=REMOTE),
    newcomer("0100-0116", "ký bằng USB token", "Vĩnh Tuy", BEN_NUOC, profile=TOKEN),
    newcomer("3300-0117", "nộp giấy", "Bao Vinh", province="Huế", address="Số 7 đường Bao Vinh, phường Hoá Châu", files="giay-phep.docx"),
    newcomer("4800-0118", "nộp giấy", "Non Nước", province="Đà Nẵng", address="Số 25 đường Huyền Trân Công Chúa, phường Ngũ Hành Sơn"),
    newcomer("9200-0119", "nộp giấy", "Phong Điền", province="Cần Thơ", address="Ấp Nhơn Lộc, xã Phong Điền"),
    newcomer("0100-0120", "tệp đính kèm không phải PDF: bị từ chối", "Hàng Giấy", files="anh-chup.pdf"),
)  # fmt: skip

WRONG = (
    Branch("lỗi: MST sai chữ số kiểm tra", "TZ1009L", HOA_BAN, "Sóc Sơn", "Hà Nội", "Tổ 9, xã Sóc Sơn", tax_code="9001234569"),
    Branch("lỗi: MST sai chữ số kiểm tra", "YN0109L", SONG_XANH, "Hương Thuỷ", "Huế", "Số 8 đường Sóng Hồng, phường Phú Bài", tax_code="9001234557"),
    Branch("lỗi: thiếu điện thoại", "BM2009L", TRANG_NON, "Dĩ An", "TP.HCM", "Số 11 đường Trần Hưng Đạo, phường Dĩ An", phone="-"),
    Branch("lỗi: trùng dòng khác", "TZ1001A", HOA_BAN, "Gia Lâm", "Hà Nội", "Số 12 đường Ngô Xuân Quảng, xã Gia Lâm", agency="00112", contact="Nguyễn Thị Hoa"),
    Branch("lỗi: mã tỉnh 15 không rõ tỉnh nào", "ND4006G", NUI_DA, "Văn Phú", "15", "Tổ 1, phường Văn Phú"),
    Branch("lỗi: email viết sai", "MB3008K", MUOI_BIEN, "Phú Quốc", "An Giang", "Khu phố 5, đặc khu Phú Quốc", email="ketoan@muoibien"),
    newcomer("0100-0121", "x", "Hàng Quạt")._replace(note="lỗi: lần đầu mà có mã đơn vị", code="TZ1010M"),
)  # fmt: skip

_FIRST = STRAIGHT[0]
LATER = (
    _FIRST._replace(note="đổi email của đơn vị đã đăng ký", email="bhxh.hanoi@hoaban.example", purpose="Thay đổi"),
    STRAIGHT[1]._replace(note="đổi điện thoại", phone="0912345699", purpose="Thay đổi"),
    STRAIGHT[2]._replace(note="đổi cách ký sang ký từ xa", profile="eSign Hoa Ban"),
    STRAIGHT[3]._replace(note="đã đăng ký xong: không làm gì"),
    STRAIGHT[4]._replace(note="ngừng đơn vị đang dùng: không được phép", provider="00040", purpose="Chỉ ngừng"),
)
"""What is handed in when everything of the first sheet has ended."""

ORG = "id,parent,name,unit_code,contact_name\nHB,,CÔNG TY TNHH Thực phẩm Hoa Ban,,\nHB-SOCSON,HB,CÔNG TY TNHH Thực phẩm Hoa Ban - Chi nhánh Sóc Sơn,TZ1011M,Đỗ Thị Lan\n"
"""The employer's organisation: what a row that names its unit there may leave empty."""

KNOWN = [
    {
        "unit_code": "TZ1012M",
        "tax_code": HOA_BAN.tax_code,
        "name": f"{HOA_BAN.name} - Chi nhánh Hoài Đức",
        "agency": "00101",
    }
]
"""What the agency has known for long: the unit whose code was forgotten."""


def _order() -> list[Branch]:
    """Straight rows with the others strewn among them; the one with the named certificate before the one that borrows it."""
    flows = sorted(
        (*FLOWS, *STOPS, *OTHERS, *NEWCOMERS, *WRONG),
        key=lambda branch: (branch.note.startswith("sai chữ ký số"), branch.note.startswith("lỗi: trùng")),
    )
    mixed: list[Branch] = []
    for place, branch in enumerate(STRAIGHT):
        mixed += [branch, *flows[4 * place : 4 * place + 4]]
    return mixed + flows[4 * len(STRAIGHT) :]


def _cells(number: int, branch: Branch) -> list[str]:
    company = branch.company
    provider = provider_of(branch.code) if branch.provider == "*" else branch.provider
    phone = "" if branch.phone == "-" else branch.phone or company.phone
    kind = "Cửa hàng" if branch.licence else "Chi nhánh"
    first = (
        ["Có", company.head, branch.licence, "Sở Tài chính", "05/01/2026", "Bán lẻ", "", "bản điện tử", branch.files]
        if branch.licence
        else [""] * 9
    )
    return [
        str(number), branch.code, branch.branch_id, branch.org_unit, f"{company.name} - {kind} {branch.place}", branch.tax_code or company.tax_code,
        branch.province, branch.agency, branch.address, branch.email or company.email, "", phone, branch.contact, branch.purpose, provider,
        branch.reason, branch.reason_text, branch.profile, *first, branch.note,
    ]  # fmt: skip


def write(path: Path, branches: list[Branch] | None = None) -> int:
    """Write the sheet, the same bytes every time; how many rows it has."""
    book = xlsxwriter.Workbook(str(path), {"strings_to_urls": False})
    book.set_properties({"title": "Chi nhánh cần đăng ký", "created": datetime(2026, 11, 1)})
    title: Any = book.add_format({"bold": True, "font_size": 14})
    head: Any = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1, "text_wrap": True})
    text: Any = book.add_format({"num_format": "@"})
    page = book.add_worksheet("Chi nhánh")
    page.write_string(0, 0, "DANH SÁCH CHI NHÁNH ĐĂNG KÝ BHXH ĐIỆN TỬ (dữ liệu bịa để thử)", title)
    page.freeze_panes(3, 5)
    for column, header in enumerate(HEADERS):
        page.set_column(column, column, 58 if header.startswith(("Tên", "Địa")) else 18, text)
        page.write_string(2, column, header, head)
    rows = _order() if branches is None else branches
    for number, branch in enumerate(rows, start=1):
        for column, value in enumerate(_cells(number, branch)):
            if value == "#":
                page.write_number(2 + number, column, int(branch.company.tax_code))
            elif value:
                page.write_string(2 + number, column, value, text)
    book.close()
    return len(rows)


# --- the files beside it ----------------------------------------------------------------------------------------


def _pdf() -> bytes:
    """One page that says it is a made-up licence."""
    words = b"BT /F1 16 Tf 72 760 Td (GIAY PHEP KINH DOANH - BAN THU, KHONG CO GIA TRI) Tj ET"
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(words), words),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, start=1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 6\n0000000000 65535 f \n%strailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        len(out),
    )


_OFFICE = "application/vnd.openxmlformats-officedocument."
_TYPES = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{}</Types>'
_WORDS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def _docx(path: Path) -> None:
    main = f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="{_OFFICE}wordprocessingml.document.main+xml"/>'
    related = '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
    parts = {
        "[Content_Types].xml": _TYPES.format(main),
        "_rels/.rels": f'<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{related}</Relationships>',
        "word/document.xml": f'<?xml version="1.0"?><w:document xmlns:w="{_WORDS}"><w:body><w:p><w:r><w:t>Giấy phép kinh doanh: bản thử, không có giá trị.</w:t></w:r></w:p></w:body></w:document>',
    }
    with ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(ZipInfo(name, (2026, 11, 1, 0, 0, 0)), content)


def _xlsx(path: Path) -> None:
    book = xlsxwriter.Workbook(str(path))
    book.set_properties({"created": datetime(2026, 11, 1)})
    book.add_worksheet("Lao động").write_column(0, 0, ["Họ tên (bịa)", "Nguyễn Văn Thử", "Trần Thị Mẫu"])
    book.close()


def write_beside(folder: Path) -> None:
    """What the demo finds beside the sheet: the later sheet, the organisation, what the agency knows, the attachments."""
    write(folder / "branches-later.xlsx", list(LATER))
    (folder / "branches-org.csv").write_text(ORG, "utf-8")
    (folder / "branches-agency.json").write_text(json.dumps(KNOWN, indent=1, ensure_ascii=False) + "\n", "utf-8")
    files = folder / "attachments"
    files.mkdir(exist_ok=True)
    (files / "giay-phep.pdf").write_bytes(_pdf())
    (files / "anh-chup.pdf").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))  # a picture that is called pdf
    _docx(files / "giay-phep.docx")
    _xlsx(files / "danh-sach-nguoi-lao-dong.xlsx")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    print(f"{target / 'branches.xlsx'}: {write(target / 'branches.xlsx')} rows")
    write_beside(target)
