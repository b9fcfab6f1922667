"""What the commands about sheets and the organisation say: name -> (Vietnamese, English); and their help in Vietnamese."""

from __future__ import annotations

SHEET_SENTENCES: dict[str, tuple[str, str]] = {
    "col.batch": ("Lô", "Batch"),
    "col.filename": ("Tệp", "File"),
    "col.rows_done": ("Dòng đã xử lý", "Rows done"),
    "col.rows": ("Số dòng", "Rows"),
    "sheet.ordered": ("Lô {batch}: {state}.", "Batch {batch}: {state}."),
    "sheet.state.working": ("đang xử lý", "being worked off"),
    "sheet.state.paused": ("đang tạm dừng", "paused"),
    "sheet.nobody": (
        "không biết API ở đâu: HOSO_HTTP có cổng 0 và không có {file}; hãy chạy hoso up, hoặc ghi --url",
        "where the API is, is not known: HOSO_HTTP has port 0 and there is no {file}; run hoso up, or give --url",
    ),
    "sheet.state.cancelling": ("đang huỷ", "being cancelled"),
    "sheet.state.cancelled": ("đã huỷ", "cancelled"),
    "sheet.state.done": ("đã xử lý xong", "worked off"),
    "sheet.state.failed": ("bị lỗi", "failed"),
    "sheet.too-large": (
        "tệp {file} lớn {size} MB, nhiều nhất là {most} MB: xoá hình ảnh và trang thừa, hoặc chia thành nhiều tệp",
        "{file} has {size} MB, a sheet may have {most} MB: remove pictures and spare pages, or split it",
    ),
    "org.told": (
        "Thêm {added}, đổi {changed}, giữ nguyên {unchanged}, từ chối {refused}.",
        "{added} added, {changed} changed, {unchanged} unchanged, {refused} refused.",
    ),
    "org.unreadable": (
        "tệp không phải cơ cấu tổ chức đọc được ({why}): gửi danh sách JSON, hoặc CSV có cột id, parent, name",
        "the file is no organisation ({why}): give a JSON list, or CSV with the columns id, parent, name",
    ),
}

COMMANDS: dict[str, str] = {
    "sheet list": "Các lô của bạn, mới nhất trước. Mã kết thúc 1 khi không có.",
    "sheet pause": "Cho các dòng chưa ai xử lý của một lô chờ. Những gì đã giao vẫn tiếp tục.",
    "sheet resume": "Chạy tiếp một lô đã tạm dừng hoặc bị lỗi.",
    "sheet cancel": "Huỷ một lô: không dòng nào được bắt đầu nữa, và các đăng ký còn mở của lô bị huỷ.\n\n"
    "Việc đã nộp cho cơ quan BHXH vẫn chạy đến kết quả. Không hoàn lại được; bảng có thể gửi lại.",
    "org": "Cơ cấu tổ chức của người sử dụng lao động: đồng bộ, và xem cây.",
    "org import": "Báo các đơn vị theo mã của chúng: mới thì thêm, cũ thì đổi; gửi lại cũng không sao. Mã kết thúc 1 khi "
    "có đơn vị bị từ chối.\n\n"
    "Các trường: id, parent, name, unit_code, tax_code, province, agency, address, email, phone, contact_name, profile.",
    "org show": "Cơ cấu tổ chức dưới dạng cây. Mã kết thúc 1 khi chưa có gì.",
}

OPTIONS: dict[str, str] = {
    "Send the pdf, docx and xlsx files of this folder first.": "Gửi trước các tệp pdf, docx và xlsx của thư mục này.",
    "Only the rows that are to be mended.": "Chỉ các dòng cần sửa.",
    "JSON (a list of units) or CSV with the columns id, parent, name, …": "JSON (danh sách đơn vị) hoặc CSV có các cột id, "
    "parent, name, …",
}
