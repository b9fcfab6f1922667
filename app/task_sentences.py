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
}
