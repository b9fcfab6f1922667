"""The help of the commands in Vietnamese. The English is in the commands; a test says that nothing is missing."""

from __future__ import annotations

from typing import Any

from app import (
    agent_sentences,
    esign_sentences,
    help_backup_vi,
    help_mails_vi,
    help_tasks_vi,
    log_sentences,
    sheet_sentences,
    topic_sentences,
)


def translate(command: Any, path: str = "") -> None:
    """Put the Vietnamese help on a command and everything below it. What has none stays in English."""
    if command.help and path in COMMANDS:
        _, example, rest = command.help.partition("Example:")
        command.help = COMMANDS[path] + (f"\n\nVí dụ:{rest}" if example else "")
    for one in command.params:
        if getattr(one, "help", None) in OPTIONS:
            one.help = OPTIONS[one.help]
    for name, below in getattr(command, "commands", {}).items():
        translate(below, f"{path} {name}".strip())


COMMANDS: dict[str, str] = {
    "": "Đăng ký các đơn vị của người sử dụng lao động với dịch vụ BHXH điện tử.\n\n"
    "Các bước đầu: hoso up; rồi hoso tenant, mailbox, profile và key add; rồi hoso sheet submit.\n\n"
    "Mã kết thúc: 0 xong; 1 không có gì, hoặc câu trả lời là không; 2 cài đặt hoặc cách dùng; 70 dịch vụ tự dừng; "
    "75 không tới được cơ sở dữ liệu.",
    "run": "Chạy một dịch vụ trong tiến trình này; nhiều dịch vụ: mỗi dịch vụ một tiến trình, chết thì chạy lại.\n\n"
    "Kết thúc trong vài giây khi nhận SIGTERM hoặc Ctrl-C. Cơ sở dữ liệu phải có sẵn (hoso up, hoặc HOSO_DATABASE).",
    "up": "Chạy mọi thứ trên máy này: cơ sở dữ liệu nhúng và mọi dịch vụ, cho đến khi nhấn Ctrl-C.\n\n"
    "Cập nhật cơ sở dữ liệu trước, in ra các địa chỉ; dữ liệu ở lại trong HOSO_VAR.",
    "migrate": "Đưa cơ sở dữ liệu lên phiên bản của chương trình và lập các chủ đề. Chạy lại cũng không sao.\n\n"
    "Cơ sở dữ liệu nhúng chưa chạy thì được chạy trong lúc đó.",
    "settings": "Mọi cài đặt, giá trị hiện tại và ý nghĩa. Không hiện mật khẩu.",
    "check": "Còn thiếu gì và khắc phục thế nào. Mã kết thúc 1 khi còn thiếu.",
    "status": "Toàn cảnh: các bước, việc chờ người và lệnh trả lời, đơn vị bị giữ, lời gọi, dịch vụ.",
    "tenant": "Các khách hàng của hệ thống này.",
    "tenant add": "Lập một khách hàng và chủ đề nhận yêu cầu của họ; lập lại cũng không sao.",
    "tenant list": "Mọi khách hàng. Mã kết thúc 1 khi chưa có ai.",
    "tenant remove": "Thu hồi các khoá và thôi đọc các hộp thư của một khách hàng; việc đang làm vẫn tiếp tục.",
    "key": "Khoá API của các khách hàng.",
    "key add": "Lập một khoá API. Khoá chỉ được in ra một lần; hệ thống chỉ giữ giá trị băm.\n\n"
    "Chỉ khoá được in ra stdout, nên có thể ghi thẳng vào tệp.",
    "key list": "Các khoá còn hiệu lực. Mã kết thúc 1 khi không có.",
    "key remove": "Thu hồi một khoá, ngay lập tức.",
    "profile": "Chữ ký số dùng để ký hồ sơ.",
    "profile add": "Nạp khoá từ tệp PKCS#12 và cất trong két; mật khẩu của tệp không được giữ. Cùng tên là thay.",
    "profile list": "Các chữ ký số và thời hạn chứng thư. Mã kết thúc 1 khi không có.",
    "profile test": "Ký thử một mẫu và kiểm tra; cho biết mã số thuế và số ngày còn lại. Mã kết thúc 1 khi "
    "không ký được.",
    "profile remove": "Bỏ một chữ ký số và huỷ khoá của nó. Đăng ký nào cần nó sẽ chờ người xử lý.",
    "sheet": "Bảng đơn vị: mẫu, kiểm tra thử, gửi, kết quả.",
    "sheet template": "Ghi một bảng trống để điền, hoặc liệt kê các cột.",
    "sheet check": "Đọc bảng như khi gửi và nói từng dòng sai gì. Mã kết thúc 1 khi có dòng sai.\n\n"
    "Không gửi gì, không cần máy chủ.",
    "sheet submit": "Gửi một bảng và theo dõi cho đến khi các dòng được nhận. Dòng sai được báo; dòng đúng vẫn "
    "đi tiếp.\n\n"
    "Mã kết thúc 0 khi mọi dòng được nhận (với --wait: đăng ký xong), nếu không là 1. Gửi lại không đăng ký ai "
    "hai lần.",
    "sheet result": "Lấy lại bảng của bạn, bên cạnh mỗi dòng là kết quả. Bảng đó có thể gửi lại.",
    "enrolment": "Các đăng ký đang ở đâu, và trả lời những đăng ký chờ người.",
    "enrolment list": "Các đăng ký, mới thay đổi trước. Mã kết thúc 1 khi không có.",
    "enrolment show": "Một đăng ký: đang ở đâu và mọi điều đã xảy ra. Mã kết thúc 1 khi không có.",
    "enrolment answer": "Trả lời điều một đăng ký đang chờ; hoso enrolment show cho biết trả lời được gì.\n\n"
    "Mã kích hoạt được hỏi, hoặc đọc từ stdin.",
    "enrolment employees": "Lấy lại danh sách lao động của một đơn vị đã đăng ký xong. Số lao động hiện trong "
    "hoso enrolment show.\n\nVí dụ: hoso enrolment employees TZ1234Z",
    "enrolment cancel": "Huỷ một đăng ký. Việc đã bắt đầu ở cơ quan BHXH vẫn chạy đến kết quả; đơn vị có thể "
    "yêu cầu lại.",
    "mail": "Thư của cơ quan BHXH: mỗi thư ra sao, và thư chưa rõ là của ai.",
    "unit": "Mã đơn vị của cơ quan BHXH.",
    "unit lookup": "Hỏi nơi tra cứu ở HOSO_UNIT_DIRECTORY xem một mã số thuế có những đơn vị nào. Mã kết thúc 1 khi "
    "không có.\n\n"
    "Kết quả chỉ để gợi ý: hãy đối chiếu tên và địa chỉ trước khi dùng mã.",
    "unit release": "Trả lại một mã đơn vị mà khách hàng nêu nhầm: ai nêu mã đó tiếp theo sẽ có nó.\n\n"
    "Chỉ khi đơn vị của mã không còn hồ sơ đăng ký đang mở và chưa từng nộp gì. Việc này được ghi lại.",
    "clock": "Đồng hồ của thế giới. Chỉ môi trường test mới chỉnh được.",
    "clock show": "Giờ của thế giới, chạy nhanh bao nhiêu, và ai đã chỉnh.",
    "clock jump": "Cho cả thế giới nhảy tới: đồng hồ của hoso, các ngày của nhật ký, và đồng hồ của cơ quan "
    "BHXH giả lập.",
    "clock rate": "Cho thế giới chạy nhanh hơn, hoặc chậm hơn, từ bây giờ. Nhanh hơn 100 lần chỉ được khoảng "
    "một giờ: khi đó hãy nhảy.",
    "vault": "Khoá mã hoá, và xoá vĩnh viễn.",
    "vault new-key": "Lập tệp khoá mà chỉ chủ của nó đọc được; HOSO_VAULT_KEY_FILE chỉ tới nó. Không bao giờ ghi đè.",
    "vault rewrap": "Bọc lại mọi khoá dữ liệu bằng khoá đầu tiên của tệp; sau đó các khoá khác có thể bỏ.\n\n"
    "Bị từ chối khi còn dịch vụ chạy từ trước khi tệp thay đổi: khởi động lại chúng trước.",
    "vault erase": "Xoá vĩnh viễn những gì két giữ của một đăng ký cho một mục đích: khoá của nó bị huỷ.",
    **agent_sentences.COMMANDS,
    **esign_sentences.COMMANDS,
    **help_backup_vi.COMMANDS,
    **help_mails_vi.COMMANDS,
    **help_tasks_vi.COMMANDS,
    **topic_sentences.COMMANDS,
    **log_sentences.COMMANDS,
    **sheet_sentences.COMMANDS,
}

OPTIONS: dict[str, str] = {
    "intake, enrolment, signer, submitter, mail_watcher, ops, notifier; relay with Kafka.": "intake, enrolment, signer, submitter, "
    "mail_watcher, ops, notifier; relay khi dùng Kafka.",
    "File descriptor that gets one line of JSON when the service is ready.": "Số hiệu tệp nhận một dòng JSON "
    "khi dịch vụ sẵn sàng.",
    "Only these, separated by commas. Default: all.": "Chỉ những dịch vụ này, cách nhau bằng dấu phẩy. Mặc "
    "định: tất cả.",
    "Print JSON.": "In JSON.",
    "Print docs/settings.md.": "In docs/settings.md.",
    "At most so many enrolments that wait for a person.": "Nhiều nhất chừng này đăng ký chờ người.",
    "Lower-case letters, digits and hyphens, at most 40.": "Chữ thường không dấu, chữ số và gạch nối, nhiều nhất 40.",
    "What people call it.": "Tên để gọi.",
    "Who does this, for the record. Default: the user of the system.": "Ai làm việc này, để ghi lại. Mặc định: "
    "người dùng của máy.",
    "Whose key it is.": "Khoá của khách hàng nào.",
    "What the key is for; it stands in records as key:NAME.": "Khoá dùng làm gì; được ghi lại là key:TÊN.",
    "submit, read, setup; separated by commas.": "submit, read, setup; cách nhau bằng dấu phẩy.",
    "Only this tenant's.": "Chỉ của khách hàng này.",
    "From hoso key list.": "Lấy từ hoso key list.",
    "Whose profile it is.": "Chữ ký số của khách hàng nào.",
    "What sheets call it (column Chữ ký số).": "Tên dùng trong bảng (cột Chữ ký số).",
    "The key with its certificate (.p12, .pfx).": "Khoá cùng chứng thư (.p12, .pfx).",
    "Where the empty sheet is written, e.g. units.xlsx.": "Ghi bảng trống vào đâu, ví dụ units.xlsx.",
    "Only list the columns.": "Chỉ liệt kê các cột.",
    "xlsx or csv.": "xlsx hoặc csv.",
    "A file with the API key (hoso key add … > FILE).": "Tệp chứa khoá API (hoso key add … > TỆP).",
    "Where intake's API is. Default: HOSO_HTTP.": "Địa chỉ API nhận yêu cầu. Mặc định: HOSO_HTTP.",
    "Until every unit is enrolled, cancelled, or waits for a person.": "Cho đến khi mọi đơn vị xong, huỷ, hoặc "
    "chờ người.",
    "Your own Idempotency-Key. Default: a new one.": "Idempotency-Key của bạn. Mặc định: một khoá mới.",
    "The batch's id, as hoso sheet submit printed it.": "Số của lô, như hoso sheet submit đã in.",
    "Where the result sheet is written.": "Ghi bảng kết quả vào đâu.",
    "Only in this stage, e.g. waiting-for-person, enrolled.": "Chỉ ở bước này, ví dụ waiting-for-person, enrolled.",
    "At most so many.": "Nhiều nhất chừng này.",
    "The enrolment's id, or the unit code.": "Số của đăng ký, hoặc mã đơn vị.",
    "Why, for the record.": "Vì sao, để ghi lại.",
    "The employer's tax code, 10 or 13 digits.": "Mã số thuế của đơn vị, 10 hoặc 13 chữ số.",
    "Part of the unit's name, to narrow the list.": "Một phần tên đơn vị, để thu hẹp danh sách.",
    'JSON: {"request": "…", "fields": {…}}, or a list of them.': 'JSON: {"request": "…", "fields": {…}}, '
    "hoặc một danh sách như vậy.",
    "2d, 25h, 90m, 30s, or a sum such as 1d12h.": "2d, 25h, 90m, 30s, hoặc tổng như 1d12h.",
    "World seconds a real second; 1 is real time.": "Số giây của thế giới trong một giây thật; 1 là giờ thật.",
    "Keep it outside the database's backups.": "Cất riêng, không để trong bản sao lưu cơ sở dữ liệu.",
    "FILE exists: put a new key before its old ones; then restart all services, then hoso vault rewrap.": "TỆP đã có: thêm "
    "khoá mới lên đầu; rồi khởi động lại mọi dịch vụ, rồi hoso vault rewrap.",
    "The unit code to free.": "Mã đơn vị cần trả lại.",
    "The enrolment's id.": "Số của đăng ký.",
    "code, personal or evidence.": "code, personal hoặc evidence.",
    "Do not ask.": "Không hỏi lại.",
    **agent_sentences.OPTIONS,
    **esign_sentences.OPTIONS,
    **help_backup_vi.OPTIONS,
    **help_mails_vi.OPTIONS,
    **help_tasks_vi.OPTIONS,
    **log_sentences.OPTIONS,
    **sheet_sentences.OPTIONS,
    **topic_sentences.OPTIONS,
}
