"""The first-time dossier, read: an envelope that carries the signed form TK3-TS and scans (domain.md §4.4 to §4.6, §5.1).

Both are signed by the unit: TK3-TS at TK3-TS/Cky, the envelope that contains it in base64 at Hoso/CKy_Dvi.
"""

from __future__ import annotations

import base64
import binascii
import re
from html import unescape
from pathlib import Path

from lxml import etree

from simulator import signature
from simulator.reading import MAX_FIRST_BYTES, FirstTime, Form, day, parse, parser, texts, valid
from simulator.refusals import Refusal
from simulator.signature import Certificate

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "first_time.xsd", parser()))
FORM, ATTACHMENT = "TK3-TS", "CT-DK"
BEGINNINGS = {".pdf": b"%PDF-", ".docx": b"PK\x03\x04", ".xlsx": b"PK\x03\x04"}
OFFICE = {".docx": b"word/", ".xlsx": b"xl/"}
"""A folder in the package, whose name is never packed."""
SAME = {
    "TEN_DVI": "TenDoiTuong",
    "MST": "MaSoThue",
    "EMAIL": "Email",
    "DIEN_THOAI": "DienThoai",
    "MA_COQUAN": "MaCoQuan",
    "DIACHI_LHE": "DiaChiLienHe",
}
"""What the form and the envelope both say."""
NAMED = re.compile(rb"<TenDoiTuong>([^<]{0,2000})</TenDoiTuong>")
CARRIED = re.compile(rb"<NoiDungFile>([A-Za-z0-9+/=\s]*)</NoiDungFile>")
LICENCED = re.compile(rb"<SO_QD>([^<]{0,500})</SO_QD>")


def glance(body: bytes) -> tuple[str, str]:
    """Unit name and licence number of a dossier nobody has judged yet; empty where they cannot be seen."""
    found = NAMED.search(body)
    name = unescape(found[1].decode("utf-8", "replace")).strip() if found else ""
    carried = CARRIED.search(body)
    try:
        inner = base64.b64decode(carried[1]) if carried else b""
    except (binascii.Error, ValueError):
        inner = b""
    found = LICENCED.search(inner)
    return name, unescape(found[1].decode("utf-8", "replace")).strip() if found else ""


def read(body: bytes) -> tuple[Form, Certificate]:
    """The dossier and its signer. Refuses what is wrong with it by itself; names the first fault."""
    root = parse(body, MAX_FIRST_BYTES)
    if root.tag != "Hoso":
        raise Refusal("SIM008", str(root.tag))
    content = valid(root, SCHEMA)
    fields = texts(content)
    files = [_File(texts(one)) for one in content.iterfind("ToKhais/FileToKhai")]
    signer = signature.verify(root)
    forms = [file for file in files if file.code == FORM]
    if len(forms) != 1:
        raise Refusal("SIM009", FORM)
    inner = _form(forms[0])
    declared = texts(inner)
    for name, same in SAME.items():
        if declared[name] != fields[same]:
            raise Refusal("SIM052", f"{name} / {same}")
    if declared["HOSO_KEMTHEO"] != str(len(files) - 1):
        raise Refusal("SIM052", f"HOSO_KEMTHEO: {declared['HOSO_KEMTHEO']} / {len(files) - 1}")
    _attachments(files)
    day(fields["NgayDangKy"])
    day(declared["NGAYCAP_QD"])
    form = Form(
        root=root,
        unit_code="",
        tax_code=fields["MaSoThue"],
        unit_name=fields["TenDoiTuong"],
        agency=fields["MaCoQuan"],
        place=declared["DIADIEM"],
        drawn_up=max(day(fields["NgayLap"]), day(declared["NGAY_LAP"])),
        email=fields["Email"],
        provider_code=fields["MaIVan"],
        provider_name=fields["TenIVan"],
        serial=inner.findtext("TTCKY/SERIAL") or "",
        phone=fields["DienThoai"],
        address=fields["DiaChiLienHe"],
        first=FirstTime(
            licence=declared["SO_QD"],
            province=declared["TINH"],
            address=declared["DIACHI_DKKD"],
            files=tuple(file.name for file in files if file.code == ATTACHMENT),
        ),
    )
    if inner_signer(forms[0]).sha256 != signer.sha256:
        raise Refusal("SIM006", f"{FORM} và hồ sơ ký bằng hai chứng thư số khác nhau")
    return form, signer


class _File:
    """One FileToKhai, decoded. DoDaiFile counts the letters of the base64 text (domain.md §4.6)."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.code, self.name, self.ending = fields["MaToKhai"], fields["TenFile"], fields["LoaiFile"].lower()
        text = fields["NoiDungFile"]
        if int(fields["DoDaiFile"]) != len(text):
            raise Refusal("SIM049", f"{self.name}: {fields['DoDaiFile']} / {len(text)}")
        try:
            self.data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Refusal("SIM050", self.name) from error


def _form(file: _File) -> etree._Element:
    """The NoiDung of a TK3-TS that fits its schema."""
    if file.ending != ".xml":
        raise Refusal("SIM048", f"{file.name} ({file.ending})")
    root = parse(file.data)
    if root.tag != FORM:
        raise Refusal("SIM009", FORM)
    return valid(root, SCHEMA)


def inner_signer(file: _File) -> Certificate:
    """Who signed the form. Refuses like a dossier's own signature, and says that it is the form's."""
    try:
        return signature.verify(parse(file.data), "Cky")
    except Refusal as refusal:
        raise Refusal(refusal.code, ", ".join(filter(None, (f"tờ khai {FORM}", refusal.detail)))) from refusal


def _attachments(files: list[_File]) -> None:
    """Refuse a dossier without a scan of the licence, and files that are not what they say."""
    attached = [file for file in files if file.code != FORM]
    for file in attached:
        if file.code != ATTACHMENT:
            raise Refusal("SIM009", f"tờ khai {file.code} không thuộc thủ tục")
        if not is_of(file.data, file.ending) or not file.name.lower().endswith(file.ending):
            raise Refusal("SIM048", f"{file.name} ({file.ending})")
    if not attached:
        raise Refusal("SIM047")


def is_of(data: bytes, ending: str) -> bool:
    """Whether bytes are of the kind that a name ending says: pdf, docx, xlsx. Nothing is unpacked."""
    beginning = BEGINNINGS.get(ending)
    return beginning is not None and data.startswith(beginning) and OFFICE.get(ending, b"") in data
