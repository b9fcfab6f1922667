"""docs/tasks.md, made from `hoso/domain/causes.py`: what an enrolment waits for people for, and what they can answer. In Vietnamese."""

from __future__ import annotations

from pathlib import Path

from hoso.domain.causes import CAUSES

PAGE = Path(__file__).parents[1] / "docs" / "tasks.md"

ANSWERS = {
    "retry": ("nộp lại, ký mới", ""),
    "continue": ("coi như việc đang chờ đã xong, hoặc chờ thêm", ""),
    "data": ("sửa các cột nêu tên, cả dòng được kiểm tra lại", '\'{"address": "Số 2 đường Lê Lợi"}\''),
    "unit-code": ("mã đơn vị được cấp", "TZ1234Z"),
    "provider": ("nhà cung cấp đang giữ đơn vị; Cổng BHXH ghi VSS", "00040"),
    "profile": ("tên chữ ký số khác đã khai báo", '"ky-so-2026"'),
    "address": ("địa chỉ nhận thư từ nay; hộp thư phải đã khai báo", "bhxh@acme.example"),
    "filed": ("cơ quan BHXH đã nhận; kèm mã giao dịch nếu biết", "GD0123"),
    "not-filed": ("cơ quan BHXH không có hồ sơ này: nộp mới", ""),
    "activation-code": ("mã kích hoạt trong thư; được hỏi, không ghi trên dòng lệnh", ""),
    "activated": ("đã tự nhập mã trên cổng", ""),
    "treatment": ("mã lỗi này nghĩa là gì, chỉ cho lần này", "again-now"),
    "sent": ("cách nộp (post: bưu điện, one-stop: một cửa) và ngày nộp", '"post 2026-03-02"'),
    "accepted": ("cơ quan BHXH đã chấp nhận; xin mã thì kèm mã đơn vị", "TZ1234Z"),
    "refused": ("cơ quan BHXH từ chối; kèm lý do", '"thiếu giấy tờ"'),
}
"""Answer -> what it says, and a value as it is typed."""


def markdown() -> str:
    """The page."""
    lines = [
        "# Việc chờ người: nguyên nhân và câu trả lời",
        "",
        "Trang này do `make docs` tạo từ `hoso/domain/causes.py`. `hoso tasks list` nêu các việc đang mở, `hoso tasks show SỐ` nêu một việc,",
        "`hoso tasks answer SỐ CÂU-TRẢ-LỜI [GIÁ-TRỊ] --reason \"vì sao\"` trả lời (qua HTTP: `POST /v1/tasks/{id}/answer`). Việc nào cũng có thể",
        "huỷ bằng `hoso enrolment cancel`. Số chỉ cần các ký tự đầu.",
        "",
        "## Nguyên nhân",
        "",
        "| nguyên nhân | chuyện gì | cần làm gì | trả lời được |",
        "|---|---|---|---|",
        *(
            f"| `{cause.name}` | {cause.text} | {cause.cure} | {', '.join(f'`{one}`' for one in cause.answers)} |"
            for cause in CAUSES.values()
        ),
        "",
        "## Câu trả lời",
        "",
        "| câu trả lời | nghĩa là | ví dụ giá trị |",
        "|---|---|---|",
        *(f"| `{name}` | {says} | {f'`{value}`' if value else ''} |" for name, (says, value) in ANSWERS.items()),
        "",
        "Ngoài ra còn: thư khớp với nhiều hồ sơ (`mail-undecided`, trả lời `assign` và số thứ tự), chữ ký đang chờ người duyệt (duyệt trên điện thoại",
        "hoặc ở máy cắm token), đơn vị bị giữ vì lỗi (`unit-held`, người vận hành trả lời `release`), webhook đã bị tắt (`webhook-off`).",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
