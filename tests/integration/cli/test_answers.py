"""Which answers are taken, and how the others are refused: nothing of them is ever on the log."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from app.edge import Edge
from hoso.setup.units import PostgresUnitRegistry, RowKey
from hoso.store.postgres import Database
from services.ops.answers import Answers, Unanswerable
from tests.integration.cli.made import on_the_log, waits

PROFILE = UUID(int=7)


class OneProfile:
    """Signing profiles: acme has one, called main."""

    async def profile_for(self, tx: object, tenant: str, tax_code: str, name: str | None) -> UUID | None:
        return PROFILE if (tenant, name) == ("acme", "main") else None


@pytest_asyncio.fixture
async def answers(db: Database) -> Answers:
    edge = await Edge.open(db.pool, "test")
    return Answers(db.pool, PostgresUnitRegistry(), OneProfile(), edge, "00110")


@pytest.mark.parametrize(
    ("cause", "words", "said"),
    [
        ("no-unit-code", ["retry"], "what can be answered: unit-code"),
        ("no-unit-code", ["unit-code"], "needs a value"),
        ("no-unit-code", ["unit-code", "!"], "is no unit code"),
        ("system-error", ["retry", "now"], "takes no value"),
        ("system-error", ["perhaps"], "'perhaps' is no answer"),
        ("provider", ["provider", "khong"], "name the other provider"),
        ("provider", ["provider", "00110"], "name the other provider"),
        ("provider", ["provider", "Nowhere Ltd"], "is no provider"),
        ("no-profile", ["profile", "other"], "no signing profile 'other'"),
        ("transaction-missing", ["filed"], "needs a value"),
        ("unit-code-held", ["retry"], "nothing, or cancel it"),
        (None, ["retry"], "waits for nobody"),
    ],
)
async def test_answers_that_do_not_fit(
    answers: Answers, db: Database, cause: str | None, words: list[str], said: str
) -> None:
    enrolment = await waits(db, cause, stage="waiting-for-person" if cause else "filed")
    with pytest.raises(Unanswerable, match=said) as refused:
        await answers.answer(enrolment, words[0], words[1] if len(words) > 1 else None, actor="lan")
    assert refused.value.vi
    assert await on_the_log(db) == []


async def test_an_answer_of_another_tenant_finds_nothing(answers: Answers, db: Database) -> None:
    enrolment = await waits(db, "no-profile")
    for one in (enrolment, uuid4()):
        with pytest.raises(Unanswerable) as refused:
            await answers.answer(one, "profile", "main", actor="eve", tenant="globex")
        assert refused.value.code == "not-found"
    await answers.answer(enrolment, "profile", "main", actor="lan", tenant="acme")
    (event,) = await on_the_log(db)
    assert event.data.value == str(PROFILE)


async def test_a_refused_answer_gives_no_code_away(answers: Answers, db: Database) -> None:
    await PostgresUnitRegistry().claim(db.pool, "globex", [RowKey("TZ1234Z", None)])
    enrolment = await waits(db, "no-unit-code")
    with pytest.raises(Unanswerable, match="has been verified"):
        await answers.answer(enrolment, "unit-code", "TZ1234Z", actor="lan")
    await answers.answer(enrolment, "unit-code", "TZ1235Z", actor="lan")
    units = await db.pool.fetch("select tenant, unit_code from store.unit where unit_code is not null")
    assert {(row["tenant"], row["unit_code"]) for row in units} == {("globex", "TZ1234Z"), ("acme", "TZ1235Z")}
