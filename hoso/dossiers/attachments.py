"""Files that travel inside a first-time dossier: what they are is read from their bytes; they are never opened.

A pdf is one by its head and its end; docx and xlsx are zip archives whose directory is read, and one member of it: the
list of content types, which alone says what the archive is and whether it brings macros. Nothing else is decompressed.
Limits and refusals are ours [invented]; that pdf, docx and xlsx are what travels is domain.md §4.6 and §5.1.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal

from hoso.dossiers.archives import NotAnArchive, entries, member
from hoso.dossiers.safexml import HostileXml, parse
from hoso.dossiers.writing import InvalidDossier
from schemas.units import Attachment

Media = Literal["pdf", "docx", "xlsx"]

MAX_BYTES = 2 * 1024 * 1024
"""One file."""
MAX_TOTAL = 3 * 1024 * 1024
"""All files of a dossier: 4 MiB as base64, so that the signed dossier stays below the 5 MiB of `safexml`."""
MAX_FILES = 10
MAX_NAME = 150
"""Characters of a file's name, with room for a right ending behind it."""

_MAX_TYPES = 256 * 1024
_EOF_WITHIN = 1024
_ZIP_END_WITHIN = 65_557
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OFFICE = "application/vnd.openxmlformats-officedocument."
_MAIN: dict[str, tuple[Media, str]] = {
    f"{_OFFICE}wordprocessingml.document.main+xml": ("docx", "word/"),
    f"{_OFFICE}spreadsheetml.sheet.main+xml": ("xlsx", "xl/"),
}
_MACROS = ("vba", "macroenabled", "macrosheet", "activex")
"""What is in the name or the content type of every part that can run."""
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\x00", b"MM\x00*", b"BM")
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")

_AS_PDF = "Hãy lưu hoặc quét lại thành PDF rồi đính kèm."


class UnacceptableFile(InvalidDossier):
    """A file cannot travel: a Vietnamese sentence that names it, says what is wrong, and how to mend it."""

    def __init__(self, name: str, what: str, cure: str) -> None:
        super().__init__(f"Tệp “{_shown(name)}” {what}. {cure}")


def media(name: str, data: bytes) -> Media:
    """What the file `data` is. Raises UnacceptableFile, with a cure, for everything that cannot travel."""
    _check_name(name)
    if not data:
        raise UnacceptableFile(name, "không có nội dung (0 byte)", "Hãy kiểm tra lại tệp gốc rồi đính kèm lại.")
    if len(data) > MAX_BYTES:
        raise UnacceptableFile(
            name,
            f"lớn {len(data) / 1048576:.1f} MB, vượt giới hạn {MAX_BYTES >> 20} MB",
            "Hãy quét lại với độ phân giải thấp hơn (150–200 dpi, đen trắng) hoặc tách thành nhiều tệp.",
        )
    if data.startswith(b"%PDF-"):
        return _pdf(name, data)
    if data.startswith(b"PK"):
        return _office(name, data)
    raise _other(name, data)


def sendable(attachments: Sequence[Attachment]) -> None:
    """These files fit into one first-time dossier. Raises InvalidDossier: none (the licence is mandatory, domain.md
    §4.4), too many or too large together, or a name that cannot travel."""
    if not attachments:
        raise InvalidDossier(
            "Hồ sơ TK3-TS chưa có tệp đính kèm: cần ít nhất bản chụp giấy phép đăng ký kinh doanh (pdf, docx hoặc "
            "xlsx). Hãy đính kèm rồi gửi lại."
        )
    if len(attachments) > MAX_FILES or sum(one.size for one in attachments) > MAX_TOTAL:
        raise InvalidDossier(
            f"Hồ sơ TK3-TS có quá nhiều tệp đính kèm: tối đa {MAX_FILES} tệp, tổng cộng {MAX_TOTAL >> 20} MB. Hãy giảm "
            "độ phân giải bản chụp hoặc bớt tệp rồi gửi lại."
        )
    for one in attachments:
        _check_name(one.name)


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME:
        raise UnacceptableFile(
            name, f"có tên rỗng hoặc dài quá {MAX_NAME} ký tự", "Hãy đặt tên ngắn gọn rồi đính kèm lại."
        )
    # Cf: a right-to-left override shows exe.fdp as pdf.exe's mirror
    if any(sign in "/\\" or unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Cn") for sign in name):
        raise UnacceptableFile(
            name, "có ký tự không được phép trong tên", "Hãy đặt lại tên chỉ gồm chữ, số, dấu cách và . - _."
        )


def _pdf(name: str, data: bytes) -> Media:
    end = data[-_EOF_WITHIN:]
    if b"%%EOF" not in end or b"startxref" not in data[-2 * _EOF_WITHIN :]:
        raise UnacceptableFile(name, "là PDF bị thiếu phần cuối (tải về chưa trọn)", "Hãy xuất lại PDF rồi đính kèm.")
    if b"PK\x05\x06" in data[-_ZIP_END_WITHIN:]:
        raise UnacceptableFile(name, "vừa là PDF vừa là tệp nén", "Hãy in lại ra PDF rồi đính kèm.")
    return "pdf"


def _office(name: str, data: bytes) -> Media:
    if b"%PDF-" in data[:_EOF_WITHIN]:
        raise UnacceptableFile(name, "vừa là tệp nén vừa là PDF", _AS_PDF)
    try:
        directory = entries(data)
        if "[Content_Types].xml" not in directory:
            raise UnacceptableFile(
                name, "là tệp nén, không phải docx hay xlsx", "Hãy giải nén và đính kèm từng tệp pdf, docx hoặc xlsx."
            )
        types = _types(member(data, directory["[Content_Types].xml"], _MAX_TYPES))
    except (NotAnArchive, HostileXml):
        raise UnacceptableFile(name, "bị hỏng hoặc bị làm giả, không mở được như docx hay xlsx", _AS_PDF) from None
    if any(sign in word.lower() for word in (*directory, *types.values()) for sign in _MACROS):
        raise UnacceptableFile(name, "có macro", "Hãy lưu lại thành .docx hoặc .xlsx không có macro, hoặc thành PDF.")
    found = {
        _MAIN[kind][0]
        for part, kind in types.items()
        if kind in _MAIN and part in directory and part.startswith(_MAIN[kind][1])
    }
    if len(found) != 1:
        raise UnacceptableFile(name, "không phải docx hay xlsx", _AS_PDF)
    return found.pop()


def _types(xml: bytes) -> dict[str, str]:
    """[Content_Types].xml: part, or extension, -> content type."""
    return {
        (element.get("PartName") or f".{element.get('Extension')}").removeprefix("/"): element.get("ContentType") or ""
        for element in parse(xml, max_bytes=_MAX_TYPES)
        if isinstance(element.tag, str)
    }


def _other(name: str, data: bytes) -> UnacceptableFile:
    """Why what is neither a pdf nor a zip cannot travel."""
    if data.startswith(_OLE):
        if _ENCRYPTED in data:
            return UnacceptableFile(name, "được bảo vệ bằng mật khẩu", "Hãy bỏ mật khẩu rồi lưu và đính kèm lại.")
        return UnacceptableFile(
            name, "là định dạng Office cũ (.doc, .xls)", "Hãy lưu lại thành .docx, .xlsx hoặc PDF rồi đính kèm."
        )
    if data.startswith(_IMAGES):
        return UnacceptableFile(name, "là ảnh", "Hãy chèn ảnh vào một tệp PDF rồi đính kèm.")
    if data.startswith(_PROGRAMS):
        return UnacceptableFile(name, "là chương trình, không phải văn bản", _AS_PDF)
    if data[:_EOF_WITHIN].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return UnacceptableFile(name, "là trang web hoặc XML", _AS_PDF)
    return UnacceptableFile(name, "không phải pdf, docx hay xlsx", _AS_PDF)


def _shown(name: str) -> str:
    """The name as it can be shown: no invisible signs, not endless."""
    return "".join(sign if unicodedata.category(sign)[0] != "C" else "�" for sign in name[:60])
