"""Why an enrolment waits for a person, what he can answer, and how that is said to him. A table, not ifs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """`answers`: what `hoso enrolment answer` takes for it; `cancel` is always possible."""

    name: str
    text: str
    cure: str
    answers: tuple[str, ...]


_ROWS = (
    Cause(
        "unit-code-held",
        "Mã đơn vị cần được đối chiếu trước khi đăng ký",
        "Liên hệ bộ phận hỗ trợ để đối chiếu mã đơn vị",
        ("unit-code",),
    ),
    Cause(
        "no-unit-code",
        "Đơn vị chưa có mã đơn vị",
        "Xin cấp mã tại cơ quan BHXH rồi nhập mã được cấp",
        ("unit-code", "data"),
    ),
    Cause(
        "no-profile",
        "Chưa có chữ ký số nào của mã số thuế này",
        "Khai báo chữ ký số (hoso profile add) rồi chọn nó",
        ("profile",),
    ),
    Cause(
        "signing",
        "Không ký được hồ sơ",
        "Kiểm tra lại chữ ký số, chọn chữ ký số đúng hoặc ký lại",
        ("retry", "profile"),
    ),
    Cause(
        "certificate", "Cơ quan BHXH từ chối chữ ký số", "Kiểm tra lại chữ ký số sau đó nộp lại", ("retry", "profile")
    ),
    Cause(
        "data",
        "Cơ quan BHXH từ chối thông tin của hồ sơ",
        "Sửa dòng trong bảng rồi gửi lại, hoặc sửa tại đây",
        ("data", "retry"),
    ),
    Cause(
        "provider",
        "Không rõ đơn vị đang dùng nhà cung cấp nào",
        "Cho biết nhà cung cấp hiện tại (mã I-VAN, hoặc VSS cho Cổng BHXH)",
        ("provider",),
    ),
    Cause(
        "unknown-code",
        "Cơ quan BHXH trả về mã lỗi chưa rõ cách xử lý",
        "Đọc nội dung lỗi rồi quyết định nộp lại hoặc hủy",
        ("treatment", "retry", "data"),
    ),
    Cause(
        "still-held",
        "Đã ngừng nhà cung cấp cũ mà vẫn bị từ chối vì đơn vị đang có nhà cung cấp",
        "Hỏi cơ quan BHXH xem nhà cung cấp nào đang giữ đơn vị",
        ("provider", "retry"),
    ),
    Cause(
        "system-error",
        "Cơ quan BHXH báo lỗi hệ thống nhiều lần liền",
        "Đợi hệ thống hoạt động lại rồi nộp lại",
        ("retry",),
    ),
    Cause(
        "filing-uncertain",
        "Không rõ cơ quan BHXH đã nhận hồ sơ hay chưa",
        "Hỏi cơ quan BHXH: nếu đã nhận trả lời filed (kèm mã giao dịch nếu có), nếu chưa trả lời not-filed",
        ("filed", "not-filed"),
    ),
    Cause(
        "transaction-missing",
        "Mã kích hoạt đã về nhưng không rõ mã giao dịch của hồ sơ; mã chỉ có hiệu lực 24 giờ",
        "Hỏi cơ quan BHXH mã giao dịch rồi trả lời filed kèm mã đó",
        ("filed",),
    ),
    Cause(
        "duplicate",
        "Cơ quan BHXH báo hồ sơ trùng với hồ sơ đã nộp",
        "Hỏi cơ quan BHXH: nếu hồ sơ trước đang được xử lý trả lời filed, nếu không còn hồ sơ nào trả lời not-filed",
        ("filed", "not-filed"),
    ),
    Cause(
        "earlier-filing",
        "Lần đăng ký trước đã nộp hồ sơ cho cơ quan BHXH rồi bị huỷ ở đây; chưa rõ hồ sơ đó còn hiệu lực hay không",
        "Hỏi cơ quan BHXH: nếu hồ sơ đó không còn hiệu lực thì trả lời not-filed để nộp hồ sơ mới, nếu còn thì huỷ đăng ký này",
        ("not-filed",),
    ),
    Cause(
        "filing-failed", "Không gửi được hồ sơ tới cơ quan BHXH", "Xem nguyên nhân, khắc phục rồi nộp lại", ("retry",)
    ),
    Cause(
        "stop-mail-missing",
        "Không nhận được email kết quả ngừng dịch vụ sau nhiều lần nộp",
        "Hỏi cơ quan BHXH: nếu đã ngừng trả lời continue, nếu chưa trả lời retry",
        ("continue", "retry"),
    ),
    Cause(
        "stop-refused",
        "Cơ quan BHXH từ chối ngừng dịch vụ",
        "Đọc lý do trong email, xử lý rồi nộp lại",
        ("retry", "continue"),
    ),
    Cause(
        "activation-mail-missing",
        "Không nhận được email mã kích hoạt sau nhiều lần nộp",
        "Kiểm tra địa chỉ email, thư rác, rồi nộp lại",
        ("retry", "address", "activation-code"),
    ),
    Cause(
        "code-expired",
        "Mã kích hoạt hết hạn nhiều lần",
        "Kiểm tra hộp thư nhận mã rồi nộp lại",
        ("retry", "address", "activation-code"),
    ),
    Cause(
        "wrong-code",
        "Cơ quan BHXH không chấp nhận mã kích hoạt",
        "Kiểm tra email mã kích hoạt rồi nộp lại",
        ("retry", "activation-code"),
    ),
    Cause(
        "activation-uncertain",
        "Không rõ đơn vị đã được kích hoạt hay chưa",
        "Hỏi cơ quan BHXH: nếu đã kích hoạt trả lời continue, nếu chưa trả lời retry",
        ("continue", "retry"),
    ),
    Cause("roster-failed", "Không lấy được danh sách lao động", "Thử lại, hoặc bỏ qua bước này", ("retry", "continue")),
    Cause(
        "paper-form",
        "Tỉnh/thành phố này chưa nhận hồ sơ cấp mã lần đầu bằng điện tử",
        "In tờ khai TK3-TS (hoso form print), ký, nộp qua bưu điện hoặc bộ phận một cửa rồi trả lời sent kèm cách nộp và ngày nộp",
        ("sent", "unit-code", "data"),
    ),
    Cause(
        "paper-code",
        "Hồ sơ giấy đã nộp, chờ cơ quan BHXH cấp mã đơn vị",
        "Khi nhận được mã đơn vị, nhập mã đó",
        ("unit-code",),
    ),
    Cause(
        "first-code-refused",
        "Cơ quan BHXH từ chối cấp mã đơn vị",
        "Sửa thông tin theo lý do từ chối rồi gửi lại hồ sơ xin cấp mã",
        ("data", "retry"),
    ),
    Cause(
        "officer-late",
        "Quá hạn mà cơ quan BHXH chưa trả lời hồ sơ xin cấp mã",
        "Hỏi cơ quan BHXH: đã cấp trả lời accepted kèm mã đơn vị, từ chối trả lời refused kèm lý do, còn xử lý trả lời continue",
        ("accepted", "refused", "continue"),
    ),
    Cause(
        "change-refused",
        "Cơ quan BHXH từ chối hồ sơ thay đổi thông tin",
        "Sửa thông tin theo lý do từ chối rồi gửi lại",
        ("data", "retry"),
    ),
    Cause(
        "change-late",
        "Quá hạn mà cơ quan BHXH chưa trả lời hồ sơ thay đổi thông tin",
        "Hỏi cơ quan BHXH: đã chấp nhận trả lời accepted, từ chối trả lời refused kèm lý do, còn xử lý trả lời continue",
        ("accepted", "refused", "continue"),
    ),
    Cause(
        "activate-by-hand",
        "Cổng kết nối này không kích hoạt được; cần kích hoạt trên Cổng dịch vụ công trước khi mã hết hạn",
        "Lấy mã (hoso tasks code), nhập mã trên trang kích hoạt rồi trả lời activated",
        ("activated", "retry"),
    ),
)
CAUSES = {row.name: row for row in _ROWS}

REFUSED = {
    "already-enrolled": "Đơn vị này đã đăng ký xong",
    "already-open": "Đơn vị này đang có một đăng ký đang xử lý",
    "stop-not-allowed": "Chỉ được ngừng nhà cung cấp cũ khi chưa đăng ký, hoặc khi lần đăng ký gần nhất bị từ chối vì CE007 hay CE044",
    "already-stopped": "Đơn vị này đã ngừng xong theo đúng yêu cầu này",
    "not-enrolled": "Đơn vị này chưa đăng ký xong nên chưa có gì để thay đổi",
    "already-filed": "Hồ sơ đã nộp cho cơ quan BHXH nên không thay đổi thông tin được nữa",
}
"""Why a request was refused by the enrolment it met."""
