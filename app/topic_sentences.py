"""What `hoso topics` says, in Vietnamese and in English."""

from __future__ import annotations

TOPIC_SENTENCES: dict[str, tuple[str, str]] = {
    "topic.published": ("Đã đưa {count} yêu cầu lên {topic}.", "{count} requests are on {topic}."),
    "topic.no-kafka": (
        "HOSO_LOG=postgres: các chủ đề nằm trong cơ sở dữ liệu, không có gì để làm ở Kafka",
        "HOSO_LOG=postgres: the topics are in the database, there is nothing to do in Kafka",
    ),
    "topic.apply-next": (
        "Chạy `hoso topics apply` để lập chủ đề {topic} trong Kafka.",
        "Run `hoso topics apply` to make the topic {topic} in Kafka.",
    ),
    "topic.same": ("Mọi chủ đề đúng như bảng.", "Every topic is as the table says."),
    "topic.missing": ("{topic}: chưa có, cần {should} (phần×bản sao)", "{topic}: is not there, should be {should} (partitions×copies)"),
    "topic.partitions": (
        "{topic}: có {now} phần, phải là {should}; số phần không bao giờ đổi được",
        "{topic}: has {now} partitions and should have {should}; that number can never change",
    ),
    "topic.copies": (
        "{topic}: có {now} bản sao, phải là {should}",
        "{topic}: has {now} copies and should have {should}",
    ),
    "topic.setting": ("{topic}: {what} là {now}, phải là {should}", "{topic}: {what} is {now} and should be {should}"),
    "topic.made": ("{topic}: đã lập, {should} (phần×bản sao)", "{topic}: made, {should} (partitions×copies)"),
    "topic.altered": ("{topic}: {what} từ {now} thành {should}", "{topic}: {what} from {now} to {should}"),
    "topic.refused-partitions": (
        "chủ đề {topic} có {now} phần thay vì {should}: không sửa được, vì thứ tự của từng đơn vị sẽ mất; hãy xoá chủ đề ở Kafka, "
        "rồi `hoso topics resend {topic} --all`, rồi chạy lại lệnh này",
        "topic {topic} has {now} partitions instead of {should}: that cannot be mended, for the order of each unit would be lost; "
        "delete the topic in Kafka, then `hoso topics resend {topic} --all`, then run this again",
    ),
    "topic.refused-copies": (
        "chủ đề {topic} có {now} bản sao thay vì {should}: hoso không chuyển bản sao; dùng kafka-reassign-partitions.sh, "
        "hoặc cho biết số mong muốn bằng --copies",
        "topic {topic} has {now} copies instead of {should}: hoso moves no copies; use kafka-reassign-partitions.sh, "
        "or say the number you want with --copies",
    ),
    "topic.refused-setting": (
        "chủ đề {topic}: {what} từ {now} thành {should} có thể làm mất sự kiện; thêm --yes nếu đúng là muốn vậy",
        "topic {topic}: {what} from {now} to {should} may lose events; add --yes if that is what you want",
    ),
    "topic.resent": (
        "{topic}: relay gửi lại {count} sự kiện từ hộp gửi; bên đọc bỏ qua những gì đã thấy.",
        "{topic}: the relay sends {count} events again from the outbox; readers drop what they have seen.",
    ),
    "topic.resent-requests": (
        "{topic}: relay gửi lại {count} yêu cầu từ hộp gửi; yêu cầu do hệ thống khác gửi không nằm trong đó: họ phải gửi lại, cùng khoá.",
        "{topic}: the relay sends {count} requests again from the outbox; those that other systems published are not in it: they send "
        "theirs again, under the same keys.",
    ),
    "topic.lost": (
        "{topic}/{part}: nhóm {group} chưa thấy các sự kiện {off}–{last}, và hộp gửi không còn giữ chúng: nhóm sẽ dừng ở đó.",
        "{topic}/{part}: group {group} has not seen the events {off}–{last}, and the outbox no longer holds them: it will stop there.",
    ),
    "topic.requests-again": (
        "{topic} là chủ đề yêu cầu: gửi lại tất cả thì yêu cầu đã xử lý sẽ được xét lần nữa. Chỉ rõ từ đâu: --from-offset",
        "{topic} holds requests: sent again as a whole, those that were decided would be decided once more. Name the first to send: --from-offset",
    ),
    "topic.from": (
        "cho biết gửi lại từ đâu: --all, hoặc --from-offset SỐ",
        "say from where: --all, or --from-offset NUMBER",
    ),
    "topic.unknown": ("không có chủ đề {topic}; xem `hoso topics list`", "there is no topic {topic}; see `hoso topics list`"),
    "topic.granted": ("Đã cấp {count} quyền.", "{count} rights are granted."),
    "col.user": ("Người dùng Kafka", "Kafka user"),
    "col.operation": ("Được", "May"),
    "col.resource": ("Trên", "On"),
    "col.copies": ("Số bản sao", "Copies"),
}  # fmt: skip

COMMANDS: dict[str, str] = {
    "topics": "Các chủ đề, trong cơ sở dữ liệu và trong Kafka; và yêu cầu lên chủ đề của khách hàng.",
    "topics list": "Mọi chủ đề: số phần, số sự kiện, ai đọc, về điều gì. Với Kafka: cả số bản sao ở đó.",
    "topics diff": "Kafka khác bảng các chủ đề ở đâu. Mã kết thúc 1 khi có khác biệt.",
    "topics apply": "Lập các chủ đề còn thiếu trong Kafka và đặt lại các cài đặt theo bảng. Chạy lại cũng không sao.\n\n"
    "Số phần và số bản sao không bao giờ được đổi: bị từ chối, mã kết thúc 2.",
    "topics acls": "Ai cần quyền gì trong Kafka: dịch vụ theo nhóm, hệ thống gửi theo khách hàng. Chỉ cấp, không thu hồi.",
    "topics resend": "Lấp lại một chủ đề của Kafka từ hộp gửi, sau khi nó bị xoá hay bị mất. Bên đọc bỏ qua những gì đã thấy.\n\n"
    "Relay làm việc đó. Trước hết lập chủ đề: hoso topics apply. Chủ đề công khai: dừng relay, chạy lệnh này, apply, rồi chạy lại "
    "relay.",
    "topics publish": "Đưa yêu cầu lên chủ đề của khách hàng, như một hệ thống gửi. Các trường: hoso sheet template --columns.\n\n"
    "Cùng khoá yêu cầu là cùng một yêu cầu.",
}

OPTIONS: dict[str, str] = {
    "enrolment.requests.TENANT; the tenant is the topic's.": "enrolment.requests.TENANT; khách hàng là của chủ đề.",
    "From hoso topics list.": "Theo hoso topics list.",
    "Brokers that keep each event. Default: 3 when there are three brokers, else 1.": "Số máy giữ mỗi sự kiện. Mặc định: 3 khi "
    "có ba máy, nếu không là 1.",
    "Copies that must have an event before it counts. Default: 2, with one copy 1.": "Số bản sao phải có sự kiện thì mới tính là "
    "đã ghi. Mặc định: 2, khi chỉ có một bản sao là 1.",
    "Also what may lose events, such as a shorter retention.": "Cả những gì có thể làm mất sự kiện, như giữ ngắn hơn.",
    "Grant them; without it they are only shown.": "Cấp các quyền đó; không có thì chỉ hiện ra.",
    "One Kafka user for all services, instead of one each.": "Một người dùng Kafka cho mọi dịch vụ, thay vì mỗi dịch vụ một.",
    "As commands of Kafka's own kafka-acls.sh, one a line.": "Dạng lệnh của kafka-acls.sh, mỗi dòng một lệnh.",
    "Everything the outbox still holds.": "Mọi thứ hộp gửi còn giữ.",
    "From this offset of each partition (hoso-off) on.": "Từ vị trí này (hoso-off) của mỗi phần trở đi.",
}  # fmt: skip
