"""The Vietnamese help of mailboxes and mails; `app.help_vi` puts it on the commands."""

from __future__ import annotations

COMMANDS: dict[str, str] = {
    "mailbox": "Các hộp thư nhận thư của cơ quan BHXH.",
    "mailbox add": "Khai báo một hộp thư; khai lại cùng địa chỉ là thay cài đặt. Có hiệu lực ngay, không cần "
    "chạy lại.\n\n"
    "Mật khẩu được hỏi, hoặc đọc từ tệp; được cất trong két. Hộp thư tin ai thì thư giả gây hại được đến đó: "
    "docs/mailboxes.md so sánh ba cách. hoso mailbox test để thử.",
    "mailbox list": "Các hộp thư đang được đọc và tình trạng: reading, down, refused, needs-consent. Mã kết thúc 1 khi "
    "không có.",
    "mailbox test": "Thử vào một hộp thư đã khai báo, đúng như dịch vụ đọc thư. Không thay đổi gì. Mã kết thúc "
    "1 khi không được.",
    "mailbox remove": "Thôi đọc một hộp thư. Thư trong đó giữ nguyên.",
    "mail list": "Các thư, mới trước, kèm thư mục; không bao giờ có nội dung hay mã. Mã kết thúc 1 khi không có.",
    "mail aside": "Để riêng một thư đang chờ người: không dùng gì trong thư, và không hỏi ai về nó nữa.",
    "mail assign": "Gán một thư cho đăng ký của nó. Dịch vụ đọc thư sẽ thực hiện.",
}

OPTIONS: dict[str, str] = {
    "Whose mailbox it is.": "Hộp thư của khách hàng nào.",
    "The mail address, as the forms declare it.": "Địa chỉ thư, đúng như ghi trên tờ khai.",
    "The IMAP server.": "Máy chủ IMAP.",
    "Its port.": "Cổng của nó.",
    "The name to log in with. Default: the address.": "Tên đăng nhập. Mặc định: chính địa chỉ.",
    "implicit, starttls, or none (loopback only).": "implicit, starttls, hoặc none (chỉ trên chính máy này).",
    "How a mail is trusted. dkim: the agency's signature, verified here; what is not signed waits for a person. "
    "auth-results: the word of your mail server; safe only if it removes foreign headers with its own name. "
    "sender-only: the From line, which anybody can forge.": "Tin một thư bằng gì. dkim: chữ ký của cơ quan BHXH, kiểm tra "
    "tại đây; thư không ký chờ người xem. auth-results: lời của máy chủ thư của bạn; chỉ an toàn khi máy chủ xoá các dòng "
    "mang tên nó do người khác ghi. sender-only: dòng From, ai cũng giả được.",
    "Whose Authentication-Results count, with --policy auth-results.": "Authentication-Results của máy chủ nào, "
    "với --policy auth-results.",
    "aioimaplib (GPL) or imapclient (also STARTTLS); either package may be left out.": "aioimaplib (GPL) hoặc imapclient "
    "(cả STARTTLS); có thể không cài một trong hai.",
    "The folder that is read at once.": "Thư mục được đọc ngay.",
    "Folders read once a scan: auto (the junk folder), none, or names and special uses such as "
    r"\Junk,\All, separated by commas.": "Thư mục đọc thêm mỗi lần quét: auto (thư rác), none, hoặc các tên và công dụng "
    r"như \Junk,\All, cách nhau bằng dấu phẩy.",
    "shared; own: every enrolment gets its own plus-address; catch-all: an address of its own in this domain.": "shared; own: "
    "mỗi đăng ký có một địa chỉ cộng riêng; catch-all: một địa chỉ riêng trong tên miền này.",
    "The headers that say to which address a mail came, separated by commas: only those your server writes "
    "itself cannot be forged. Default: delivered-to, x-original-to, x-delivered-to, envelope-to, x-envelope-to, to.": ""
    "Các dòng đầu thư cho biết thư đến địa chỉ nào, cách nhau bằng dấu phẩy: chỉ dòng do chính máy chủ của bạn ghi là không "
    "giả được. Mặc định: delivered-to, x-original-to, x-delivered-to, envelope-to, x-envelope-to, to.",
    "Certificates to trust instead of the system's (PEM).": "Chứng thư được tin thay cho của hệ thống (PEM).",
    "XOAUTH2 instead of a password (Microsoft 365, Google): JSON with token_url, client_id, client_secret, "
    "refresh_token, scope. It is sealed; delete the file.": "XOAUTH2 thay mật khẩu (Microsoft 365, Google): JSON có token_url, "
    "client_id, client_secret, refresh_token, scope. Được cất trong két; hãy xoá tệp.",
    "Its first line is the password. Default: asked for.": "Dòng đầu của tệp là mật khẩu. Mặc định: hỏi.",
    "Only those that wait: undecided or parked.": "Chỉ những thư còn chờ: undecided hoặc parked.",
    "The mail's id, from hoso mail list.": "Số của thư, từ hoso mail list.",
    "Whose it is: the enrolment's id.": "Của ai: số của đăng ký.",
}
