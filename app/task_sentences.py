"""The sentences about tasks, outgoing messages and checklists: name -> (Vietnamese, English). `app.words.text` says them."""

from __future__ import annotations

TASK_SENTENCES: dict[str, tuple[str, str]] = {
    "col.task": ("Việc", "Task"),
    "col.who": ("Đơn vị, thư", "Unit, mail"),
    "col.answers": ("Trả lời được", "Can be answered"),
    "col.until": ("Đến hạn", "Until"),
    "col.assignee": ("Giao cho", "Assignee"),
    "col.ended_at": ("Xong lúc", "Ended at"),
    "col.answer": ("Đã trả lời", "Answered"),
    "col.actor": ("Người trả lời", "By"),
    "col.number": ("Số", "No."),
    "col.unit_name": ("Tên đơn vị", "Unit name"),
    "col.attempt": ("Lần", "Attempt"),
    "prompt.code": ("Mã kích hoạt", "Activation code"),
    "task.none": ("không có việc {id}; xem `hoso tasks list`", "there is no task {id}; see `hoso tasks list`"),
    "task.candidates": ("Các hồ sơ có thể", "Candidates"),
    "task.answered": ("{id}: đã nhận câu trả lời {answer}.", "{id}: the answer {answer} is taken."),
    "task.assigned": ("{id}: giao cho {who}.", "{id}: given to {who}."),
    "task.release": (
        "đơn vị bị giữ chỉ trả lời được: release (khi chưa thả)",
        "a held unit can only be answered with: release (while it is not released)",
    ),
    "answer.code-shown": (
        "không ghi mã kích hoạt trên dòng lệnh: mã sẽ được hỏi, hoặc đọc từ stdin",
        "never write an activation code on the command line: it is asked for, or read from stdin",
    ),
    "answer.for-all": (
        "Cách xử lý này chỉ cho hồ sơ này. Cho mọi hồ sơ: thêm dòng sau vào tệp HOSO_REJECTIONS: {row}",
        "This treatment is for this case only. For all: put this row into the file HOSO_REJECTIONS names: {row}",
    ),
    "time.bad": (
        "'{given}' không phải một thời điểm; ghi như 2026-03-02T09:15",
        "'{given}' is no time: write it like 2026-03-02T09:15",
    ),
    "webhook.added": (
        "Webhook {id} đã khai báo. Khoá ký dưới đây chỉ hiện một lần, hãy cất ngay:",
        "Webhook {id} is set up. Its signing secret is shown this once, keep it now:",
    ),
    "webhook.removed": ("Webhook {id} không được báo nữa.", "Webhook {id} is told no more."),
    "webhook.tried": ("Trả lời: {status} {error}", "Answer: {status} {error}"),
    "webhook.replayed": (
        "{id}: phát lại mọi sự kiện sau con trỏ {after}.",
        "{id}: everything after cursor {after} is told again.",
    ),
    "notify.set": ("Đã ghi người nhận thông báo của {tenant}.", "Whom {tenant} wants told is noted."),
    "notify.off": (
        "thư đang tắt: HOSO_SMTP chưa đặt, không ai nhận được thông báo",
        "mails are off: HOSO_SMTP is not set, nobody is told",
    ),
    "col.endpoint": ("Webhook", "Webhook"),
    "col.url": ("Địa chỉ", "Address"),
    "col.cursor": ("Con trỏ", "Cursor"),
    "col.behind": ("Còn lại", "Behind"),
    "col.refused": ("Bị từ chối", "Refused"),
    "col.failing_since": ("Lỗi từ", "Failing since"),
    "col.disabled_at": ("Tắt lúc", "Switched off"),
    "col.addresses": ("Người nhận", "Addresses"),
    "col.to_unit": ("Cả đơn vị", "Units too"),
    "col.language": ("Ngôn ngữ", "Language"),
    "col.gather": ("Gom trong", "Gathered over"),
    "col.waiting": ("Đang chờ", "Waiting"),
    "check.mails": ("thư thông báo", "outgoing mails"),
    "cure.mails": ("đặt HOSO_SMTP và HOSO_SMTP_FROM", "set HOSO_SMTP and HOSO_SMTP_FROM"),
    "check.webhooks": ("webhook", "webhooks"),
    "check.webhook-off": ("{tenant}: {url} đã bị tắt", "{tenant}: {url} is switched off"),
}
