"""The sentences of `hoso backup` and `hoso restore`: name -> (Vietnamese, English). `app.words.text` says them."""

from __future__ import annotations

BACKUP_SENTENCES: dict[str, tuple[str, str]] = {
    "backup.none": (
        "{folder} không phải là bản sao lưu của hoso (không đọc được hoso.json)",
        "{folder} is not a backup of hoso's (hoso.json cannot be read)",
    ),
    "backup.empty": (
        "cơ sở dữ liệu này chưa có gì của hoso: không có gì để sao lưu",
        "this database has nothing of hoso's: there is nothing to back up",
    ),
    "backup.may-not": (
        "người dùng của cơ sở dữ liệu không có quyền REPLICATION: `alter role … replication`, và một dòng `replication` trong pg_hba.conf",
        "the database's user lacks REPLICATION: `alter role … replication`, and a `replication` line in pg_hba.conf",
    ),
    "backup.minimal": (
        "wal_level = minimal: máy chủ PostgreSQL này không sao lưu trực tuyến được; đặt wal_level = replica",
        "wal_level = minimal: this server cannot be backed up while it runs; set wal_level = replica",
    ),
    "backup.tablespaces": (
        "máy chủ này có tablespace riêng, `hoso backup` không sao lưu được: hãy dùng công cụ của máy chủ",
        "this server has tablespaces of its own, which `hoso backup` does not carry: use the server's own tools",
    ),
    "backup.older": (
        "pg_basebackup ở đây là bản {own}, máy chủ là bản {server}: cài chương trình PostgreSQL bản {server} trở lên",
        "pg_basebackup here is release {own}, the server is {server}: install PostgreSQL's programs of release {server} or later",
    ),
    "backup.sslpassword": (
        "HOSO_DATABASE chứa sslpassword, mà pg_basebackup sẽ để lộ trong danh sách tiến trình: dùng khóa không mật khẩu (quyền 0600)",
        "HOSO_DATABASE holds sslpassword, and pg_basebackup would show it in the list of processes: use a key without one (mode 0600)",
    ),
    "backup.room": (
        "{folder} chỉ còn trống {free} MiB, bản sao lưu cần {needed} MiB",
        "only {free} MiB are free for {folder}, the backup needs {needed} MiB",
    ),
    "backup.busy": (
        "một lệnh sao lưu khác đang ghi vào {folder}",
        "another backup is being made in {folder}",
    ),
    "backup.failed": ("{program} không làm được: {why}", "{program} failed: {why}"),
    "backup.broken": (
        "bản sao lưu {folder} không nguyên vẹn ({why}): dùng bản khác",
        "the backup {folder} is not whole ({why}): take another one",
    ),
    "backup.made": (
        "Đã sao lưu {folder}: {mib} MiB, đã kiểm tra. Khoá của két không nằm trong đó: giữ {key} ở nơi khác.",
        "Backed up to {folder}: {mib} MiB, verified. The vault's key is not in it: keep {key} elsewhere.",
    ),
    "backup.removed": ("Đã xoá bản cũ {name}.", "Removed the old {name}."),
    "backup.elsewhere": (
        "{setting} là cơ sở dữ liệu khác: hãy sao lưu riêng, cùng lúc",
        "{setting} is another database: back it up by itself, at the same time",
    ),
    "restore.nothing": (
        "trong {folder} không có bản sao lưu nào dùng được cho thời điểm đó",
        "no backup in {folder} serves for that moment",
    ),
    "restore.too-early": (
        "bản sao lưu này xong lúc {ended}, không lùi về {until} được: chọn bản cũ hơn",
        "this backup ended at {ended} and cannot go back to {until}: take an older one",
    ),
    "restore.environment": (
        "bản sao lưu này thuộc môi trường '{theirs}', ở đây là '{ours}': không bao giờ trộn lẫn",
        "this backup belongs to the environment '{theirs}', this is '{ours}': they are never mixed",
    ),
    "restore.not-empty": (
        "{folder} đang có dữ liệu: thêm --replace để dời nó sang bên (không xoá), hoặc chọn thư mục khác",
        "{folder} is not empty: say --replace to put it aside (nothing is deleted), or choose another folder",
    ),
    "restore.room": (
        "{folder} chỉ còn trống {free} MiB, khôi phục cần {needed} MiB",
        "only {free} MiB are free for {folder}, the restore needs {needed} MiB",
    ),
    "restore.running": (
        "cơ sở dữ liệu ở {folder} đang chạy (pid {pid}): dừng hoso trước",
        "the database in {folder} is running (pid {pid}): stop hoso first",
    ),
    "restore.unreached": (
        "nhật ký hiện có không tới được thời điểm đó: bỏ --until để tới mốc cuối cùng, hoặc cho biết --wal; dữ liệu cũ đã được trả lại chỗ",
        "the log that is there does not reach that moment: leave --until out for the last one there is, or name --wal; what was there is back in place",
    ),
    "restore.release": (
        "bản sao lưu là của PostgreSQL {theirs}, chương trình ở đây là bản {own}: dùng --data và máy chủ PostgreSQL của bạn",
        "the backup is PostgreSQL {theirs}'s, the programs here are {own}'s: use --data and a server of yours",
    ),
    "restore.no-data": (
        "HOSO_DATABASE là máy chủ của bạn: cho biết thư mục dữ liệu mới của nó bằng --data",
        "HOSO_DATABASE is a server of yours: name its new data folder with --data",
    ),
    "restore.not-restored": (
        "cơ sở dữ liệu này không phải vừa được `hoso restore` khôi phục: không có gì để mở",
        "this database was not just restored by `hoso restore`: there is nothing to open",
    ),
    "restore.unopened": (
        "cơ sở dữ liệu này chỉ cho đọc: vừa được khôi phục mà chưa mở (`hoso restore --open`), hoặc là máy chủ dự phòng",
        "this database only reads: it was restored and not opened yet (`hoso restore --open`), or it is a standby",
    ),
    "restore.superuser": (
        "đã mở, nhưng máy chủ vẫn chỉ cho đọc: nhờ người quản trị chạy `{words}`",
        "opened, but the server still only reads: have its administrator run `{words}`",
    ),
    "restore.laid": (
        "Đã đặt {name} vào {folder}. Chạy máy chủ PostgreSQL của bạn trên đó, rồi `hoso restore --open`, rồi hoso.",
        "Laid {name} down in {folder}. Start your PostgreSQL server on it, then `hoso restore --open`, then hoso.",
    ),
    "restore.opened": (
        "Đã khôi phục, biết đến {until}. Đợt khôi phục đang mở: việc nộp và kích hoạt được hỏi lại cơ quan BHXH trước khi làm. "
        "Chạy hoso, gửi lại các yêu cầu đã gửi sau mốc đó, cuối cùng `hoso restore --done`.",
        "Restored; known until {until}. Recovery is open: filing and activating ask the agency first. Start hoso, send again what was "
        "sent after that moment, and in the end `hoso restore --done`.",
    ),
    "restore.aside": ("Dữ liệu trước đó ở {folder}.", "What was there before is in {folder}."),
    "restore.none": ("Không có đợt khôi phục nào đang mở.", "No recovery is open."),
    "restore.standing": (
        "Đợt khôi phục mở từ {since}, biết đến {until}: {unsure} việc chưa rõ đã làm hay chưa, {enrolments} đăng ký từ trước còn đang mở.",
        "Recovery is open since {since}, known until {until}: {unsure} calls may have been made before, {enrolments} enrolments of before are still open.",
    ),
    "restore.unsure": ("  {lane}: {count} việc chưa rõ", "  {lane}: {count} unsure"),
    "restore.unread": (
        "  {group}, {topic}: {records} bản ghi từ trước chưa đọc ({state})",
        "  {group}, {topic}: {records} records of before not read ({state})",
    ),
    "restore.not-read": (
        "Chưa kết thúc được: Kafka còn bản ghi từ trước lần khôi phục chưa được đọc, hoặc không hỏi được Kafka (`hoso lag`).",
        "Not ended: Kafka holds records from before the restore that were not read, or cannot be asked (`hoso lag`).",
    ),
    "restore.not-done": (
        "Chưa kết thúc được: còn việc chưa rõ đã làm hay chưa.",
        "Not ended: some calls may have been made before.",
    ),
    "restore.still-open": (
        "Chưa kết thúc: {enrolments} đăng ký từ trước còn đang mở, có thể nộp lại điều đã quên. Để vậy cũng không sao; "
        "--anyway để kết thúc dù thế.",
        "Not ended: {enrolments} enrolments of before are still open and may file again what is forgotten. Leaving it open costs little; "
        "--anyway ends it all the same.",
    ),
    "restore.done": ("Đợt khôi phục đã kết thúc.", "Recovery has ended."),
    "restore.usage": (
        "chọn một: --from THƯ-MỤC, --open hoặc --done",
        "choose one of --from FOLDER, --open and --done",
    ),
    "restore.bad-time": (
        "{given} không phải thời điểm: ví dụ 2026-03-02T09:00+07:00",
        "{given} is no moment: for example 2026-03-02T09:00+07:00",
    ),
    "restore.future": ("{given} còn ở tương lai", "{given} lies in the future"),
    "restore.verify": ("kiểm tra {done}/{all} MiB", "verifying {done}/{all} MiB"),
    "restore.copy": ("chép {done}/{all} MiB", "copying {done}/{all} MiB"),
    "check.recovery": ("khôi phục", "recovery"),
    "check.recovering": (
        "mở từ {since}: {unsure} việc chưa rõ, {enrolments} đăng ký từ trước còn mở",
        "open since {since}: {unsure} calls unsure, {enrolments} enrolments of before open",
    ),
    "check.unopened": (
        "vừa được khôi phục và chưa mở: mọi thứ chỉ đọc",
        "restored and not opened yet: everything is read only",
    ),
}
