"""The words of outgoing messages, in Vietnamese and in English."""

from __future__ import annotations

from typing import Literal

Language = Literal["vi", "en"]

STAGES: dict[str, tuple[str, str]] = {
    "requested": ("Đã nhận", "Requested"),
    "signing": ("Đang ký số", "Signing"),
    "filed": ("Đã nộp, chờ cơ quan BHXH", "Filed"),
    "stopping": ("Đang ngừng nhà cung cấp cũ", "Stopping the old provider"),
    "awaiting-stop-mail": ("Chờ thư xác nhận ngừng", "Waiting for the stop mail"),
    "waiting-for-turn": ("Chờ đến lượt ở hộp thư", "Waiting for its turn"),
    "awaiting-code": ("Chờ mã kích hoạt", "Waiting for the activation code"),
    "activating": ("Đang kích hoạt", "Activating"),
    "agency-review": ("Cán bộ BHXH đang xử lý cấp mã", "The agency's officer has it"),
    "changing": ("Đang nộp hồ sơ thay đổi", "Filing a change"),
    "fetching-employees": ("Đang lấy danh sách lao động", "Fetching employees"),
    "enrolled": ("Đã đăng ký xong", "Enrolled"),
    "waiting-for-person": ("Chờ người xử lý", "Waiting for a person"),
    "stopped": ("Đã ngừng dịch vụ", "Stopped"),
    "cancelled": ("Đã huỷ", "Cancelled"),
    "refused-request": ("Bị từ chối", "Refused"),
}
"""Where an enrolment stands, as people read it."""

WARNINGS: dict[str, tuple[str, str]] = {
    "code-expiring": ("Mã kích hoạt sắp hết hạn", "The activation code ends soon"),
    "mail-missing": ("Chưa nhận được email của cơ quan BHXH", "The agency's mail has not come"),
    "result-late": ("Cơ quan BHXH trả lời trễ", "The agency is late with its answer"),
    "paper-waiting": ("Hồ sơ giấy chưa có kết quả", "The paper form has brought no result"),
    "task-waiting": ("Một việc chờ đã lâu", "A task has been waiting long"),
    "certificate-expiring": ("Chứng thư số sắp hết hạn", "A certificate ends soon"),
}

SIGNATURES: dict[str, tuple[str, str]] = {
    "approval": ("Chờ phê duyệt chữ ký: mở ứng dụng ký số", "A signature waits for approval: open the signing app"),
    "agent-offline": ("Máy giữ USB Token chưa kết nối: bật máy đó", "The token's workstation is offline: start it"),
    "token-absent": ("Chưa cắm USB Token: cắm token vào máy", "The USB token is not plugged in: plug it in"),
    "pin-suspect": ("USB Token không nhận mã PIN: kiểm tra lại", "The token does not take the PIN: check it"),
    "login": ("Dịch vụ ký từ xa cần đăng nhập lại", "The remote signing service wants a new log-in"),
}

MAILS: dict[str, tuple[str, str]] = {
    "several": ("Một thư hợp với nhiều hồ sơ: chọn hồ sơ của nó", "A mail fits several dossiers: choose its own"),
    "nobody": ("Một thư chưa hợp với hồ sơ nào", "A mail fits no dossier yet"),
    "quarantined": ("Một thư không xác thực được người gửi", "The sender of a mail is not believed"),
    "unreadable": ("Một thư không đọc hiểu chắc chắn được", "A mail is not understood for certain"),
}

LETTER: dict[str, tuple[str, str]] = {
    "subject-tasks": ("{tasks} việc cần làm", "{tasks} to do"),
    "subject-news": ("{news} đơn vị có tiến triển", "news of {news} units"),
    "greeting": ("Kính gửi Quý khách,", "Dear customer,"),
    "tasks": ("VIỆC CẦN LÀM", "TO DO"),
    "warnings": ("CẢNH BÁO", "WARNINGS"),
    "news": ("TIẾN TRIỂN", "NEWS"),
    "until": ("Hạn: {until} (giờ Việt Nam)", "Until {until} (Vietnam)"),
    "more": ("… và {count} mục khác", "… and {count} more"),
    "how": (
        "Xem và trả lời: hoso tasks list, hoặc GET /v1/tasks.",
        "Look and answer: hoso tasks list, or GET /v1/tasks.",
    ),
    "end": (
        "Thư này do hoso gửi tự động và không chứa mã kích hoạt hay thông tin người lao động; xin đừng trả lời thư.",
        "hoso sent this by itself; it carries no activation code and nothing about employees. Please do not reply.",
    ),
    "webhook-off": ("Webhook đã bị tắt vì lỗi quá lâu: {url}", "A webhook was switched off, it failed too long: {url}"),
    "nameless": ("đơn vị chưa rõ tên", "a unit without a name"),
}


def pick(pair: tuple[str, str], language: Language) -> str:
    """The one in this language."""
    return pair[1] if language == "en" else pair[0]
