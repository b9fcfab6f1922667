"""A filed document, read safely and checked against the agency's own schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from lxml import etree

from simulator.refusals import Refusal

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
REGISTER = "04_DK-IVAN"
STOP = "06_NG-IVAN"
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
DTD = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
ENTITY = re.compile(rb"&(?!(amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});)")


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a 04 or 06 form that the agency looks at. Texts are stripped of outer space."""

    root: etree._Element
    unit_code: str
    tax_code: str
    unit_name: str
    agency: str
    place: str
    drawn_up: date
    email: str
    provider_code: str
    provider_name: str
    serial: str


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=False,
        remove_pis=False,
    )


TOO_DEEP = etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")")
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "forms.xsd", _parser()))


def parse(body: bytes) -> etree._Element:
    """The document's root. Refuses what is too large, too deep, not XML, or has a DOCTYPE or entities of its own."""
    if len(body) > MAX_BYTES:
        raise Refusal("SIM034", f"{len(body)} byte")
    if DTD.search(body) or ENTITY.search(body):
        raise Refusal("SIM018")
    if b"\0" in body:
        raise Refusal("SIM017", "chỉ nhận UTF-8")
    try:
        root = etree.fromstring(body, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refusal("SIM017") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise Refusal("SIM018")
    if TOO_DEEP(root):
        raise Refusal("SIM039")
    return root


def day(text: str) -> date:
    """A date as request forms write it, dd/MM/yyyy."""
    try:
        return datetime.strptime(text, "%d/%m/%Y").date()
    except ValueError as error:
        raise Refusal("SIM036", text) from error


def read(root: etree._Element, procedure: str) -> Form:
    """The form in a document. Refuses a document that is not the procedure's form."""
    content = root.find("NoiDung")
    if root.tag == "Hoso" and (content is None or len(content) == 0):
        raise Refusal("SIM009")
    try:
        SCHEMA.assertValid(root)
    except etree.DocumentInvalid as error:
        raise Refusal("SIM008", str(error)[:200]) from error
    assert content is not None
    fields = {str(element.tag): (element.text or "").strip() for element in content if isinstance(element.tag, str)}
    if ("EMAIL" in fields) != (procedure == REGISTER):
        raise Refusal("SIM008", f"tờ khai không phải của thủ tục {procedure}")
    if procedure == STOP:
        day(fields["NGAY_NGUNG"])
    return Form(
        root=root,
        unit_code=fields["MA_DVI"],
        tax_code=fields["MST"],
        unit_name=fields["TEN_DVI"],
        agency=fields["MA_COQUAN"],
        place=fields["DIADIEM"],
        drawn_up=day(fields["NGAY_LAP"]),
        email=fields.get("EMAIL", ""),
        provider_code=fields["MA_IVAN"],
        provider_name=fields["TEN_IVAN"],
        serial=content.findtext("TTCKY/SERIAL") or "",
    )
