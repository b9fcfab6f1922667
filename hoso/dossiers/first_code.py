"""TK3-TS in the first-time envelope: a unit without a code asks for one (domain.md §4.4, §4.5).

Two rounds (§5.1): the form TK3-TS is signed first; the envelope then carries the signed form and the attachments, and is
signed itself. The envelope's elements are found, those of FileToKhai too (§4.6). Of TK3-TS the fields are found on
screens (§4.4) and that it is signed at TK3-TS/Cky (§5.1); its element names are [invented], in the manner of the 04.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from hoso.dossiers.attachments import sendable
from hoso.dossiers.form import SLOT, Document, Form, Signed, SigningCertificate, seal
from hoso.dossiers.writing import element, elements
from schemas.units import Attachment, FirstCodePayload

TITLE = "Tờ khai đơn vị tham gia, điều chỉnh bảo hiểm xã hội, bảo hiểm y tế"
INNER = "TK3-TS.xml"
INNER_SLOT = "TK3-TS/Cky"
OUTER = "HoSo_DKTGLD.xml"
"""The envelope's name [invented]: the agency's word for a first-time unit is DKTGLD (§4.7)."""

PAYMENTS = {"MONTHLY": "1", "QUARTERLY": "3", "HALF_YEARLY": "6"}
"""Phương thức đóng, in months [inferred]: the screen's list is not published (§4.4)."""
RESULTS = {"OFFICE": "1", "POST": "2", "ELECTRONIC": "3"}
"""PTNhanKetQua [invented]: that these three ways exist is found (§4.4), their numbers are not."""
ORGANISATION = "1"
"""LoaiDoiTuong: tổ chức [found once] (§4.6)."""

LABELS = {
    "DIADIEM": "Địa điểm",
    "NGAY_LAP": "Ngày lập",
    "TEN_DVI": "Tên đơn vị",
    "MA_DVI": "Mã đơn vị, để trống khi tham gia lần đầu",
    "MST": "Mã số thuế",
    "TINH": "Mã tỉnh, thành phố",
    "MA_COQUAN": "Mã cơ quan BHXH",
    "TEN_COQUAN": "Tên cơ quan BHXH",
    "DIACHI_DKKD": "Địa chỉ đăng ký kinh doanh",
    "DIACHI_LHE": "Địa chỉ liên hệ",
    "LOAI_HINH": "Loại hình đơn vị",
    "NGANH_NGHE": "Ngành nghề",
    "DIEN_THOAI": "Điện thoại",
    "EMAIL": "Thư điện tử",
    "SO_QD": "Số quyết định thành lập, giấy phép ĐKKD",
    "NOICAP_QD": "Nơi cấp quyết định, giấy phép",
    "NGAYCAP_QD": "Ngày cấp quyết định, giấy phép",
    "PT_DONG": "Phương thức đóng",
    "PT_NHAN": "Phương thức nhận kết quả",
    "NGUOI_DAIDIEN": "Người đại diện",
    "CHUC_DANH": "Chức danh người đại diện",
    "NGUOI_LHE": "Người liên hệ",
    "HOSO_KEMTHEO": "Hồ sơ kèm theo",
    "SERIAL": "Số chứng thư số",
    "SUBJECT": "Tổ chức chứng thực",
    "BEGIN": "Hiệu lực từ",
    "END": "Hiệu lực đến",
    "TenCoQuan": "Tên cơ quan BHXH",
    "MaCoQuan": "Mã cơ quan BHXH",
    "LoaiDoiTuong": "Loại đối tượng",
    "TenDoiTuong": "Tên đơn vị",
    "MaSoThue": "Mã số thuế",
    "DienThoai": "Điện thoại",
    "Email": "Thư điện tử",
    "NguoiLienHe": "Người liên hệ",
    "DiaChi": "Địa chỉ đăng ký kinh doanh",
    "DiaChiLienHe": "Địa chỉ liên hệ",
    "DienThoaiLienHe": "Điện thoại liên hệ",
    "NgayLap": "Ngày lập",
    "NgayDangKy": "Ngày đăng ký",
    "MaIVan": "Mã I-VAN",
    "TenIVan": "Tên I-VAN",
    "PTNhanKetQua": "Phương thức nhận kết quả",
    "ToKhais": "Tờ khai và tệp đính kèm",
    "MaToKhai": "Mã tờ khai",
    "MoTaToKhai": "Mô tả tờ khai",
    "TenFile": "Tên tệp",
    "LoaiFile": "Loại tệp",
    "DoDaiFile": "Độ dài tệp",
    "NoiDungFile": "Nội dung tệp",
}


def form(payload: FirstCodePayload, certificate: SigningCertificate) -> bytes:
    """The TK3-TS, canonical and unsigned. Raises InvalidDossier when a character has no place in XML."""
    first = payload.first_time
    body = elements(
        (
            ("DIADIEM", payload.place),
            ("NGAY_LAP", payload.date),
            ("TEN_DVI", payload.unit_name),
            ("MA_DVI", payload.unit_code),
            ("MST", payload.tax_code),
            ("TINH", payload.province),
            ("MA_COQUAN", payload.agency or ""),
            ("TEN_COQUAN", payload.agency_name),
            ("DIACHI_DKKD", first.licensed_address or payload.address),
            ("DIACHI_LHE", payload.address),
            ("LOAI_HINH", first.unit_type),
            ("NGANH_NGHE", first.business),
            ("DIEN_THOAI", payload.phone),
            ("EMAIL", payload.email),
            ("SO_QD", first.licence_number),
            ("NOICAP_QD", first.licence_place),
            ("NGAYCAP_QD", first.licence_date),
            ("PT_DONG", PAYMENTS[first.payment]),
            ("PT_NHAN", RESULTS[first.result]),
            ("NGUOI_DAIDIEN", first.representative),
            ("CHUC_DANH", first.representative_title),
            ("NGUOI_LHE", contact(payload)),
            ("HOSO_KEMTHEO", str(len(first.attachments))),
        )
    )
    return f"<TK3-TS><NoiDung>{body}{seal(certificate)}</NoiDung>{element('Cky', '')}</TK3-TS>".encode()


def envelope(payload: FirstCodePayload, signed: Signed) -> bytes:
    """The dossier that carries the signed TK3-TS and the attachments, canonical and unsigned."""
    fields = elements(
        (
            ("TenCoQuan", payload.agency_name),
            ("MaCoQuan", payload.agency or ""),
            ("LoaiDoiTuong", ORGANISATION),
            ("TenDoiTuong", payload.unit_name),
            ("MaSoThue", payload.tax_code),
            ("DienThoai", payload.phone),
            ("Email", payload.email),
            ("NguoiLienHe", contact(payload)),
            ("DiaChi", payload.first_time.licensed_address or payload.address),
            ("DiaChiLienHe", payload.address),
            ("DienThoaiLienHe", payload.phone),
            ("NgayLap", payload.date),
            # the day the unit registers is the day it says so [inferred]
            ("NgayDangKy", payload.date),
            ("MaIVan", payload.ivan_code),
            ("TenIVan", payload.ivan_name),
            ("PTNhanKetQua", RESULTS[payload.first_time.result]),
        )
    )
    files = [_file("TK3-TS", TITLE, INNER, ".xml", signed[INNER])]
    files += [
        # what CT-DK is called is [invented]
        _file("CT-DK", "Chứng từ đính kèm", file_name(one), f".{one.media}", signed[str(one.document)])
        for one in payload.first_time.attachments
    ]
    body = f"{fields}<ToKhais>{''.join(files)}</ToKhais>"
    return f"<Hoso><NoiDung>{body}</NoiDung>{element('CKy_Dvi', '')}</Hoso>".encode()


def documents(
    payload: FirstCodePayload, certificate: SigningCertificate, number: int, signed: Signed
) -> Sequence[Document]:
    """Round 0: the TK3-TS; round 1: the envelope around what round 0 signed."""
    if number == 0:
        sendable(payload.first_time.attachments)
        return (Document(INNER, form(payload, certificate), INNER_SLOT),)
    return (Document(OUTER, envelope(payload, signed), SLOT),)


def contact(payload: FirstCodePayload) -> str:
    """Who is called: the contact, or the representative where none is named."""
    return payload.contact_name.strip() or payload.first_time.representative


def file_name(attachment: Attachment) -> str:
    """The name it travels under: it ends as its bytes say, whatever the sender called it."""
    ending = f".{attachment.media}"
    return attachment.name if attachment.name.lower().endswith(ending) else f"{attachment.name}{ending}"


def _file(code: str, description: str, name: str, ending: str, data: bytes) -> str:
    """One FileToKhai. DoDaiFile is the length of the base64 text, not of the file, as in the sample (§4.6)."""
    content = b64encode(data).decode()
    described = elements(
        (
            ("MaToKhai", code),
            ("MoTaToKhai", description),
            ("TenFile", name),
            ("LoaiFile", ending),
            ("DoDaiFile", str(len(content))),
        )
    )
    # base64 has nothing that XML escapes: megabytes of it need not be searched
    return f"<FileToKhai>{described}<NoiDungFile>{content}</NoiDungFile></FileToKhai>"


def _two_rounds(payload: FirstCodePayload) -> int:
    return 2


def _attachments(payload: FirstCodePayload) -> Sequence[Attachment]:
    return payload.first_time.attachments


FORM: Form[FirstCodePayload] = Form(
    kind="first_code",
    title="TK3-TS",
    procedure="604",
    rounds=_two_rounds,
    documents=documents,
    schemas={
        "TK3-TS": Path(__file__).with_name("tk3_ts.xsd"),
        "Hoso": Path(__file__).with_name("first_code.xsd"),
    },
    labels=LABELS,
    attachments=_attachments,
)
