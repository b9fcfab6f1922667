"""Which answers are taken, and how the others are refused: nothing of them is ever on the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from app.edge import Edge
from hoso.setup.units import PostgresUnitRegistry, RowKey
from hoso.store.postgres import Database
from services.ops.answers import Answers
from services.ops.said import Means, Said, Unanswerable
from tests.integration.cli.made import on_the_log, waits
from tests.support.stories import a_form

PROFILE = UUID(int=7)


MAILBOX = UUID(int=8)


@dataclass(frozen=True)
class Box:
    """A mailbox and the address to declare."""

    mailbox: UUID
    contact: str


class OneOfEach:
    """What acme set up: a signing profile called main, and a mailbox for acme.vn."""

    async def profile_for(self, tx: object, tenant: str, tax_code: str, name: str | None) -> UUID | None:
        return PROFILE if (tenant, name) == ("acme", "main") else None

    async def mailbox_for(self, tx: object, tenant: str, email: str) -> Box | None:
        return Box(MAILBOX, email) if tenant == "acme" and email.endswith("@acme.vn") else None


class OpenVault:
    """Remembers what was to be sealed."""

    def __init__(self) -> None:
        self.sealed: dict[UUID, tuple[str, UUID, str, bytes]] = {}

    async def put(self, tenant: str, scope: UUID, purpose: str, data: bytes) -> UUID:
        ref = uuid4()
        self.sealed[ref] = (tenant, scope, purpose, data)
        return ref


NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


@pytest.fixture
def vault() -> OpenVault:
    return OpenVault()


@pytest_asyncio.fixture
async def answers(db: Database, vault: OpenVault) -> Answers:
    edge = await Edge.open(db.pool, "test")
    return Answers(Means(db.pool, PostgresUnitRegistry(), OneOfEach(), vault, edge, lambda: NOW, "00110"))


@pytest.mark.parametrize(
    ("cause", "words", "said"),
    [
        ("no-profile", ["retry"], "what can be answered: profile"),
        ("no-unit-code", ["unit-code"], "needs a value"),
        ("no-unit-code", ["unit-code", "!"], "is no unit code"),
        ("system-error", ["retry", "now"], "takes no value"),
        ("system-error", ["perhaps"], "'perhaps' is no answer"),
        ("provider", ["provider", "khong"], "name the other provider"),
        ("provider", ["provider", "00110"], "name the other provider"),
        ("provider", ["provider", "Nowhere Ltd"], "is no provider"),
        ("no-profile", ["profile", "other"], "no signing profile 'other'"),
        ("transaction-missing", ["filed"], "needs a value"),
        ("nobody-knows", ["retry"], "nothing, or cancel it"),
        ("unknown-code", ["treatment", "ignore"], "'ignore' is no treatment"),
        ("data", ["data"], "needs the mended columns"),
        ("activation-mail-missing", ["address", "x"], "is no e-mail address"),
        ("activation-mail-missing", ["address", "a@b.vn"], "no mailbox of this tenant"),
        ("activation-mail-missing", ["activation-code"], "needs the activation code"),
        ("paper-form", ["sent", "post 2026-03-04"], "is not over yet"),
        ("officer-late", ["accepted"], "needs a value"),
        ("officer-late", ["accepted", "!"], "is no unit code"),
        (None, ["retry"], "waits for nobody"),
    ],
)
async def test_answers_that_do_not_fit(
    answers: Answers, db: Database, cause: str | None, words: list[str], said: str
) -> None:
    enrolment = await waits(db, cause, stage="waiting-for-person" if cause else "filed")
    with pytest.raises(Unanswerable, match=said) as refused:
        await answers.answer(enrolment, Said(words[0], words[1] if len(words) > 1 else None), actor="lan")
    assert refused.value.vi
    assert await on_the_log(db) == []


async def test_an_answer_of_another_tenant_finds_nothing(answers: Answers, db: Database) -> None:
    enrolment = await waits(db, "no-profile")
    for one in (enrolment, uuid4()):
        with pytest.raises(Unanswerable) as refused:
            await answers.answer(one, Said("profile", "main"), actor="eve", tenant="globex")
        assert refused.value.code == "not-found"
    await answers.answer(enrolment, Said("profile", "main"), actor="lan", tenant="acme")
    (event,) = await on_the_log(db)
    assert event.data.value == str(PROFILE)


async def test_a_refused_answer_gives_no_code_away(answers: Answers, db: Database) -> None:
    await PostgresUnitRegistry().claim(db.pool, "globex", [RowKey("TZ1234Z", None)])
    enrolment = await waits(db, "no-unit-code")
    with pytest.raises(Unanswerable, match="has been verified"):
        await answers.answer(enrolment, Said("unit-code", "TZ1234Z"), actor="lan")
    await answers.answer(enrolment, Said("unit-code", "TZ1235Z"), actor="lan")
    units = await db.pool.fetch("select tenant, unit_code from store.unit where unit_code is not null")
    assert {(row["tenant"], row["unit_code"]) for row in units} == {("globex", "TZ1234Z"), ("acme", "TZ1235Z")}


async def test_an_answer_says_to_what_why_and_who(answers: Answers, db: Database) -> None:
    enrolment = await waits(db, "activation-mail-missing")
    await answers.answer(enrolment, Said("address", " Ke.Toan@Acme.vn", "địa chỉ cũ bỏ rồi"), actor="lan")
    (event,) = await on_the_log(db)
    said = event.data
    assert (said.cause, said.reason, said.actor) == ("activation-mail-missing", "địa chỉ cũ bỏ rồi", "lan")
    assert (said.value, said.mailbox, said.own_address) == ("Ke.Toan@acme.vn", MAILBOX, False)


async def test_a_code_is_sealed_and_never_travels(answers: Answers, db: Database, vault: OpenVault) -> None:
    enrolment = await waits(db, "wrong-code")
    late = Said("activation-code", code="AB12CD34EF", arrived_at=datetime(2026, 3, 1, 2, 0, tzinfo=UTC))
    with pytest.raises(Unanswerable, match="has expired"):
        await answers.answer(enrolment, late, actor="lan")
    with pytest.raises(Unanswerable):
        await answers.answer(enrolment, Said("activation-code", code="short"), actor="lan")
    assert vault.sealed == {}
    await answers.answer(enrolment, Said("activation-code", code="ab12cd34ef"), actor="lan")
    (event,) = await on_the_log(db)
    assert vault.sealed == {event.data.code: ("acme", enrolment, "code", b"AB12CD34EF")}
    assert "AB12CD34EF" not in event.model_dump_json()
    assert "AB12CD34EF" not in repr(Said("activation-code", code="AB12CD34EF"))


async def test_a_mended_row_brings_its_code_and_its_mailbox(answers: Answers, db: Database) -> None:
    enrolment = await waits(db, "data")
    form = a_form(unit_code="TZ7777Z", email="hue@acme.vn")
    await answers.answer(enrolment, Said("data", form=form), actor="lan")
    (event,) = await on_the_log(db)
    assert (event.data.form, event.data.mailbox, event.data.contact) == (form, MAILBOX, "hue@acme.vn")
    assert await db.pool.fetchval("select unit_code from store.unit") == "TZ7777Z"


async def test_what_the_wait_itself_says_counts(answers: Answers, db: Database) -> None:
    enrolment = await waits(db, "a-cause-of-tomorrow")
    await db.pool.execute("update ops.enrolment set answers = '{retry,continue}'")
    await answers.answer(enrolment, Said("continue"), actor="lan")
    assert (await on_the_log(db))[0].data.answer == "continue"
