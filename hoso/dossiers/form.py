"""What every dossier kind offers: its names, its schema, and the documents it has signed round by round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from lxml import etree
from pydantic import BaseModel

from hoso.dossiers.safexml import parse
from hoso.dossiers.writing import InvalidDossier, element, elements

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
"""The signed documents of earlier rounds, by name."""


@dataclass(frozen=True, slots=True)
class Form(Generic[P]):
    """One dossier kind.

    A dossier is signed in `rounds(payload)` rounds. `documents(payload, certificate, k, signed)` are the documents of
    round k (from 0), written from what earlier rounds signed; the last round has exactly one document, and that is what
    is filed. A kind with inner forms signs those in round 0 and the envelope that contains them in round 1.
    """

    kind: str
    title: str
    """As people know it: 04/ĐK-IVAN."""
    procedure: str
    """As the gateway knows it: 04_DK-IVAN."""
    rounds: Callable[[P], int]
    documents: Callable[[P, SigningCertificate, int, Signed], Sequence[Document]]
    schema: Path
    labels: Mapping[str, str]
    """Field -> what people call it, for refusals."""

    def check(self, xml: bytes) -> None:
        """`xml` fits the form's schema, signed or not. Raises InvalidDossier naming every field that does not."""
        schema = _loaded(self.schema)
        if schema.validate(parse(xml)):
            return
        wrong = dict.fromkeys(_field(error.path) for error in schema.error_log)  # type: ignore[attr-defined]
        names = ", ".join(f"{name} ({self.labels[name]})" if name in self.labels else name for name in wrong)
        raise InvalidDossier(f"Hồ sơ {self.title} không đúng mẫu ở: {names}. Hãy sửa dữ liệu đơn vị rồi gửi lại.")


def one_round(payload: BaseModel) -> int:
    """The dossier is one document, signed once."""
    return 1


def hoso(fields: Sequence[tuple[str, str]], certificate: SigningCertificate) -> bytes:
    """The layout 04, 05 and 06-IVAN share: root Hoso, the fields and TTCKY in NoiDung, an empty CKy_Dvi."""
    seal = elements(
        (
            ("SERIAL", certificate.serial),
            ("SUBJECT", certificate.authority),
            ("BEGIN", f"{certificate.begin:%d/%m/%Y}"),
            ("END", f"{certificate.end:%d/%m/%Y}"),
        )
    )
    body = elements(fields)
    return f"<Hoso><NoiDung>{body}<TTCKY>{seal}</TTCKY></NoiDung>{element('CKy_Dvi', '')}</Hoso>".encode()


@cache
def _loaded(path: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(path))


def _field(path: str | None) -> str:
    return (path or "?").rsplit("/", 1)[-1].split("[", 1)[0]
