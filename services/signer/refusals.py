"""Why an attempt could not be signed: a code for the decision, a sentence for the person who mends it."""

from __future__ import annotations

from schemas.events import DossierPrepared, SigningRefused

PROFILE_MISSING = "HOSO-PROFILE-MISSING"
CERT_UNREADABLE = "HOSO-CERT-UNREADABLE"
CERT_EXPIRED = "HOSO-CERT-EXPIRED"
CERT_EARLY = "HOSO-CERT-EARLY"
CERT_OTHER_EMPLOYER = "HOSO-CERT-OTHER-EMPLOYER"
CERT_CHANGED = "HOSO-CERT-CHANGED"
XML_INVALID = "HOSO-XML-INVALID"
KEY_UNUSABLE = "HOSO-KEY-UNUSABLE"
KEY_MISMATCH = "HOSO-KEY-MISMATCH"
SIGN_DECLINED = "HOSO-SIGN-DECLINED"
SIGN_EXPIRED = "HOSO-SIGN-EXPIRED"
GAVE_UP = "HOSO-SIGNING-GAVE-UP"

TEXTS = {
    PROFILE_MISSING: "Không còn cấu hình chữ ký số của đơn vị; hãy thêm cấu hình rồi ký lại.",
    CERT_UNREADABLE: "Không đọc được chứng thư số trong cấu hình; hãy nạp lại chứng thư số rồi ký lại.",
    CERT_EXPIRED: "Chứng thư số đã hết hạn ngày {day}; hãy gia hạn, nạp chứng thư số mới rồi ký lại.",
    CERT_EARLY: "Chứng thư số có hiệu lực từ ngày {day}; hãy chờ đến ngày đó hoặc dùng chứng thư số khác.",
    CERT_OTHER_EMPLOYER: "Chứng thư số không thuộc mã số thuế {tax_code}; hãy chọn đúng chứng thư số rồi ký lại.",
    CERT_CHANGED: "Chứng thư số của cấu hình đã được thay trong khi chờ ký; hãy ký lại bằng chứng thư số mới.",
    KEY_MISMATCH: "Chữ ký không khớp với chứng thư số hoặc hồ sơ; hãy kiểm tra cấu hình chữ ký số rồi ký lại.",
    SIGN_DECLINED: "Người ký đã từ chối ký hồ sơ; hãy xác nhận với người ký rồi ký lại.",
    SIGN_EXPIRED: "Yêu cầu ký đã hết thời gian chờ mà chưa được xác nhận; hãy ký lại và xác nhận kịp thời.",
    GAVE_UP: "Không ký được hồ sơ sau nhiều lần thử; hãy kiểm tra cấu hình chữ ký số và dịch vụ ký rồi ký lại.",
}
"""XML_INVALID and KEY_UNUSABLE bring a sentence of their own."""

ATTACHMENT_GONE = "Tệp đính kèm “{name}” không còn trong kho; hãy tải tệp lên lại rồi ký lại."


class Refused(Exception):
    """The attempt cannot be signed as things are; ends the call with a SigningRefused."""

    def __init__(self, code: str, text: str | None = None, **words: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = TEXTS[code].format(**words) if text is None else text


def refusal(ask: DossierPrepared, code: str, text: str) -> SigningRefused:
    """The fact that ends the attempt."""
    return SigningRefused(
        enrolment=ask.enrolment, dossier=ask.dossier, attempt=ask.attempt, kind=ask.kind, code=code, text=text
    )
