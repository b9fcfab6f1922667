"""The columns of a sheet, as data: the template, the header search, the validation and the API all read this one table."""

from __future__ import annotations

from functools import cache

from hoso.domain.identifiers import fold
from services.intake.column import Column
from services.intake.columns_first_time import FIRST_TIME

COLUMNS: tuple[Column, ...] = (
    Column(
        "unit_code",
        "Mã đơn vị",
        (
            "Mã ĐV",
            "Mã ĐV BHXH",
            "Mã đơn vị BHXH",
            "Mã số đơn vị",
            "Mã BHXH",
            "Mã số BHXH",
            "Mã đơn vị BHXH cấp",
            "Mã đơn vị (BHXH cấp)",
            "MA_DVI",
            "MADV",
            "Unit code",
            "Unit",
            "Social insurance code",
        ),
        False,
        "TZ1234Z",
        "Mã do cơ quan BHXH cấp, 7 ký tự. Đơn vị chưa có mã thì để trống và điền “Mã chi nhánh”.",
        20,
    ),
    Column(
        "branch_id",
        "Mã chi nhánh",
        (
            "Mã CN",
            "Mã nội bộ",
            "Mã chi nhánh nội bộ",
            "Mã tổ chức",
            "Mã phòng ban",
            "Branch id",
            "Branch code",
            "Branch",
            "Org unit id",
            "Mã cửa hàng",
        ),
        False,
        "CN-001",
        "Mã của chính doanh nghiệp cho chi nhánh này. Bắt buộc khi chưa có mã đơn vị.",
        64,
    ),
    Column(
        "name",
        "Tên đơn vị",
        (
            "Tên ĐV",
            "Tên chi nhánh",
            "Tên công ty",
            "Tên doanh nghiệp",
            "Tên người sử dụng lao động",
            "Đơn vị",
            "TEN_DVI",
            "Name",
            "Unit name",
            "Company name",
            "Company",
            "Branch name",
        ),
        True,
        "CÔNG TY TNHH Thực phẩm Hoa Ban - Chi nhánh Gia Lâm",
        "Đúng từng chữ như trên giấy phép: thư của cơ quan BHXH được đối chiếu theo tên này.",
        250,
    ),
    Column(
        "tax_code",
        "Mã số thuế",
        (
            "MST",
            "Mã thuế",
            "MS thuế",
            "Mã số doanh nghiệp",
            "MSDN",
            "Mã số thuế/Mã ngân sách",
            "MST/Mã ngân sách",
            "Tax code",
            "Tax id",
            "Tax number",
            "TIN",
            "VAT number",
        ),
        True,
        "9001234568-001",
        "10 chữ số, hoặc 13 chữ số cho chi nhánh (0100109106-001).",
        30,
    ),
    Column(
        "province",
        "Tỉnh/Thành phố",
        (
            "Tỉnh",
            "Tỉnh thành",
            "Tỉnh/TP",
            "Tỉnh/Thành",
            "Thành phố",
            "Tỉnh thành phố",
            "Tỉnh, thành phố",
            "Mã tỉnh",
            "Tên tỉnh",
            "Tỉnh/thành phố trực thuộc TW",
            "Province",
            "City",
            "Province/City",
            "DIADIEM",
        ),
        True,
        "Hà Nội",
        "Tên tỉnh/thành phố hiện nay (34). Tên cũ cũng được hiểu.",
        100,
    ),
    Column(
        "agency",
        "Cơ quan BHXH",
        (
            "CQ BHXH",
            "Cơ quan BHXH quản lý",
            "Cơ quan bảo hiểm xã hội",
            "Mã cơ quan BHXH",
            "Mã CQ BHXH",
            "BHXH quản lý",
            "Agency",
            "Agency code",
        ),
        False,
        "00112",
        "Mã 5 chữ số của cơ quan BHXH quản lý; ở Hà Nội ghi tên cũng được. Không rõ thì để trống.",
        100,
    ),
    Column(
        "address",
        "Địa chỉ",
        ("Địa chỉ liên hệ", "Địa chỉ đơn vị", "Địa chỉ ĐKKD", "Địa chỉ trụ sở", "ĐC", "DIACHI_LHE", "Address"),
        True,
        "Số 12 đường Ngô Xuân Quảng, xã Gia Lâm",
        "Địa chỉ liên hệ của đơn vị.",
        250,
    ),
    Column(
        "email",
        "Email",
        (
            "Thư điện tử",
            "E-mail",
            "Mail",
            "Địa chỉ email",
            "Email liên hệ",
            "Địa chỉ thư điện tử",
            "Hộp thư",
            "Email address",
        ),
        True,
        "bhxh@hoaban.example",
        "Một địa chỉ; mã kích hoạt được gửi về đây. Hộp thư phải đã được khai báo với hoso.",
        254,
    ),
    Column(
        "email_again",
        "Nhập lại email",
        (
            "Nhập lại thư điện tử",
            "Email nhập lại",
            "Xác nhận email",
            "Nhập lại mail",
            "Email again",
            "Confirm email",
            "Repeat email",
        ),
        False,
        "",
        "Không bắt buộc; nếu điền thì phải giống cột Email.",
        254,
    ),
    Column(
        "phone",
        "Điện thoại",
        (
            "Số điện thoại",
            "SĐT",
            "ĐT",
            "Điện thoại liên hệ",
            "Số ĐT",
            "Di động",
            "Tel",
            "Phone",
            "Phone number",
            "Mobile",
            "DIEN_THOAI",
        ),
        True,
        "0912345678",
        "Một số điện thoại Việt Nam.",
        40,
    ),
    Column(
        "contact_name",
        "Người liên hệ",
        ("Họ tên người liên hệ", "Tên người liên hệ", "Liên hệ", "Contact", "Contact name", "Contact person"),
        False,
        "Nguyễn Thị Hoa",
        "Người cơ quan BHXH có thể gọi.",
    ),
    Column(
        "current_provider",
        "Nhà cung cấp hiện tại",
        (
            "NCC hiện tại",
            "Nhà cung cấp",
            "Nhà cung cấp cũ",
            "Nhà cung cấp I-VAN hiện tại",
            "I-VAN hiện tại",
            "IVAN hiện tại",
            "IVAN",
            "Đang dùng nhà cung cấp",
            "Current provider",
            "Provider",
        ),
        False,
        "",
        "Chỉ điền khi đơn vị đang dùng nhà cung cấp khác hoặc Cổng BHXH: hoso ngừng nơi đó trước rồi mới đăng ký.",
    ),
    Column(
        "stop_reason",
        "Lý do ngừng",
        ("Lý do", "Lý do ngừng dịch vụ", "LYDO_NGUNG", "Stop reason", "Reason"),
        False,
        "",
        "Để trống = Chuyển đổi nhà cung cấp.",
        100,
    ),
    Column(
        "stop_reason_text",
        "Nội dung lý do khác",
        ("Lý do khác", "Nội dung lý do", "Ghi rõ lý do", "Chi tiết lý do ngừng", "Other reason", "Stop reason text"),
        False,
        "",
        "Bắt buộc khi lý do ngừng là “Khác”.",
    ),
    Column(
        "purpose",
        "Yêu cầu",
        ("Loại yêu cầu", "Việc cần làm cho đơn vị", "Mục đích", "Purpose"),
        False,
        "",
        "Để trống = đăng ký. “Chỉ ngừng” = chỉ ngừng nhà cung cấp hiện tại. “Thay đổi” = báo thay đổi của đơn vị đã đăng ký xong.",
        40,
    ),
    *FIRST_TIME,
    Column(
        "org_unit",
        "Mã cơ cấu tổ chức",
        ("Mã đơn vị nội bộ trong cơ cấu tổ chức", "Mã cơ cấu", "Org unit", "Organisation unit", "Organization unit"),
        False,
        "",
        "Mã của đơn vị trong cơ cấu tổ chức đã đồng bộ (hoso org import); cột nào để trống được lấy từ đó.",
        64,
    ),
    Column(
        "profile",
        "Chữ ký số",
        (
            "CKS",
            "Tên chữ ký số",
            "Hồ sơ chữ ký số",
            "Cấu hình chữ ký số",
            "Signing profile",
            "Signature",
            "Certificate",
        ),
        False,
        "",
        "Tên chữ ký số đã khai báo với hoso. Để trống = chữ ký số của mã số thuế này.",
        100,
    ),
)

COLUMN: dict[str, Column] = {column.key: column for column in COLUMNS}


@cache
def _keys_by_word() -> dict[str, str]:
    words: dict[str, str] = {}
    for column in COLUMNS:
        for word in (column.key, column.header, *column.aliases):
            words.setdefault(fold(word), column.key)
    return words


def column_named(header: str) -> str | None:
    """The key of the column a header cell means; case, diacritics, `*`, `_` and a remark in brackets do not matter."""
    words = _keys_by_word()
    return words.get(fold(header)) or words.get(fold(header.split("(")[0]))


def header_of(key: str) -> str:
    """What people call the column `key`; an unknown key stays as it is."""
    column = COLUMN.get(key)
    return column.header if column else key
