"""Why the agency refuses: the codes and their sentences.

CE007 and CE044 are the agency's own (domain.md §7.1); the SIM codes are invented.
"""

from __future__ import annotations

from dataclasses import dataclass

TEXTS: dict[str, str] = {
    "CE007": "Đơn vị đã đăng ký với IVAN khác",
    "CE044": "Đơn vị đã đăng ký giao dịch tại cổng thông tin BHXH Việt Nam",
    "CE999": "Lỗi nghiệp vụ chưa phân loại",
    "SIM001": "Mã đơn vị không tồn tại",
    "SIM002": "Mã số thuế không khớp với mã đơn vị",
    "SIM003": "Đơn vị không thuộc cơ quan BHXH quản lý",
    "SIM004": "Chứng thư số đã hết hạn",
    "SIM005": "Chứng thư số đã bị thu hồi",
    "SIM006": "Chữ ký số không hợp lệ",
    "SIM007": "Chữ ký số không phải của đơn vị",
    "SIM008": "Hồ sơ không đúng cấu trúc XML quy định",
    "SIM009": "Thiếu tờ khai trong hồ sơ",
    "SIM010": "Hồ sơ trùng với hồ sơ đã nộp",
    "SIM011": "Đơn vị đã ngừng sử dụng dịch vụ trước đó",
    "SIM012": "Đơn vị không sử dụng dịch vụ của nhà cung cấp được nêu",
    "SIM013": "Mã kích hoạt không đúng",
    "SIM014": "Mã kích hoạt đã hết hiệu lực",
    "SIM015": "Đơn vị đang bị khóa giao dịch",
    "SIM016": "Đơn vị đã được kích hoạt",
    "SIM017": "Tệp hồ sơ không đọc được (XML sai cú pháp)",
    "SIM018": "Tệp hồ sơ chứa DOCTYPE hoặc thực thể, không được chấp nhận",
    "SIM019": "Mã đơn vị sai định dạng",
    "SIM020": "Cơ quan BHXH trong tờ khai khác với nơi nộp",
    "SIM021": "Mã đơn vị trong tờ khai khác với mã đơn vị gửi",
    "SIM022": "Mã số thuế trong tờ khai khác với mã số thuế gửi",
    "SIM023": "Mã số thuế sai định dạng hoặc sai số kiểm tra",
    "SIM024": "Hồ sơ chưa có chữ ký số của đơn vị",
    "SIM025": "Hồ sơ có nhiều hơn một chữ ký số",
    "SIM026": "Chữ ký số không bao phủ toàn bộ hồ sơ",
    "SIM027": "Thuật toán ký không được chấp nhận",
    "SIM028": "Nội dung hồ sơ đã bị thay đổi sau khi ký",
    "SIM029": "Chữ ký số không kèm chứng thư số",
    "SIM030": "Chứng thư số chưa có hiệu lực",
    "SIM031": "Ngày lập hồ sơ ở tương lai",
    "SIM032": "Địa chỉ email không hợp lệ, chỉ được ghi một địa chỉ",
    "SIM033": "Thủ tục không được hỗ trợ",
    "SIM034": "Tệp hồ sơ quá lớn",
    "SIM035": "Chữ ký số không đúng vị trí quy định",
    "SIM036": "Ngày không hợp lệ",
    "SIM037": "Thông tin chứng thư số kê khai khác với chứng thư số dùng để ký",
    "SIM038": "Khóa công khai kèm theo khác với chứng thư số",
    "SIM039": "Tệp hồ sơ có cấu trúc lồng quá sâu",
    "SIM040": "Nhà cung cấp trong tờ khai khác với nhà cung cấp gửi hồ sơ",
    "SIM041": "Giao dịch không tồn tại",
    "SIM042": "Đơn vị chưa đăng ký sử dụng dịch vụ của nhà cung cấp này",
    "SIM043": "Mã đơn vị chưa được cấp cho đơn vị này",
    "SIM044": "Hồ sơ thiếu giấy tờ",
    "SIM045": "Tên đơn vị không khớp với giấy phép",
    "SIM046": "Cơ quan BHXH chưa tiếp nhận hồ sơ điện tử của đơn vị tham gia lần đầu, đề nghị nộp hồ sơ giấy",
    "SIM047": "Thiếu tệp đính kèm giấy phép đăng ký kinh doanh",
    "SIM048": "Tệp đính kèm không đúng loại",
    "SIM049": "Độ dài tệp kê khai khác với nội dung tệp",
    "SIM050": "Nội dung tệp không giải mã được",
    "SIM051": "Nội dung thay đổi không hợp lệ",
    "SIM052": "Thông tin trong tờ khai khác với thông tin trong hồ sơ",
    "SIM053": "Hồ sơ thay đổi không được chấp nhận",
    "SIM099": "Hệ thống đang bận, vui lòng thực hiện lại",
}


@dataclass(frozen=True)
class Refusal(Exception):
    """A filing or an activation is not taken. `reason` is what MOTA_LOI says."""

    code: str
    detail: str = ""

    @property
    def reason(self) -> str:
        """The sentence of the code, with the detail behind it."""
        words = TEXTS.get(self.code, "Lỗi không xác định")
        return f"{words}: {self.detail}" if self.detail else words
