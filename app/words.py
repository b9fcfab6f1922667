"""What the commands say, in Vietnamese and in English. `HOSO_LANGUAGE` chooses; Vietnamese is the default."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Literal

from app.agent_sentences import AGENT_SENTENCES
from app.backup_sentences import BACKUP_SENTENCES
from app.esign_sentences import ESIGN_SENTENCES
from app.log_sentences import LOG_SENTENCES
from app.sentences import SENTENCES
from app.sheet_sentences import SHEET_SENTENCES
from app.task_sentences import TASK_SENTENCES
from app.topic_sentences import TOPIC_SENTENCES
from services.notifier.english import CAUSES_EN
from services.notifier.words import STAGES

Language = Literal["vi", "en"]


@cache
def language() -> Language:
    """The language of this process: `HOSO_LANGUAGE`, else `language` in the file `HOSO_CONFIG` names, else Vietnamese.

    Read without the settings themselves, so that `--help` is quick and works with broken settings.
    """
    chosen = os.environ.get("HOSO_LANGUAGE", "")
    config = os.environ.get("HOSO_CONFIG", "")
    if not chosen and config and Path(config).is_file():
        import tomllib

        try:
            chosen = str(tomllib.loads(Path(config).read_text("utf-8")).get("language", ""))
        except (OSError, ValueError):
            chosen = ""
    return "en" if chosen == "en" else "vi"


def text(name: str, /, **values: Any) -> str:
    """The sentence called `name`, in the language of this process."""
    return in_language(language(), name, **values)


def in_language(chosen: Language, name: str, /, **values: Any) -> str:
    """The sentence called `name` in a given language. Raises KeyError for a name nobody wrote down."""
    vi, en = TEXTS[name]
    return (en if chosen == "en" else vi).format(**values)


def stage_word(stage: str) -> str:
    """Where an enrolment stands, for people."""
    return text(f"stage.{stage}") if f"stage.{stage}" in TEXTS else stage


def cause_word(cause: str | None, vietnamese: str = "") -> str:
    """Why an enrolment waits. `vietnamese`: the sentence that came with it, which says more."""
    if not cause:
        return vietnamese
    if language() == "vi":
        return vietnamese or cause
    return CAUSES_EN.get(cause, cause)


TEXTS: dict[str, tuple[str, str]] = {
    # --- columns of tables ---
    "col.tenant": ("Khách hàng", "Tenant"),
    "col.employees": ("Số lao động", "Employees"),
    "col.title": ("Tên", "Title"),
    "col.name": ("Tên", "Name"),
    "col.id": ("Số", "Id"),
    "col.made_at": ("Lập lúc", "Made at"),
    "col.scopes": ("Quyền", "Scopes"),
    "col.address": ("Địa chỉ", "Address"),
    "col.offset": ("Vị trí", "Offset"),
    "col.body": ("Nội dung", "Body"),
    "col.tax_code": ("Mã số thuế", "Tax code"),
    "col.agency": ("Cơ quan BHXH", "Agency"),
    "col.host": ("Máy chủ", "Host"),
    "col.mode": ("Địa chỉ nhận", "Contact"),
    "col.policy": ("Xác thực thư", "Trust"),
    "col.backend": ("Cách ký", "Backend"),
    "col.tax_codes": ("Mã số thuế", "Tax codes"),
    "col.serial": ("Số sê-ri", "Serial"),
    "col.not_after": ("Hết hạn", "Expires"),
    "col.days_left": ("Còn (ngày)", "Days left"),
    "col.enrolment": ("Đăng ký", "Enrolment"),
    "col.unit_code": ("Mã đơn vị", "Unit code"),
    "col.unit": ("Đơn vị", "Unit"),
    "col.stage": ("Bước", "Stage"),
    "col.cause": ("Lý do", "Cause"),
    "col.changed_at": ("Thay đổi lúc", "Changed at"),
    "col.at": ("Lúc", "At"),
    "col.what": ("Việc", "What"),
    "col.count": ("Số lượng", "Count"),
    "col.command": ("Lệnh trả lời", "Answer with"),
    "col.group": ("Nhóm", "Group"),
    "col.topic": ("Chủ đề", "Topic"),
    "col.partition": ("Phần", "Partition"),
    "col.records": ("Còn lại", "Records behind"),
    "col.seconds": ("Trễ (giây)", "Seconds behind"),
    "col.commit_age": ("Lần ghi cuối (giây)", "Last commit (s)"),
    "col.since": ("Từ lúc", "Since"),
    "col.reason": ("Lý do", "Reason"),
    "col.error": ("Lỗi", "Error"),
    "col.events": ("Sự kiện", "Events"),
    "col.released": ("Đã thả", "Released"),
    "col.lane": ("Hàng gọi", "Lane"),
    "col.calls": ("Lời gọi", "Calls"),
    "col.oldest": ("Chờ lâu nhất (giây)", "Oldest (s)"),
    "col.unsure": ("Chưa rõ kết quả", "Unsure"),
    "col.service": ("Dịch vụ", "Service"),
    "col.pid": ("Tiến trình", "Pid"),
    "col.partitions": ("Số phần", "Partitions"),
    "col.days": ("Giữ (ngày)", "Kept (days)"),
    "col.about": ("Về", "About"),
    "col.public": ("Công khai", "Public"),
    "col.variable": ("Biến", "Variable"),
    "col.value": ("Giá trị", "Value"),
    "col.meaning": ("Nghĩa", "Meaning"),
    "col.state": ("Tình trạng", "State"),
    "col.cure": ("Cách khắc phục", "Cure"),
    "col.row": ("Dòng", "Row"),
    "col.column": ("Cột", "Column"),
    "col.message": ("Nội dung", "Message"),
    "col.key": ("Khoá", "Key"),
    "col.required": ("Bắt buộc", "Required"),
    "col.example": ("Ví dụ", "Example"),
    "col.help": ("Giải thích", "Help"),
    "col.mail": ("Thư", "Mail"),
    "col.mailbox": ("Hộp thư", "Mailbox"),
    "col.kind": ("Loại", "Kind"),
    "col.arrived_at": ("Đến lúc", "Arrived at"),
    "col.why": ("Vì sao", "Why"),
    "col.type": ("Loại sự kiện", "Type"),
    **{f"stage.{name}": pair for name, pair in STAGES.items()},
    # --- general ---
    "nothing": ("Không có gì.", "Nothing found."),
    "yes": ("có", "yes"),
    "no": ("không", "no"),
    "prompt.password": ("Mật khẩu", "Password"),
    "prompt.sure": ("Chắc chắn?", "Are you sure?"),
    "db.away": (
        "cơ sở dữ liệu ở {url} không trả lời: chạy `hoso up`, hoặc sửa HOSO_DATABASE",
        "no database answers at {url}: start it with `hoso up`, or mend HOSO_DATABASE",
    ),
    "db.lost": (
        "mất kết nối với cơ sở dữ liệu giữa chừng ({error}): chạy lại lệnh này",
        "the database went away meanwhile ({error}): run this command again",
    ),
    "db.busy": (
        "một lệnh hoso khác đang khởi động cơ sở dữ liệu trong {var}: đợi một lát rồi chạy lại",
        "another hoso command is starting the database in {var}: wait a moment and run this again",
    ),
    "file.unreadable": ("không đọc được tệp {file}: {why}", "the file {file} cannot be read: {why}"),
    "file.unwritable": ("không ghi được tệp {file}: {why}", "the file {file} cannot be written: {why}"),
    "file.exists": ("tệp {file} đã có; chọn tên khác", "{file} exists already; choose another name"),
    **SENTENCES,
    **AGENT_SENTENCES,
    **BACKUP_SENTENCES,
    **ESIGN_SENTENCES,
    **LOG_SENTENCES,
    **SHEET_SENTENCES,
    **TASK_SENTENCES,
    **TOPIC_SENTENCES,
}
