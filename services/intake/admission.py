"""What becomes of one request, decided from what is known of its unit. Pure.

| the unit's newest enrolment | same data | other data |
|---|---|---|
| none, cancelled, refused or only stopped | a new enrolment | a new enrolment |
| open, nothing filed | already open | amends it |
| waiting for a person | already open | amends it: the row may be what is awaited |
| open, something filed | already open | refused, naming it |
| enrolled | already enrolled | amends it: a change dossier, if a change can tell it |

The enrolment service decides again on the event, and its word counts: it may still refuse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from schemas.units import Stage, UnitForm
from services.intake.validation import CellError, CellNote

Word = Literal["accepted", "amended", "already-open", "already-enrolled", "refused"]

OVER = frozenset((Stage.CANCELLED, Stage.REFUSED_REQUEST, Stage.STOPPED))
"""Stages after which a unit may be requested again."""


@dataclass(frozen=True, slots=True)
class Request:
    """A validated request. `request` is unique in its tenant: the same key again is the same request."""

    request: str
    form: UnitForm
    fingerprint: str
    actor: str
    batch: UUID | None = None
    row: int | None = None
    attachments: tuple[str, ...] = ()
    """Names of files; the desk puts them into the form."""
    org_unit: str = ""
    """The unit's id in the organisation feed."""


@dataclass(frozen=True, slots=True)
class Known:
    """What intake knows of a unit's newest enrolment."""

    enrolment: UUID
    stage: Stage
    filed: bool
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one request."""

    word: Word
    unit: UUID | None = None
    enrolment: UUID | None = None
    errors: tuple[CellError, ...] = ()
    notes: tuple[CellNote, ...] = ()
    code: str = ""
    """Why it was refused, as a stable word: mailbox-unknown, profile-unknown, attachment-unknown,
    attachments-unfit, already-filed, key-reused, later-refused."""

    @property
    def new(self) -> bool:
        """Whether the log has to hear of it."""
        return self.word in ("accepted", "amended")


def decide(request: Request, unit: UUID, known: Known | None, fresh: UUID) -> Outcome:
    """The outcome; `fresh` is the id a new enrolment would get."""
    if known is None or known.stage in OVER:
        return Outcome("accepted", unit, fresh)
    same = known.fingerprint == request.fingerprint
    if known.stage is Stage.ENROLLED and same:
        return Outcome("already-enrolled", unit, known.enrolment, notes=(_enrolled(request, known),))
    if same:
        note = CellNote("", f"Đơn vị đang được đăng ký trong hồ sơ {known.enrolment}; không đăng ký lần nữa.")
        return Outcome("already-open", unit, known.enrolment, notes=(note,))
    if not known.filed or known.stage in (Stage.ENROLLED, Stage.WAITING_FOR_PERSON):
        return Outcome("amended", unit, known.enrolment)
    error = CellError(
        _key_column(request.form),
        f"Đơn vị đang được đăng ký trong hồ sơ {known.enrolment} với dữ liệu khác, và hồ sơ đã nộp cho cơ quan BHXH.",
        "Chờ hồ sơ đó xong, hoặc huỷ bằng `hoso enrolment cancel` rồi gửi lại dòng này.",
    )
    return Outcome("refused", unit, known.enrolment, (error,), code="already-filed")


def after(known: Known | None, request: Request, outcome: Outcome) -> Known | None:
    """What is known of the unit once `outcome` holds."""
    if outcome.word == "accepted" and outcome.enrolment is not None:
        return Known(outcome.enrolment, Stage.REQUESTED, False, request.fingerprint)
    if outcome.word == "amended" and known is not None:
        return replace(known, fingerprint=request.fingerprint)
    return known


def key_reused(request: str) -> Outcome:
    """The answer to a request key that came before with other data."""
    error = CellError(
        "", f"Khoá yêu cầu “{request[:80]}” đã dùng cho dữ liệu khác.", "Dùng một khoá mới cho yêu cầu mới."
    )
    return Outcome("refused", errors=(error,), code="key-reused")


def mailbox_unknown(email: str) -> Outcome:
    """The answer when nobody reads the contact address."""
    error = CellError(
        "email",
        f"Hộp thư {email} chưa được khai báo, nên không ai đọc được mã kích hoạt gửi về đó.",
        "Khai báo bằng `hoso mailbox add` rồi gửi lại dòng này, hoặc ghi một hộp thư đã khai báo.",
    )
    return Outcome("refused", errors=(error,), code="mailbox-unknown")


def profile_unknown(name: str) -> Outcome:
    """The answer when the row names a signing profile that does not exist."""
    error = CellError(
        "profile",
        f"Chưa có chữ ký số nào tên “{name}”.",
        "Khai báo bằng `hoso profile add`, sửa lại tên, hoặc để trống để dùng chữ ký số của mã số thuế này.",
    )
    return Outcome("refused", errors=(error,), code="profile-unknown")


def attachment_unknown(names: list[str]) -> Outcome:
    """The answer when the row names files that nobody has sent."""
    shown = ", ".join(f"“{name[:80]}”" for name in names)
    error = CellError(
        "attachments",
        f"Chưa có tệp {shown}.",
        "Gửi tệp trước (`hoso sheet submit --attachments THƯ-MỤC`, hoặc PUT /v1/attachments/<tên>), hoặc sửa lại tên, rồi gửi lại dòng này.",
    )
    return Outcome("refused", errors=(error,), code="attachment-unknown")


def attachments_unfit(why: str) -> Outcome:
    """The answer when the files together cannot travel in one dossier."""
    return Outcome("refused", errors=(CellError("attachments", why, ""),), code="attachments-unfit")


def later_refused(message: str, enrolment: UUID | None) -> Outcome:
    """The answer to a request that the enrolment service refused after it had been taken."""
    error = CellError("", message or "Yêu cầu bị từ chối khi xử lý.", "Sửa theo lý do trên rồi gửi lại với khoá mới.")
    return Outcome("refused", enrolment=enrolment, errors=(error,), code="later-refused")


def _key_column(form: UnitForm) -> str:
    return "unit_code" if form.unit_code else "branch_id"


def _enrolled(request: Request, known: Known) -> CellNote:
    return CellNote(
        _key_column(request.form), f"Đơn vị đã đăng ký xong trong hồ sơ {known.enrolment}; không cần đăng ký lại."
    )
