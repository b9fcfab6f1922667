"""What every dossier kind offers: its names, its schema, and the documents it has signed round by round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Generic, TypeVar

from lxml import etree
from pydantic import BaseModel

from hoso.dossiers.safexml import parse
from hoso.dossiers.writing import InvalidDossier, element, elements
from schemas.units import Attachment

P = TypeVar("P", bound=BaseModel)

SLOT = "Hoso/CKy_Dvi"
"""Where the employer signs 04, 05 and 06-IVAN (domain.md §5.1): an empty element of the document."""


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    """What a form prints of the certificate it is signed with (TTCKY)."""

    serial: str
    """Hexadecimal, upper case."""
    authority: str
    """Who issued it: the forms print SUBJECT as "tên tổ chức chứng thực" (domain.md §4.1)."""
    begin: date
    end: date
    """In Vietnam's time."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document to be signed: canonical bytes with the empty element `slot` in it."""

    name: str
    xml: bytes
    slot: str


Signed = Mapping[str, bytes]
"""What a round is written from: the signed documents of earlier rounds, by `Document.name`, and the bytes of every
attachment, by `str(Attachment.document)`. The first round is written from {} or from the attachments alone."""


def no_attachments(payload: BaseModel) -> Sequence[Attachment]:
    """The dossier carries no files."""
    return ()


@dataclass(frozen=True, slots=True)
class Form(Generic[P]):
    """One dossier kind.

    A dossier is signed in `rounds(payload)` rounds. `documents(payload, certificate, k, signed)` are the documents of
    round k (from 0), written from what earlier rounds signed and from the attachments; the last round has exactly one
    document, and that is what is filed. A kind with inner forms signs those in round 0 and the envelope that contains
    them in round 1.

    Whoever signs does this, in this order:

        signed = {str(a.document): genuine(a, await vault.get(a.document)) for a in form.attachments(payload)}
        for number in range(form.rounds(payload)):
            documents = form.documents(payload, certificate, number, signed)
            check each, sign all in one approval, then signed[document.name] = the signed bytes

    `documents` raises InvalidDossier for what can be known to be wrong, in round 0 already where that is possible, so
    that nobody approves the first of two rounds in vain.
    """

    kind: str
    title: str
    """As people know it: 04/ĐK-IVAN."""
    procedure: str
    """As the gateway knows it: 04_DK-IVAN."""
    rounds: Callable[[P], int]
    documents: Callable[[P, SigningCertificate, int, Signed], Sequence[Document]]
    schemas: Mapping[str, Path]
    """Root element -> schema of the documents that have it."""
    labels: Mapping[str, str]
    """Field -> what people call it, for refusals."""
    attachments: Callable[[P], Sequence[Attachment]] = no_attachments
    """The files whose bytes the last round needs, in the order in which they travel."""

    def check(self, xml: bytes) -> None:
        """`xml` fits its schema, signed or not. Raises InvalidDossier naming every field that does not."""
        root = parse(xml)
        if root.tag not in self.schemas:
            raise InvalidDossier(f"Hồ sơ {self.title} không có tờ khai nào tên {root.tag}; hãy báo người vận hành.")
        schema = _loaded(self.schemas[root.tag])
        if schema.validate(root):
            return
        wrong = dict.fromkeys(_field(error.path) for error in schema.error_log)  # type: ignore[attr-defined]
        names = ", ".join(f"{name} ({self.labels[name]})" if name in self.labels else name for name in wrong)
        raise InvalidDossier(f"Hồ sơ {self.title} không đúng mẫu ở: {names}. Hãy sửa dữ liệu đơn vị rồi gửi lại.")


def genuine(attachment: Attachment, data: bytes) -> bytes:
    """`data`, which is what was declared as `attachment`. Raises InvalidDossier when size or SHA-256 say otherwise."""
    if len(data) != attachment.size or sha256(data).hexdigest() != attachment.sha256.lower():
        raise InvalidDossier(f"Tệp đính kèm “{attachment.name}” không còn như lúc nộp; hãy tải tệp lên lại.")
    return data


def one_round(payload: BaseModel) -> int:
    """The dossier is one document, signed once."""
    return 1


def hoso(fields: Sequence[tuple[str, str]], certificate: SigningCertificate, more: str = "") -> bytes:
    """The layout 04, 05 and 06-IVAN share: root Hoso, the fields, `more` (elements already written) and TTCKY in
    NoiDung, an empty CKy_Dvi."""
    body = f"{elements(fields)}{more}{seal(certificate)}"
    return f"<Hoso><NoiDung>{body}</NoiDung>{element('CKy_Dvi', '')}</Hoso>".encode()


def seal(certificate: SigningCertificate) -> str:
    """TTCKY: the certificate as forms print it (domain.md §4.1)."""
    printed = elements(
        (
            ("SERIAL", certificate.serial),
            ("SUBJECT", certificate.authority),
            ("BEGIN", f"{certificate.begin:%d/%m/%Y}"),
            ("END", f"{certificate.end:%d/%m/%Y}"),
        )
    )
    return f"<TTCKY>{printed}</TTCKY>"


@cache
def _loaded(path: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(path))


def _field(path: str | None) -> str:
    return (path or "?").rsplit("/", 1)[-1].split("[", 1)[0]
