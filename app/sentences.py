"""The sentences of the commands: name -> (Vietnamese, English). `app.words.text` says them."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    # --- run, up, migrate, settings, check ---
    "run.unknown": ("không có dịch vụ '{name}'; có: {names}", "there is no service '{name}'; there are: {names}"),
    "up.running": ("hoso đang chạy; nhấn Ctrl-C để dừng", "hoso is running; Ctrl-C stops it"),
    "migrate.done": ("Đã cập nhật: {parts}", "Applied: {parts}"),
    "migrate.none": ("Cơ sở dữ liệu đã đúng phiên bản.", "The database is up to date."),
    "state.ok": ("được", "ok"),
    "state.soon": ("sắp hết", "soon"),
    "state.missing": ("thiếu", "missing"),
    "check.settings": ("cài đặt", "settings"),
    "check.database": ("cơ sở dữ liệu", "database"),
    "check.schema": ("phiên bản dữ liệu", "schema version"),
    "check.key": ("khoá mã hoá", "key-encryption key"),
    "check.disk": ("đĩa còn trống", "disk space"),
    "check.gateway": ("cổng của cơ quan BHXH", "the agency's gateway"),
    "check.tenants": ("khách hàng", "tenants"),
    "check.mailboxes": ("hộp thư", "mailboxes"),
    "check.profiles": ("chữ ký số", "signing profiles"),
    "check.keys": ("khoá API", "API keys"),
    "check.certificate": ("chữ ký số {tenant}/{name}", "certificate {tenant}/{name}"),
    "check.days": ("còn {days} ngày", "{days} days left"),
    "check.made": ("sẽ tự tạo trong {file}", "will be made in {file}"),
    "check.replies": ("chữ ký của cơ quan BHXH", "the agency's signatures"),
    "check.unsigned": (
        "không kiểm tra chữ ký trên kết quả: ai chen được vào giữa là giả được kết quả",
        "decisions are not checked for a signature: whoever gets in between can forge them",
    ),
    "cure.replies": (
        "đặt HOSO_AGENCY_CERTIFICATES=TỆP nếu cổng có ký kết quả",
        "set HOSO_AGENCY_CERTIFICATES=FILE if the gateway signs its decisions",
    ),
    "unit.no-reason": ("hãy ghi lý do", "say why"),
    "unit.free": (
        "mã đơn vị {code} không do đơn vị nào giữ: không có gì để trả lại",
        "no unit holds the code {code}: there is nothing to release",
    ),
    "unit.open": (
        "không trả lại được mã {code}: đơn vị của nó còn hồ sơ đăng ký đang mở {enrolment}; huỷ hồ sơ đó trước bằng "
        "`hoso enrolment cancel {enrolment}`",
        "{code} is not released: its unit has the open enrolment {enrolment}; cancel that first with "
        "`hoso enrolment cancel {enrolment}`",
    ),
    "unit.filed": (
        "không trả lại được mã {code}: đã nộp hồ sơ cho đơn vị này (hồ sơ đăng ký {enrolment}), mã thuộc về đơn vị đó",
        "{code} is not released: something was filed for its unit (enrolment {enrolment}), so the code is that unit's",
    ),
    "unit.released": (
        "Mã {code} không còn do khách hàng {tenant} giữ; ai nêu mã này tiếp theo sẽ có nó.",
        "{code} is no longer held by {tenant}; whoever names it next has it.",
    ),
    "unit.no-directory": (
        "HOSO_UNIT_DIRECTORY chưa đặt: không có nơi tra cứu; tra mã trên Cổng thông tin BHXH Việt Nam",
        "HOSO_UNIT_DIRECTORY is not set: there is nowhere to look; find the code on the agency's public portal",
    ),
    "cure.database": ("chạy `hoso up`, hoặc sửa HOSO_DATABASE", "run `hoso up`, or mend HOSO_DATABASE"),
    "cure.schema": ("chạy `hoso migrate`", "run `hoso migrate`"),
    "cure.disk": ("giải phóng ít nhất 200 MiB ở {folder}", "free at least 200 MiB in {folder}"),
    "cure.gateway": ("đặt HOSO_GATEWAY và kiểm tra đường mạng", "set HOSO_GATEWAY and check the network"),
    "cure.tenant": ("hoso tenant add TÊN", "hoso tenant add NAME"),
    "cure.key": ("hoso key add TENANT TÊN", "hoso key add TENANT NAME"),
    "cure.mailbox": ("hoso mailbox add TENANT ĐỊA-CHỈ --host MÁY", "hoso mailbox add TENANT ADDRESS --host HOST"),
    "cure.profile": ("hoso profile add TENANT TÊN --pkcs12 TỆP", "hoso profile add TENANT NAME --pkcs12 FILE"),
    "cure.renew": (
        "gia hạn, rồi hoso profile replace với tệp mới",
        "renew it, then hoso profile replace with the new file",
    ),
    # --- set-up ---
    "tenant.added": ("Đã lập khách hàng {name}.", "Tenant {name} is set up."),
    "tenant.removed": (
        "Đã bỏ khách hàng {name}; khoá của nó hết hiệu lực.",
        "Tenant {name} is removed; its keys are revoked.",
    ),
    "key.added": ("Khoá này chỉ hiện một lần, hãy cất ngay:", "This key is shown once, keep it now:"),
    "key.removed": ("Khoá {id} hết hiệu lực.", "Key {id} is revoked."),
    "mailbox.added": ("Đã khai báo hộp thư {address}.", "Mailbox {address} is declared."),
    "mailbox.sender-only": (
        "{address}: chỉ tin địa chỉ người gửi, ai cũng giả được; xem docs/mailboxes.md",
        "{address}: believes the sender's address alone, which anybody can forge; see docs/mailboxes.md",
    ),
    "mailbox.no-authserv": (
        "--policy auth-results cần --authserv-id: tên máy chủ thư ghi Authentication-Results",
        "--policy auth-results needs --authserv-id: the name of the mail server that writes Authentication-Results",
    ),
    "mailbox.no-ca-file": ("--ca-file {file}: không có tệp này", "--ca-file {file}: there is no such file"),
    "mailbox.removed": ("Hộp thư {address} không được đọc nữa.", "Mailbox {address} is no longer read."),
    "mailbox.none": (
        "không có hộp thư {address}; xem `hoso mailbox list`",
        "there is no mailbox {address}; see `hoso mailbox list`",
    ),
    "mailbox.ok": (
        "{address}: vào được, thư mục {folder} (UIDVALIDITY {uidvalidity}, UIDNEXT {uidnext}).",
        "{address}: open, folder {folder} (UIDVALIDITY {uidvalidity}, UIDNEXT {uidnext}).",
    ),
    "mailbox.bad": ("{address}: {error}", "{address}: {error}"),
    "profile.added": (
        "Đã nạp chữ ký số {name}: mã số thuế {tax_codes}, còn {days} ngày.",
        "Signing profile {name} is set up: tax codes {tax_codes}, {days} days left.",
    ),
    "profile.removed": (
        "Đã bỏ chữ ký số {name}, khoá đã bị huỷ.",
        "Signing profile {name} is removed, its key is destroyed.",
    ),
    "profile.none": (
        "không có chữ ký số '{name}' của khách hàng '{tenant}'; xem `hoso profile list`",
        "there is no profile '{name}' of tenant '{tenant}'; see `hoso profile list`",
    ),
    "profile.ok": (
        "{name}: ký và kiểm tra được; mã số thuế {tax_codes}, còn {days} ngày.",
        "{name}: signs and verifies; tax codes {tax_codes}, {days} days left.",
    ),
    "profile.bad": ("{name}: {error}", "{name}: {error}"),
    "profile.expired": ("chứng thư đã hết hạn ngày {day}", "the certificate expired on {day}"),
    "profile.early": ("chứng thư chỉ có hiệu lực từ ngày {day}", "the certificate is valid only from {day}"),
    "option.bad": (
        "{option}: '{given}' không dùng được; có: {allowed}",
        "{option}: '{given}' will not do; there are: {allowed}",
    ),
    "id.bad": ("'{given}' không phải một mã số (UUID)", "'{given}' is no id (a UUID)"),
    # --- enrolments ---
    "enrolment.none": (
        "không có đăng ký nào là {id}; xem `hoso enrolment list`",
        "there is no enrolment {id}; see `hoso enrolment list`",
    ),
    "enrolment.others": ("Đăng ký cũ hơn của đơn vị này: {ids}", "Older enrolments of this unit: {ids}"),
    "enrolment.timeline": ("Diễn biến", "Timeline"),
    "enrolment.answered": ("{id}: đã nhận câu trả lời {answer}.", "{id}: the answer {answer} is taken."),
    "enrolment.employees": ("{id}: sẽ lấy lại danh sách lao động.", "{id}: the employees will be fetched again."),
    "enrolment.cancelled": ("{id}: đã nhận lệnh huỷ.", "{id}: the cancellation is taken."),
    # --- status ---
    "status.stages": ("Các bước", "Stages"),
    "status.waiting": ("Chờ người xử lý", "Waiting for a person"),
    "status.held": ("Đơn vị bị giữ", "Held units"),
    "status.lanes": ("Lời gọi đang chờ", "Waiting calls"),
    "status.services": ("Dịch vụ đang chạy", "Services alive"),
    "status.disk": (
        "CẢNH BÁO: đĩa của HOSO_VAR chỉ còn {free} MiB; giải phóng ít nhất {least} MiB, dưới {refuse} MiB không nhận gì mới",
        "WARNING: only {free} MiB are free for HOSO_VAR; free at least {least} MiB, below {refuse} MiB nothing new is taken",
    ),
    "status.dead": ("Thư chết: {count}", "Dead letters: {count}"),
    "status.nobody": ("Không có dịch vụ nào đang chạy; chạy `hoso up`.", "No service is alive; run `hoso up`."),
    # --- clock, vault, mail ---
    "clock.show": ("Giờ của thế giới: {world}, nhanh gấp {rate}.", "The world's time: {world}, going at {rate}."),
    "clock.production": (
        "đồng hồ chỉ chỉnh được trong môi trường test; trong production nó là giờ thật",
        "the clock can be moved in the environment test only; in production it is real time",
    ),
    "clock.far": (
        "mỗi lần chỉ nhảy được nhiều nhất {days} ngày; hãy nhảy nhiều lần",
        "one jump goes {days} days at most; jump several times",
    ),
    "vault.made": (
        "Đã ghi khoá vào {file}; cất riêng, không để chung với bản sao lưu của cơ sở dữ liệu.",
        "The key is in {file}; keep it apart from the database's backups.",
    ),
    "vault.running": (
        "các dịch vụ chạy từ trước khi {file} thay đổi ({services}) chưa biết khoá mới: khởi động lại chúng rồi chạy lại lệnh này",
        "services that started before {file} changed ({services}) do not know the new key: restart them, then run this again",
    ),
    "vault.rewrapped": ("Đã bọc lại {count} khoá dữ liệu.", "{count} data keys are wrapped anew."),
    "vault.erased": (
        "{enrolment}: mọi thứ thuộc '{purpose}' đã bị xoá vĩnh viễn.",
        "{enrolment}: everything kept for '{purpose}' is erased for good.",
    ),
    "mail.assigned": ("{mail}: đã gán cho đăng ký {enrolment}.", "{mail}: given to enrolment {enrolment}."),
    "mail.aside": ("{mail}: đã để riêng, không dùng nữa.", "{mail}: set aside, nothing of it is used."),
    "mail.not-waiting": (
        "thư {mail} ở tình trạng '{state}': không có gì phải quyết định",
        "mail {mail} is '{state}': there is nothing to decide about it",
    ),
    "mail.none": ("không có thư {mail}; xem `hoso mail list`", "there is no mail {mail}; see `hoso mail list`"),
    "mail.matched": (
        "thư {mail} đã thuộc về đăng ký {enrolment}",
        "mail {mail} belongs to enrolment {enrolment} already",
    ),
    "mail.closed": (
        "thư {mail} ở tình trạng '{state}': chỉ gán được thư chưa rõ của ai (undecided, parked)",
        "mail {mail} is '{state}': only a mail that is undecided or parked can be given to an enrolment",
    ),
    "mail.nobody": (
        "đăng ký {enrolment} không chờ thư nào loại này ở hộp thư của khách hàng này",
        "enrolment {enrolment} waits for no such mail of this tenant",
    ),
    # --- sheets ---
    "sheet.which": (
        "cho biết tên tệp, ví dụ units.xlsx, hoặc --columns",
        "name a file, e.g. units.xlsx, or give --columns",
    ),
    "sheet.template": ("Đã ghi mẫu vào {file}.", "The template is in {file}."),
    "sheet.remark": ("Dòng {row}, {column}: {message}", "Row {row}, {column}: {message}"),
    "sheet.checked": (
        "{rows} dòng: {good} dòng đúng, {bad} dòng có lỗi.",
        "{rows} rows: {good} good, {bad} with errors.",
    ),
    "sheet.taken": ("Dòng đã nhận", "Rows taken"),
    "sheet.rested": ("Đăng ký đã yên", "Enrolments at rest"),
    "sheet.progress": (
        "đã nhận {done}/{rows} dòng; {rested}/{open} đăng ký đã yên",
        "{done}/{rows} rows taken; {rested}/{open} enrolments at rest",
    ),
    "sheet.sent": (
        "Lô {batch}: {rows} dòng, {bad} dòng không được nhận.",
        "Batch {batch}: {rows} rows, {bad} not taken.",
    ),
    "sheet.result": ("Đã ghi kết quả vào {file}.", "The result is in {file}."),
    "http.away": (
        "không liên lạc được {url}: {error}; xem hoso có đang chạy không, và --url",
        "no answer from {url}: {error}; is hoso running, is --url right?",
    ),
    "http.strange": (
        "câu trả lời từ {url} không phải của hoso; xem lại --url",
        "the answer from {url} is not hoso's; look at --url",
    ),
}
