"""The 53 statements of the two product-help pages (PAGE-A: stop the old provider; PAGE-B: declare the unit and register), what
hoso does about each, and where; and the scenarios that prove them, read out of the test files.

Texts are our own short words for what the pages say, in English and Vietnamese.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `where`: "path: name", the name is found in the file."""

    name: str
    says: str
    vi: str
    does: str
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario and what it says it proves."""

    file: str
    function: str
    statements: tuple[str, ...]

    @property
    def words(self) -> str:
        """Its name as a sentence."""
        return self.function.removeprefix("test_").replace("_", " ")


STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "A1", "A unit stops its old provider right here", "Ngừng dịch vụ cũ ngay trong phần mềm",
        "A stop is a dossier kind of its own (06/NG-IVAN), asked for on its own or on the way; nobody else's help is needed.",
        ("hoso/dossiers/stop.py: FORM", "hoso/domain/moves.py: stop"),
    ),
    Statement(
        "A2", "One provider at a time", "Mỗi thời điểm chỉ một nhà cung cấp",
        "One open enrolment a unit; being refused for another provider is expected and handled.",
        ("services/intake/admission.py: already-enrolled", "hoso/domain/people.py: requested"),
    ),
    Statement(
        "A3", "Stop at onboarding, before any registration", "Cách 1: ngừng ngay khi bắt đầu sử dụng",
        "The column “Nhà cung cấp hiện tại” makes the stop the first dossier.",
        ("services/intake/columns.py: current_provider", "hoso/domain/moves.py: begin"),
    ),
    Statement(
        "A4", "Fill in the stop, sign, file", "Khai báo cửa sổ ngừng rồi ký nộp",
        "One request with purpose “Chỉ ngừng”: validated, signed, filed; it ends as `stopped`.",
        ("services/intake/validation.py: _purpose", "hoso/domain/states.py: Stopped"),
    ),
    Statement(
        "A5", "A failed stop: see the error, stop again", "Ngừng thất bại: xem lỗi, đăng ký ngừng lại",
        "The agency's code and text stay in the timeline as they came; the answer `retry` is a new attempt.",
        ("hoso/domain/people.py: _about_filing", "app/telling.py: SENTENCES"),
    ),
    Statement(
        "A6", "Stop from the settings", "Cách 2: ngừng tại Thiết lập",
        "A stop may be asked for by a later row or request, under the guard of A7.",
        ("hoso/domain/people.py: _stop_of_open",),
    ),
    Statement(
        "A7", "Only after CE007 or CE044", "Chỉ khi bị từ chối vì CE007 hoặc CE044",
        "Any other moment is refused with its reason (`stop-not-allowed`).",
        ("hoso/domain/people.py: _stop_of_open", "hoso/domain/causes.py: stop-not-allowed"),
    ),
    Statement(
        "A8", "CE007: with another I-VAN", "CE007: đã đăng ký với IVAN khác",
        "The provider that the answer or the row names is stopped; when nobody names one a person does.",
        ("hoso/domain/data/rejections.json: CE007", "hoso/domain/moves.py: _stop_first"),
    ),
    Statement(
        "A9", "CE044: with the state portal", "CE044: đã giao dịch tại Cổng BHXH",
        "The portal is stopped like a provider.",
        ("hoso/domain/data/rejections.json: CE044", "hoso/domain/moves.py: treated"),
    ),
    Statement(
        "A10", "Choose the reason", "Chọn lý do ngừng",
        "From a list that a deployment may bring; empty is “Chuyển đổi nhà cung cấp”; “Khác” needs its text.",
        ("services/intake/reasons.py: StopReasons", "services/intake/validation.py: _reason"),
    ),
    Statement(
        "A11", "Sign in two ways", "Ký nộp bằng eSign hoặc USB Token",
        "One signing port with several key backends; each attempt records how it was signed and with which certificate.",
        ("services/signer/keys/port.py: Protocol", "services/signer/performers.py: SignDossier"),
    ),
    Statement(
        "A12", "Filed with the agency", "Được ký nộp sang cơ quan BHXH",
        "Filing is a call with an outcome of its own: receipt, number, or an unknown outcome that is asked about.",
        ("services/submitter/performers.py: perform", "hoso/domain/decisions.py: _received"),
    ),
    Statement(
        "A13", "Success is shown, the result is mailed", "Thông báo thành công và gửi kết quả về email",
        "Accepted (gateway) and the result (mail) are two events.",
        ("schemas/events/mail.py: StopResultArrived", "hoso/domain/decisions.py: _agency_decided"),
    ),
    Statement(
        "A14", "After the mail: register again", "Nhận được mail mới đăng ký lại",
        "Only the mail, or “already stopped”, leads to the registration.",
        ("hoso/domain/states.py: AwaitingStopMail", "hoso/domain/decisions.py: _stop_result"),
    ),
    Statement(
        "A15", "No mail: stop again", "Không nhận được mail: thực hiện lại",
        "After 24 hours a new attempt, three in all, then a person; a late mail of an earlier attempt counts.",
        ("hoso/domain/waits.py: _mail_missing", "hoso/domain/moves.py: anew"),
    ),
    Statement(
        "A16", "Wrong signature data: check it, then again", "Sai thông tin chữ ký số: kiểm tra rồi làm lại",
        "Waits for a person who mends the certificate or chooses another; never tried blindly.",
        ("hoso/domain/rejections.py: FIX_CERTIFICATE", "hoso/domain/causes.py: certificate"),
    ),
    Statement(
        "A17", "System error: at once again", "Lỗi hệ thống: thực hiện lại ngay",
        "A new attempt at once, five in all, then a person.",
        ("hoso/domain/rejections.py: AGAIN_NOW", "hoso/domain/moves.py: treated"),
    ),
    Statement(
        "A18", "Already stopped elsewhere: register", "Đã ngừng trước đó: thực hiện đăng ký",
        "Counts as success; the registration follows.",
        ("hoso/domain/rejections.py: ALREADY_STOPPED", "hoso/domain/moves.py: stopped"),
    ),
    Statement(
        "A19", "After the stop: register again", "Bước 2: đăng ký lại sau khi ngừng",
        "By itself, for the same unit.",
        ("hoso/domain/moves.py: stopped",),
    ),
    Statement(
        "A20", "The refused dossier's data are shown", "Hiển thị thông tin hồ sơ bị từ chối trước đó",
        "The new registration is the refused one's data in a dossier of its own that names it (`supersedes`).",
        ("hoso/domain/moves.py: stopped", "schemas/events/dossiers.py: supersedes"),
    ),
    Statement(
        "A21", "Sign and file it", "Nhấn Đăng ký sử dụng để ký nộp",
        "Signed anew, always; a signature belongs to one attempt.",
        ("hoso/domain/moves.py: prepare", "hoso/domain/decisions.py: _signed"),
    ),
    Statement(
        "A22", "The code goes to the contact address", "Mã kích hoạt gửi về email liên hệ",
        "The mail is expected at this dossier's address before the filing leaves the house.",
        ("schemas/events/mail.py: MailExpected", "services/mail_watcher/matching.py: match"),
    ),
    Statement(
        "A23", "Activate to finish", "Kích hoạt để hoàn thành đăng ký",
        "Only an activated unit is enrolled.",
        ("services/submitter/activation.py: ActivateUnit", "hoso/domain/moves.py: activated"),
    ),
    Statement(
        "A24", "The code lasts 24 hours", "Mã chỉ có hiệu lực 24 giờ",
        "Warnings at 12, 4 and 1 hours left; never used later; expired means a new attempt.",
        ("hoso/domain/waits.py: _expiring", "services/submitter/activation.py: expires_at"),
    ),
    Statement(
        "B1", "Company and organisation come first", "Đã thiết lập công ty và cơ cấu tổ chức",
        "The first of the five steps; tenant, mailbox and profile are checked before anything begins.",
        ("services/ops/checklist.py: checklist", "services/intake/desk.py: Desk"),
    ),
    Statement(
        "B2", "Without or with a unit code", "Chưa có hoặc đã có mã đơn vị",
        "The first fork of every enrolment.",
        ("hoso/domain/moves.py: begin",),
    ),
    Statement(
        "B3", "Hanoi: electronic", "Thuộc BHXH Thành phố Hà Nội",
        "The province, and the date, choose the lane.",
        ("hoso/domain/routes.py: Routes", "hoso/domain/moves.py: _first_code"),
    ),
    Statement(
        "B4", "Log in, choose the application", "Đăng nhập, chọn ứng dụng",
        "Every request has a tenant and an actor, in every event and timeline.",
        ("services/intake/gate.py: gate", "schemas/events/requests.py: actor"),
    ),
    Statement(
        "B5", "Five steps a unit", "Năm bước thiết lập ban đầu",
        "Organisation, declaration, signature, registration, employees: each with its state and per cent.",
        ("services/ops/checklist.py: checklist",),
    ),
    Statement(
        "B6", "Synchronise the organisation", "Đồng bộ cơ cấu tổ chức",
        "A feed by organisation unit id, put in as often as one likes; rows take empty cells from it.",
        ("services/intake/org.py: Organisation",),
    ),
    Statement(
        "B7", "The name as on the licence", "Tên đơn vị theo giấy phép kinh doanh",
        "Required, kept exactly (NFC); mails are matched by it.",
        ("services/intake/validation.py: validate", "services/mail_watcher/text.py: name_key"),
    ),
    Statement(
        "B8", "Province", "Tỉnh/thành phố trực thuộc TW",
        "One of the 34, the 63 old ones as dated aliases; asked only where the two lists differ.",
        ("hoso/domain/provinces.py: read_province",),
    ),
    Statement(
        "B9", "“First time” means no unit code", "Là đơn vị tham gia BHXH lần đầu",
        "Both together are a row error.",
        ("services/intake/first_time.py: is_first_time", "services/intake/validation.py: _first_time"),
    ),
    Statement(
        "B10", "Set up the signature", "Thiết lập chữ ký số",
        "A profile a unit, with serial, issuer and validity; its tax code is checked before anything is signed.",
        ("hoso/domain/certificates.py: CertificateFacts", "services/signer/performers.py: SignDossier"),
    ),
    Statement(
        "B11", "USB token: a program on the workstation", "USB Token cần cài công cụ ký",
        "`hoso agent` pulls what is to be signed; a workstation that is away means waiting, and it is said.",
        ("agent/main.py: main", "services/signer/desk.py: offline"),
    ),
    Statement(
        "B12", "Fill in, sign and file the first dossier", "Đăng ký cấp mã: khai báo, ký nộp",
        "TK3-TS and the licence in their envelope, signed in two rounds, filed.",
        ("hoso/dossiers/first_code.py: FORM", "services/signer/rounds.py: round"),
    ),
    Statement(
        "B13", "The activation mail", "Hệ thống gửi email chứa mã kích hoạt",
        "As A22; all of them say DKTGLD, so one dossier of a name waits in a mailbox at a time.",
        ("services/intake/turns.py: AskRegistry", "services/mail_watcher/matching.py: FIRST_TIME"),
    ),
    Statement(
        "B14", "Activation hands it to the officer", "Kích hoạt để chuyển hồ sơ cho cán bộ BHXH",
        "An activated first dossier is under review, not enrolled.",
        ("hoso/domain/states.py: AgencyReview", "hoso/domain/moves.py: activated"),
    ),
    Statement(
        "B15", "24 hours from the mail's arrival", "24 giờ kể từ khi nhận được email",
        "The clock starts with the server's time of arrival.",
        ("schemas/events/mail.py: arrived_at", "services/mail_watcher/matcher.py: expires_at"),
    ),
    Statement(
        "B16", "No mail: causes and cures", "Không nhận được email: nguyên nhân và cách xử lý",
        "The ladder: junk folder, status at the agency, the contact, a new attempt, a person.",
        ("hoso/domain/waits.py: _mail_missing", "services/mail_watcher/folders.py: junk"),
    ),
    Statement(
        "B17", "The officer's word comes by mail", "Cán bộ BHXH thông báo kết quả qua email",
        "The code is read out of the mail, or the reason why there is none.",
        ("services/mail_watcher/results.py: _unit_code", "hoso/domain/decisions.py: _unit_code_result"),
    ),
    Statement(
        "B18", "Refused: send it again", "Bị từ chối: gửi lại hồ sơ xin cấp mã",
        "Mended by a person and filed from the refused dossier.",
        ("hoso/domain/moves.py: mended", "app/mending.py: mended"),
    ),
    Statement(
        "B19", "Granted: update", "Được duyệt: nhấn Cập nhật",
        "The granted code is noted as the unit's by itself.",
        ("hoso/domain/moves.py: granted", "services/intake/turns.py: _grant"),
    ),
    Statement(
        "B20", "Enter the code and file the change", "Cập nhật mã và ký nộp hồ sơ thay đổi",
        "05/SĐ-IVAN with the new code; effective when accepted, then enrolled.",
        ("hoso/dossiers/change.py: FORM", "hoso/domain/moves.py: effective"),
    ),
    Statement(
        "B21", "Other provinces: not electronic yet", "Tỉnh khác: chưa triển khai điện tử",
        "The paper lane, by dated configuration.",
        ("hoso/domain/data/routes.json: electronic", "hoso/domain/routes.py: routes"),
    ),
    Statement(
        "B22", "Fill in the form and hand it in", "Tải biểu mẫu, điền và nộp bưu điện hoặc một cửa",
        "The filled TK3-TS as a PDF; how and when it was handed in is recorded; a reminder follows.",
        ("app/papers.py: Papers", "hoso/domain/people.py: _channel_and_day"),
    ),
    Statement(
        "B23", "With the code: register", "Sau khi được cấp mã: đăng ký dịch vụ",
        "The code a person enters leads into the ordinary way.",
        ("hoso/domain/people.py: answered",),
    ),
    Statement(
        "B24", "The unit code", "Mã đơn vị do BHXH cấp",
        "Required here, upper case, unusual shapes warn.",
        ("hoso/domain/identifiers.py: read_unit_code",),
    ),
    Statement(
        "B25", "Look the unit code up", "Tra cứu mã đơn vị",
        "A look-up port by tax code and name; never the live portal.",
        ("services/submitter/directory.py: HttpUnitDirectory", "app/http_units.py: get_unit_codes"),
    ),
    Statement(
        "B26", "With another provider before: stop first", "Trước đó dùng nhà cung cấp khác: cần ngừng trước",
        "As A3.",
        ("hoso/domain/moves.py: begin", "services/intake/columns.py: current_provider"),
    ),
    Statement(
        "B27", "Never or no longer with one: register", "Chưa từng sử dụng hoặc đã ngừng: đăng ký",
        "Straight to the registration.",
        ("hoso/domain/moves.py: begin", "hoso/dossiers/register.py: FORM"),
    ),
    Statement(
        "B28", "Mail, activation, 24 hours", "Email, kích hoạt, 24 giờ",
        "As A22–A24 and B15–B16.",
        ("hoso/domain/decisions.py: _code_came", "hoso/domain/waits.py: timer"),
    ),
    Statement(
        "B29", "Fetch the employees", "Lấy lao động: cập nhật ngay",
        "Page by page, put in as often as one likes, counted, sealed, kept no longer than allowed.",
        ("services/submitter/rosters.py: FetchRoster",),
    ),
)  # fmt: skip


def scenarios(folder: Path = FOLDER) -> list[Scenario]:
    """Every test below `folder` that says which statements it proves, in the order of the files."""
    return [one for file in sorted(folder.glob("test_*.py")) for one in _in(file)]


def _in(file: Path) -> Iterator[Scenario]:
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            named = tuple(name for decorator in node.decorator_list for name in _names(decorator))
            if named:
                yield Scenario(file.name, node.name, named)


def _names(decorator: ast.expr) -> Iterator[str]:
    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.statement":
        yield from (str(ast.literal_eval(name)) for name in decorator.args)


def markdown() -> str:
    """docs/statements.md."""
    proved = scenarios()
    lines = [
        "# What the two pages say, and what hoso does",
        "",
        "Made by `make docs` from tests/e2e/statements.py and the scenarios of tests/e2e. PAGE-A: stop the old provider. PAGE-B:",
        "declare the unit and register. A scenario drives real processes against the simulated agency and is judged by the",
        "agency's ledger, the mails and the files.",
    ]
    for page, letter in (("PAGE-A", "A"), ("PAGE-B", "B")):
        lines += ["", f"## {page}", "", "| | statement | what hoso does | scenarios | where |", "|---|---|---|---|---|"]
        for one in STATEMENTS:
            if one.name.startswith(letter):
                told = "<br>".join(f"{s.words} ({s.file})" for s in proved if one.name in s.statements) or "–"
                where = "<br>".join(f"`{place}`" for place in one.where)
                lines.append(f"| {one.name} | {one.says}<br>*{one.vi}* | {one.does} | {told} | {where} |")
    return "\n".join(lines) + "\n"
