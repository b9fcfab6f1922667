"""What the commands about lag, held units and dead letters say: name -> (Vietnamese, English); and their help in Vietnamese."""

from __future__ import annotations

LOG_SENTENCES: dict[str, tuple[str, str]] = {
    "col.lag": ("Tình trạng", "State"),
    "col.held": ("Đơn vị bị giữ", "Held units"),
    "col.dead": ("Thư chết", "Dead letters"),
    "col.unpublished": ("Chưa lên Kafka", "Not yet in Kafka"),
    "col.redrives": ("Đã đưa lại (lần)", "Redriven (times)"),
    "col.settled_at": ("Đã xử lý lúc", "Settled at"),
    "col.redriven_at": ("Đưa lại lúc", "Redriven at"),
    "col.failed_at": ("Hỏng lúc", "Failed at"),
    "lag.groups": ("Các nhóm", "Groups"),
    "lag.relay": ("Chưa chuyển lên Kafka (hoso.relay)", "Not yet brought to Kafka (hoso.relay)"),
    "lag.stopped": ("Bị giữ, thư chết", "Held, dead letters"),
    "lag.away": (
        "Kafka, hoặc một phần của nó, không trả lời: ở đó số liệu chỉ gồm những gì cơ sở dữ liệu này biết",
        "Kafka, or a part of it, does not answer: what is told there is only what this database knows",
    ),
    "log.relay-runs": (
        "Relay đang chạy trên cơ sở dữ liệu này: nhật ký của nó ở Kafka. Đặt HOSO_LOG như các dịch vụ, hoặc dừng relay và các dịch vụ nếu muốn quay về PostgreSQL",
        "A relay runs on this database: its log is in Kafka. Set HOSO_LOG as the services have it; to go back to PostgreSQL end the relay and the services first",
    ),
    "log.kind-kafka": (
        "Nhật ký của cơ sở dữ liệu này ở Kafka, nhưng HOSO_LOG không nêu Kafka: đặt HOSO_LOG như các dịch vụ khác; nếu muốn quay về PostgreSQL, dừng mọi dịch vụ rồi chạy `hoso migrate`",
        "The log of this database is in Kafka, and HOSO_LOG names none: set it as the other services have it; to go back to PostgreSQL end all services and run `hoso migrate`",
    ),
    "log.kind-postgres": (
        "Nhật ký của cơ sở dữ liệu này ở PostgreSQL (lần cuối chạy `hoso migrate` không có HOSO_LOG), nhưng HOSO_LOG nêu Kafka: dừng mọi dịch vụ, chạy `hoso migrate` với HOSO_LOG này, rồi khởi động lại",
        "The log of this database is PostgreSQL (`hoso migrate` ran last without HOSO_LOG), and HOSO_LOG names Kafka: end all services, run `hoso migrate` with this HOSO_LOG, then start them again",
    ),
    "log.switched": ("nhật ký chuyển sang {to}", "the log is {to} from now on"),
    "lag.state.ok": ("bình thường", "ok"),
    "lag.state.never-read": ("chưa từng đọc", "never read"),
    "lag.state.truncated": ("mất bản ghi chưa đọc", "truncated: unread records are gone"),
    "lag.state.missing": ("Kafka không có chủ đề", "Kafka has no such topic"),
    "lag.state.unknown": ("chưa rõ", "not known"),
    "held.which": ("cho biết một đơn vị, hoặc --all-with LÝ-DO", "name a unit, or --all-with REASON"),
    "held.released": (
        "{unit} ({group}): đã thả, {events} sự kiện được xử lý theo thứ tự.",
        "{unit} ({group}): released, {events} events are handled in order.",
    ),
    "held.would": (
        "{unit} ({group}): sẽ thả, {events} sự kiện ({reason}).",
        "{unit} ({group}): would be released, {events} events ({reason}).",
    ),
    "held.unsure": (
        "{unit} ({group}): chưa thả được, còn một lời gọi chưa rõ kết quả; đợi nó kết thúc.",
        "{unit} ({group}): not released, a call of it has an unknown outcome; wait for its end.",
    ),
    "dead.which": (
        "cho biết một thư chết, hoặc chọn bằng --reason, --group, --topic, --tenant, --since, --before",
        "name a letter, or choose with --reason, --group, --topic, --tenant, --since, --before",
    ),
    "dead.redriven": (
        "{id} ({topic}): đã đưa lại thành sự kiện {event}, lần {redrives}.",
        "{id} ({topic}): is on the log again as event {event}, for the {redrives}. time.",
    ),
    "dead.would": (
        "{id} ({topic}): sẽ đưa lại ({reason}: {error}).",
        "{id} ({topic}): would be redriven ({reason}: {error}).",
    ),
    "dead.refused": ("{id} ({topic}): không đưa lại: {why}.", "{id} ({topic}): not redriven: {why}."),
    "dead.settled": ("{id}: đã ghi là xử lý xong.", "{id}: settled."),
    "dead.would-settle": ("{id}: sẽ được ghi là xử lý xong.", "{id} would be settled."),
    "dead.worn": (
        "đã đưa lại {most} lần mà vẫn hỏng; hãy sửa nguyên nhân và gửi yêu cầu mới",
        "it was redriven {most} times and failed again; mend the cause and have a new request sent",
    ),
    "dead.no-unit": ("không tìm được đơn vị nào trong đó", "no unit can be found in it"),
    "dead.no-type": ("không tìm được loại sự kiện trong đó", "no event type can be found in it"),
    "dead.no-topic": ("cơ sở dữ liệu này không có chủ đề đó", "this database has no such topic"),
    "dead.large": ("lớn hơn một sự kiện được phép", "it is larger than an event may be"),
    "dead.gone": ("đã được đưa lại trong lúc đó", "it was redriven meanwhile"),
}

COMMANDS: dict[str, str] = {
    "lag": "Mỗi nhóm còn cách cuối nhật ký bao xa, theo số bản ghi và theo giây; lời gọi đang chờ; đơn vị bị giữ; "
    "thư chết.\n\n"
    "Với Kafka, những gì relay chưa chuyển lên Kafka được kể riêng. Mã kết thúc 1 khi chưa nhóm nào đọc.",
    "held": "Các đơn vị có sự kiện không xử lý được.",
    "held list": "Các đơn vị bị giữ, lâu nhất trước. Mã kết thúc 1 khi không có.",
    "held show": "Các sự kiện đang chờ sau một đơn vị bị giữ, theo thứ tự. Mã kết thúc 1 khi không có.",
    "held release": "Xử lý những gì chờ sau một đơn vị bị giữ, theo thứ tự; lại hỏng thì vẫn bị giữ.\n\n"
    "Đơn vị có lời gọi chưa rõ kết quả chưa được thả khi lời gọi đó chưa xong. Mã kết thúc 1 khi không thả gì.",
    "dead-letters": "Các bản ghi không ai đọc được.",
    "dead-letters list": "Các bản ghi không đọc được, mới trước. Mã kết thúc 1 khi không có.",
    "dead-letters show": "Một bản ghi không đọc được và nội dung của nó. Mã kết thúc 1 khi không có.",
    "dead-letters redrive": "Đưa thư chết trở lại chủ đề của nó thành sự kiện mới; thường sau khi đã sửa nguyên nhân.\n\n"
    "Mỗi thư được đưa lại nhiều nhất 3 lần, kể cả khi nó hỏng lại dưới số khác. Thư đã đưa lại chỉ được đưa nữa khi "
    "nêu đúng số. Mã kết thúc 1 khi không đưa lại gì.",
    "dead-letters settle": "Ghi rằng thư chết đã được xem xét và không đưa lại: bên gửi sai và đã biết. Thư vẫn được giữ, không còn chờ ai.\n\n"
    "Mã kết thúc 1 khi không có thư nào.",
}

OPTIONS: dict[str, str] = {
    "One line a partition.": "Mỗi phần một dòng.",
    "The unit's id, from hoso held list.": "Số của đơn vị, từ hoso held list.",
    "Only in this group, e.g. hoso.enrolment.": "Chỉ trong nhóm này, ví dụ hoso.enrolment.",
    "The unit's id; or use --all-with.": "Số của đơn vị; hoặc dùng --all-with.",
    "All units held for this reason.": "Mọi đơn vị bị giữ vì lý do này.",
    "Only say what would be released.": "Chỉ nói sẽ thả những gì.",
    "From hoso dead-letters list.": "Lấy từ hoso dead-letters list.",
    "From hoso dead-letters list; or choose with the options.": "Lấy từ hoso dead-letters list; hoặc chọn bằng các "
    "tuỳ chọn.",
    "Only with this reason.": "Chỉ với lý do này.",
    "Only of this topic.": "Chỉ của chủ đề này.",
    "Only from this time on, e.g. 2026-03-02T08:00.": "Chỉ từ thời điểm này, ví dụ 2026-03-02T08:00.",
    "Only before this time.": "Chỉ trước thời điểm này.",
    "At most so many a second.": "Mỗi giây nhiều nhất chừng này.",
    "Those already redriven or settled too.": "Cả những thư đã được đưa lại hoặc đã xử lý.",
    "What was done about it; kept in the audit.": "Đã làm gì; được giữ trong nhật ký kiểm toán.",
    "Only say what would be settled.": "Chỉ nói sẽ ghi xử lý xong những gì.",
    "Only say what would be redriven.": "Chỉ nói sẽ đưa lại những gì.",
}
