"""A question of the server, examined: what is really in it, and whether it is what the server says it is."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from agent.failures import NotAsSaid
from agent.xmldsig import parsed, signed_info

SHOWN = {
    "TEN_THUTUC": "Thủ tục",
    "TEN_DVI": "Đơn vị",
    "TenDoiTuong": "Đơn vị",
    "MA_DVI": "Mã đơn vị",
    "MST": "Mã số thuế",
    "MaSoThue": "Mã số thuế",
    "NGUOI_DAIDIEN": "Người đại diện",
    "TEN_IVAN": "Nhà cung cấp I-VAN",
    "TenIVan": "Nhà cung cấp I-VAN",
    "MA_IVAN": "Mã I-VAN",
    "MaIVan": "Mã I-VAN",
    "NGAY_NGUNG": "Ngừng từ ngày",
    "LYDO_NGUNG": "Lý do ngừng",
    "TRUONG": "Thay đổi",
    "MOI": "Thành",
    "EMAIL": "Thư điện tử nhận mã",
    "Email": "Thư điện tử nhận mã",
    "DIEN_THOAI": "Điện thoại",
    "TenFile": "Tệp bên trong",
    "NGAY_LAP": "Ngày lập",
    "NgayLap": "Ngày lập",
}
"""Tags of the agency's forms that a person looks at first, in this order; the whole document is one key away."""
FORMS = (
    ("NGAY_NGUNG", "06/NG-IVAN, ngừng sử dụng dịch vụ I-VAN"),
    ("DS_THAYDOI", "05/SĐ-IVAN, thay đổi thông tin dịch vụ I-VAN"),
    ("ToKhais", "Hồ sơ đăng ký lần đầu"),
    ("TEN_THUTUC", "04/ĐK-IVAN, đăng ký dịch vụ I-VAN"),
)
"""An element that only one form has, and the form; looked for in this order."""
_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a question; `digest` was computed here."""

    name: str
    xml: bytes
    slot: str
    digest: bytes
    signing_time: str

    @property
    def sha256(self) -> str:
        """Of the document without its signature."""
        return sha256(self.xml).hexdigest()

    def facts(self) -> Sequence[tuple[str, str]]:
        """What the document itself says, as (label, value)."""
        texts: dict[str, list[str]] = {}
        root = parsed(self.xml)
        for element in root.iter():
            if isinstance(element.tag, str) and element.tag in SHOWN and element.text:
                texts.setdefault(element.tag, []).append(element.text)
        shown = [(label, " · ".join(texts[tag])) for tag, label in SHOWN.items() if tag in texts]
        return [("Mẫu", self.form() or "KHÔNG RÕ MẪU NÀO"), *shown]

    def form(self) -> str:
        """Which of the agency's forms it is; "" for none that is known here."""
        root = parsed(self.xml)
        if root.tag == "TK3-TS":
            return "TK3-TS, tờ khai đơn vị tham gia BHXH"
        known = (name for tag, name in FORMS if root.find(f"NoiDung/{tag}") is not None)
        return next(known, "") if root.tag == "Hoso" else ""

    def tax_codes(self) -> Sequence[str]:
        """Every tax code that it names, as it is written."""
        root = parsed(self.xml)
        return [(e.text or "").strip() for e in root.iter() if isinstance(e.tag, str) and e.tag in ("MST", "MaSoThue")]


@dataclass(frozen=True, slots=True)
class Question:
    """Documents that are signed together or not at all."""

    name: str
    display: str
    """What the server calls it. The facts are the documents' own."""
    documents: tuple[Document, ...]


def examined(raw: Mapping[str, Any], certificate_sha256: str) -> Question:
    """The question, every digest of it recomputed from its document.

    Raises NotAsSaid: another certificate than the token's, a document that is not what its digest says, no documents.
    """
    try:
        asked = str(raw["certificate_sha256"])
        question = Question(
            str(raw["name"]),
            str(raw["display"]),
            tuple(_document(one) for one in raw["documents"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise NotAsSaid("Câu hỏi của máy chủ không đọc được; không ký.") from error
    if asked != certificate_sha256:
        raise NotAsSaid("Máy chủ hỏi ký bằng một chứng thư số khác với chứng thư số trên token; không ký.")
    if not question.documents:
        raise NotAsSaid("Máy chủ hỏi ký mà không gửi văn bản nào; không ký.")
    return question


def doubts(question: Question, certificate: bytes) -> Sequence[str]:
    """Why nobody but a person may agree to it: a form that is not known here, a unit that the certificate (DER) is not of."""
    own = owned_by(certificate)
    found = []
    for document in question.documents:
        name, codes = plain(document.name), document.tax_codes()
        if not document.form():
            found.append(f"Không rõ văn bản {name} là mẫu nào.")
        if not codes or not all(code in own or code[:10] in own for code in codes):
            found.append(f"Chứng thư số trên token không mang mã số thuế của văn bản {name}.")
    return found


def owned_by(certificate: bytes) -> frozenset[str]:
    """The tax codes of a certificate: `MST:` in the UIDs of its subject; of a branch with a hyphen before its 3 digits."""
    subject = x509.load_der_x509_certificate(certificate).subject
    codes = set()
    for one in subject.get_attributes_for_oid(NameOID.USER_ID):
        label, _, code = str(one.value).partition(":")
        digits = code.strip().replace("-", "")
        if label.strip().upper() == "MST" and digits.isascii() and digits.isdigit() and len(digits) in (10, 13):
            codes.add(digits if len(digits) == 10 else f"{digits[:10]}-{digits[10:]}")
    return frozenset(codes)


def _document(raw: Mapping[str, Any]) -> Document:
    xml, slot = b64decode(raw["xml"], validate=True), str(raw["slot"])
    digest = sha256(signed_info(xml, slot)).digest()
    if digest.hex() != raw["digest"]:
        raise NotAsSaid(
            f"Văn bản {plain(str(raw['name']))} không khớp với giá trị băm mà máy chủ yêu cầu ký; không ký. "
            "Hãy báo ngay cho người vận hành hệ thống."
        )
    return Document(str(raw["name"]), xml, slot, digest, str(raw.get("signing_time", "")))


def plain(text: str) -> str:
    """`text` without what could fool a terminal: control characters, escapes, changes of direction."""
    clean = "".join(c if c.isprintable() else "�" for c in text)
    return clean if len(clean) <= _WIDTH else clean[: _WIDTH - 1] + "…"


def pages(question: Question) -> str:
    """What a person sees before agreeing."""
    lines = [f"  {plain(question.display)}"]
    for document in question.documents:
        lines.append(f"  Tệp: {plain(document.name)}")
        lines += [f"    {label}: {plain(value)}" for label, value in document.facts()]
        lines += [f"    SHA-256 văn bản: {document.sha256}", f"    SHA-256 sẽ ký:   {document.digest.hex()}"]
    return "\n".join(lines)


def whole(question: Question) -> str:
    """The documents, every line of them."""
    texts = [
        f"--- {plain(d.name)}\n" + d.xml.decode("utf-8", "replace").replace("><", ">\n<") for d in question.documents
    ]
    return "\n".join("".join(c if c.isprintable() or c == "\n" else "�" for c in text) for text in texts)
