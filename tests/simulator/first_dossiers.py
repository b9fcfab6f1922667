"""First-time dossiers and change dossiers, built and signed by test code of its own."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from xml.sax.saxutils import escape

from tests.simulator.dossiers import IVAN, MST, RSA_SHA256, Dossier, Signer, sign, signer

CHANGE, FIRST = "05_SD-IVAN", "604"
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
DOCX = b"PK\x03\x04........word/document.xml"


def today() -> str:
    """Today in Vietnam, as forms write it."""
    return datetime.now(timezone(timedelta(hours=7))).strftime("%d/%m/%Y")


@dataclass(frozen=True)
class File:
    """One FileToKhai."""

    data: bytes
    name: str = "giay-phep.pdf"
    code: str = "CT-DK"
    ending: str = ".pdf"
    length: int | None = None
    text: str | None = None

    def xml(self) -> str:
        content = self.text if self.text is not None else base64.b64encode(self.data).decode()
        length = len(content) if self.length is None else self.length
        return (
            f"<FileToKhai><MaToKhai>{self.code}</MaToKhai><MoTaToKhai>x</MoTaToKhai><TenFile>{self.name}</TenFile>"
            f"<LoaiFile>{self.ending}</LoaiFile><DoDaiFile>{length}</DoDaiFile><NoiDungFile>{content}</NoiDungFile></FileToKhai>"
        )


@dataclass(frozen=True)
class FirstDossier:
    """A TK3-TS in its envelope. Change a copy by `but`."""

    name: str
    email: str
    tax_code: str = MST
    licence: str = "0101-TN"
    province: str = "01"
    agency: str = "00101"
    files: tuple[File, ...] = (File(PDF),)
    form: dict[str, str] = field(default_factory=dict)
    envelope: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    by: Signer = field(default_factory=signer)
    form_by: Signer | None = None
    form_signed: bool = True
    nonce: str = ""
    unit_code: str = ""
    procedure: str = FIRST

    def but(self, **changes: object) -> FirstDossier:
        """The same dossier with something changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def tk3(self) -> bytes:
        """The form, signed."""
        by = self.form_by or self.by
        certificate = by.certificate
        values = {
            "DIADIEM": "Hà Nội",
            "NGAY_LAP": today(),
            "TEN_DVI": self.name,
            "MA_DVI": "",
            "MST": self.tax_code,
            "TINH": self.province,
            "MA_COQUAN": self.agency,
            "TEN_COQUAN": "",
            "DIACHI_DKKD": "Số 1 phố Thử",
            "DIACHI_LHE": f"Số 2 phố Thử{self.nonce}",
            "LOAI_HINH": "Doanh nghiệp",
            "NGANH_NGHE": "",
            "DIEN_THOAI": "0912345678",
            "EMAIL": self.email,
            "SO_QD": self.licence,
            "NOICAP_QD": "Hà Nội",
            "NGAYCAP_QD": "01/02/2020",
            "PT_DONG": "1",
            "PT_NHAN": "3",
            "NGUOI_DAIDIEN": "Nguyễn Thử",
            "CHUC_DANH": "Giám đốc",
            "NGUOI_LHE": "Trần Thử",
            "HOSO_KEMTHEO": str(len(self.files)),
            **self.form,
        }
        seal = f"<SERIAL>{certificate.serial_number:X}</SERIAL><SUBJECT>CA</SUBJECT><BEGIN>01/01/2020</BEGIN><END>01/01/2040</END>"
        body = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
        document = f"<TK3-TS><NoiDung>{body}<TTCKY>{seal}</TTCKY></NoiDung><Cky/></TK3-TS>"
        if not self.form_signed:
            return document.encode()
        shape = Dossier(by=by, place="Cky", algorithm=RSA_SHA256)
        return sign(document, shape)

    def unsigned(self) -> str:
        """The envelope with an empty signature box."""
        values = {
            "TenCoQuan": "",
            "MaCoQuan": self.agency,
            "LoaiDoiTuong": "1",
            "TenDoiTuong": self.name,
            "MaSoThue": self.tax_code,
            "DienThoai": "0912345678",
            "Email": self.email,
            "NguoiLienHe": "Trần Thử",
            "DiaChi": "Số 1 phố Thử",
            "DiaChiLienHe": f"Số 2 phố Thử{self.nonce}",
            "DienThoaiLienHe": "0912345678",
            "NgayLap": today(),
            "NgayDangKy": today(),
            "MaIVan": IVAN,
            "TenIVan": "Công ty Cổ phần MISA",
            "PTNhanKetQua": "3",
            **self.envelope,
        }
        body = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
        files = [File(self.tk3(), "TK3-TS.xml", "TK3-TS", ".xml"), *self.files]
        carried = "".join(one.xml() for one in files)
        return f"<Hoso><NoiDung>{body}<ToKhais>{carried}</ToKhais></NoiDung><CKy_Dvi/></Hoso>"

    def body(self) -> bytes:
        """The signed dossier."""
        return sign(self.unsigned(), Dossier(by=self.by))

    def sent_headers(self) -> dict[str, str]:
        """The headers that go with it."""
        return {
            "Content-Type": "application/xml",
            "X-Procedure": FIRST,
            "X-Unit-Code": "",
            "X-Tax-Code": self.tax_code,
            "X-Agency": self.agency,
            "X-Sender": IVAN,
            "X-Contact": self.email,
            "Idempotency-Key": f"key-{self.email}-{self.nonce}",
            **self.headers,
        }


def change(unit_code: str, *changes: tuple[str, str, str], **kwargs: object) -> Dossier:
    """A 05 of a unit: (TRUONG, CU, MOI) each."""
    fields = {
        "EMAIL": f"{unit_code.lower()}@branches.example",
        **{name: new for name, _, new in changes if name in ("EMAIL", "DIEN_THOAI")},
        "DS_THAYDOI": "".join(
            f"<THAYDOI><TRUONG>{name}</TRUONG><CU>{old}</CU><MOI>{new}</MOI></THAYDOI>" for name, old, new in changes
        ),
    }
    return Dossier(unit_code=unit_code, procedure=CHANGE, fields={**fields, **kwargs.pop("fields", {})}, **kwargs)  # type: ignore[arg-type, dict-item]
