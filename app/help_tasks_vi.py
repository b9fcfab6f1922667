"""The Vietnamese help of tasks, checklists and outgoing messages; `app.help_vi` puts it on the commands."""

from __future__ import annotations

COMMANDS: dict[str, str] = {
    "tasks": "Mọi việc đang chờ người, và cách trả lời.",
    "tasks list": "Các việc đang mở, việc sắp hết hạn trước. Mã kết thúc 1 khi không có.",
    "tasks show": "Một việc: chuyện gì đã xảy ra, cần làm gì, trả lời được gì, ai đang giữ. Mã kết thúc 1 khi không có.",
    "tasks answer": "Trả lời một việc; hoso tasks show cho biết trả lời được gì. Mã kích hoạt được hỏi, hoặc đọc từ "
    "stdin.\n\n"
    "Thư chưa rõ: assign và số thứ tự của hồ sơ, hoặc số đăng ký. Đơn vị bị giữ: release.",
    "tasks code": "Mã kích hoạt mà người phải tự nhập trên cổng, khi cổng kết nối không nhận mã. Ai đã xem được ghi lại.",
    "webhook": "Webhook: sự kiện công khai của khách hàng tới hệ thống của họ, có ký.",
    "webhook add": "Báo cho một hệ thống mọi sự kiện công khai từ nay. Khoá ký chỉ được in ra một lần.\n\n"
    "Ký theo Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature.",
    "webhook list": "Các webhook: mỗi nơi đã nhận đến đâu, có lỗi gì. Mã kết thúc 1 khi không có.",
    "webhook remove": "Thôi báo cho một webhook; khoá ký của nó bị huỷ.",
    "webhook test": "Gửi ngay một sự kiện thử có ký và cho biết câu trả lời. Mã kết thúc 1 khi không được nhận.",
    "webhook replay": "Báo lại cho một webhook, và bật nó lại. Sự kiện giữ nguyên webhook-id; có đủ 30 ngày gần nhất.",
    "notify": "Thư cho người phụ trách ở mỗi mốc và mỗi việc, gom lại.",
    "notify set": 'Ai nhận thư về các mốc và việc của một khách hàng. Ghi lại là thay; --to "" là thôi gửi.',
    "notify list": "Ai được báo, bao nhiêu thư đang chờ hay bị từ chối. Mã kết thúc 1 khi không có ai.",
    "unit checklist": "Năm bước của một đơn vị: tổ chức, khai báo, chữ ký số, đăng ký, lao động. Mã kết thúc 1 khi không có.",
    "profile replace": "Từ nay ký bằng chứng thư mới: mọi đơn vị đã đăng ký dùng chữ ký số này nộp hồ sơ thay đổi (05/SĐ-IVAN).\n\n"
    "Chứng thư của đơn vị khác bị từ chối. Chạy lại không sao: chỉ báo cho đơn vị lần cuối ký bằng chứng thư khác.",
    "tasks assign": "Giao một việc cho một người. Việc vẫn mở cho đến khi được trả lời, hoặc tự xong.",
    "form": "Tờ khai in ra giấy: một hồ sơ thành PDF, TK3-TS của nơi chỉ nhận giấy, nhiều tờ thành một tệp.",
    "form print": "In hồ sơ mới nhất của một đăng ký; đơn vị nộp giấy: tờ khai TK3-TS, để ký tay và gửi đi.",
    "form batch": "In tờ khai TK3-TS của mọi đơn vị đang chờ gửi giấy, thành một tệp; nhiều nhất 200 tờ, và còn lại bao nhiêu.",
}

OPTIONS: dict[str, str] = {
    "What hoso tasks show says can be answered, e.g. retry, data, unit-code, activation-code.": "Một trong những câu mà "
    "hoso tasks show nêu, ví dụ retry, data, unit-code, activation-code.",
    'Where the answer needs one. For data the mended columns: \'{"tax_code": "…"}\' or @FILE.': "Khi câu trả lời cần giá "
    'trị. Với data là các cột đã sửa: \'{"tax_code": "…"}\' hoặc @TỆP.',
    "For activation-code: when its mail came, e.g. 2026-03-02T09:15 (Vietnam). Default: now.": "Với activation-code: thư "
    "đến lúc nào, ví dụ 2026-03-02T09:15 (giờ Việt Nam). Mặc định: bây giờ.",
    "Only of this cause, e.g. provider, unit-held.": "Chỉ việc vì lý do này, ví dụ provider, unit-held.",
    "Only those given to this person.": "Chỉ việc giao cho người này.",
    "The task's id, or its first characters, from hoso tasks list.": "Số của việc, hoặc các ký tự đầu của nó, từ hoso "
    "tasks list.",
    "Who does it; nobody when left out.": "Giao cho ai; bỏ trống là không giao cho ai.",
    "The file to write; an existing one is replaced.": "Tệp được ghi; tệp đã có bị thay.",
    "Go on behind this enrolment.": "In tiếp sau hồ sơ đăng ký này.",
    "Only this tenant's units.": "Chỉ đơn vị của khách hàng này.",
    "Whose systems or people they are.": "Hệ thống hay người của khách hàng nào.",
    "From hoso webhook list.": "Lấy từ hoso webhook list.",
    "https://… of the receiver.": "https://… của nơi nhận.",
    "Everything after this cursor. Default: from the first that was not taken.": "Mọi sự kiện sau con trỏ này. Mặc định: "
    "từ sự kiện đầu tiên chưa được nhận.",
    "Who is told; may be given several times.": "Ai nhận thư; ghi được nhiều lần.",
    "Also the address in each unit's own row; often the mailbox hoso reads.": "Cả địa chỉ trong dòng của từng đơn vị; "
    "thường là hộp thư mà hoso đọc.",
    "vi or en.": "vi hoặc en.",
    "What happens within it goes into one mail, e.g. 5m.": "Những gì xảy ra trong khoảng này vào chung một thư, ví dụ 5m.",
    "The unit's code, branch id, org unit id or id.": "Mã đơn vị, mã chi nhánh, mã tổ chức hoặc số của đơn vị.",
    "The new key with its certificate. Left out: it was set anew otherwise, only tell the units.": "Khoá mới cùng chứng thư. "
    "Bỏ trống: đã khai lại bằng cách khác, chỉ báo cho các đơn vị.",
}
