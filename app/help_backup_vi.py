"""The help of `hoso backup` and `hoso restore` in Vietnamese."""

from __future__ import annotations

COMMANDS: dict[str, str] = {
    "backup": "Sao lưu cơ sở dữ liệu đang chạy, kiểm tra, rồi mới đặt tên: hoso-<giờ UTC>.\n\n"
    "Không dừng ai. Khoá của két không nằm trong bản sao lưu. Bị ngắt giữa chừng thì không để lại bản nào dở dang.",
    "restore": "Khôi phục từ một bản sao lưu, rồi mở đợt khôi phục; không có tuỳ chọn thì cho biết tình trạng.\n\n"
    "Dừng hoso trước. Từ đó đến --done, việc nộp và kích hoạt hỏi cơ quan BHXH trước khi làm, vì điều đã hỏi sau bản sao lưu "
    "thì ở đây quên mà bên ngoài biết. Mã kết thúc 1 khi đợt khôi phục còn mở.",
}
OPTIONS: dict[str, str] = {
    "Where the backup is written: another disk, best another machine.": "Ghi bản sao lưu vào đâu: đĩa khác, tốt nhất là máy khác.",
    "Keep so many of the newest, remove older ones; also the log that none of them needs.": "Giữ chừng này bản mới nhất, xoá bản cũ "
    "hơn và cả nhật ký không bản nào cần.",
    "A backup, or the folder of several: then the newest that fits.": "Một bản sao lưu, hoặc thư mục chứa nhiều bản: khi đó lấy "
    "bản mới nhất phù hợp.",
    "The moment to go back to. Default: the last one there is.": "Thời điểm muốn quay về. Mặc định: mốc cuối cùng còn có.",
    "Where the write-ahead log is kept. Default: HOSO_WAL_ARCHIVE.": "Nơi giữ nhật ký ghi trước (WAL). Mặc định: HOSO_WAL_ARCHIVE.",
    "The data folder of a server of yours. Default: the embedded one's.": "Thư mục dữ liệu của máy chủ của bạn. Mặc định: của cơ "
    "sở dữ liệu nhúng.",
    "Put aside what is in the data folder now; nothing is deleted.": "Dời sang bên những gì đang có trong thư mục dữ liệu; không xoá gì.",
    "A server of yours runs on what was laid down: open the recovery.": "Máy chủ của bạn đã chạy trên dữ liệu được đặt vào: mở đợt "
    "khôi phục.",
    "End the recovery.": "Kết thúc đợt khôi phục.",
    "With --done: although enrolments of before are still open.": "Cùng --done: dù còn đăng ký từ trước đang mở.",
}
