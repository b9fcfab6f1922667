"""Calls: asked once, in order, one in flight a subject; what each outcome does; who owns a call and who does not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from hoso.runtime.clock import Setting, WorldClock, boottime
from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from hoso.runtime.ids import uuid7
from hoso.runtime.lanes import _CLAIM, LaneRunner
from hoso.runtime.outgoing import Cause, write
from hoso.runtime.steps import Call, NotYet, Step, Tell, Tried, Try, Withdraw
from hoso.runtime.upkeep import mend_queues, sweep
from hoso.store.postgres import Database
from tests.contract.log.stage import (
    ECHOED,
    GROUP,
    LANE,
    Asked,
    Desk,
    Echoed,
    Evidence,
    admit,
    all_ended,
    ask,
    calls,
    echoes,
    facts_of,
    source,
    working,
)
from tests.support.waiting import eventually

SOON = timedelta(milliseconds=1)


class Gate:
    """A world that answers when it is let."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self, asked: Asked, this: Try) -> Sequence[Step]:
        await self.open.wait()
        return [Tell(Echoed(n=asked.n))]


async def until(look: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait for something this process can see."""

    async def seen() -> bool:
        return look()

    await eventually(seen, what, seconds)


async def forget_members(db: Database) -> int:
    """What the sweep does once every member is dead."""
    async with db.pool.acquire() as tx, tx.transaction():
        await tx.execute("update log.member set seen_at = now() - interval '9 seconds'")
        return await sweep(tx)


# --- asking -----------------------------------------------------------------------------------------------------


async def test_asked_twice_is_asked_once_also_after_its_end(stage: Database) -> None:
    unit, desk = uuid7(), Desk()
    await admit(stage, ask(unit, "once", 1), ask(unit, "once", 2))
    await admit(stage, ask(unit, "once", 3))
    async with working(stage, desk):
        await all_ended(stage)
        await admit(stage, ask(unit, "once", 4), ask(unit, "another", 5))
        await all_ended(stage)
    assert await echoes(stage) == [1, 5]


async def test_one_name_in_two_groups_is_two_calls(stage: Database) -> None:
    unit = uuid7()
    await admit(stage, ask(unit, "once", 1))
    await admit(stage, ask(unit, "once", 2), group="test.other")
    assert [c["grp"] for c in await calls(stage)] == [GROUP, "test.other"]


async def test_eight_writers_asking_the_same_ask_once(stage: Database) -> None:
    units = [uuid7() for _ in range(10)]
    desk = Desk()
    await asyncio.gather(*(admit(stage, *(ask(u, f"once:{u}") for u in units)) for _ in range(8)))
    async with working(stage, desk):
        await all_ended(stage)
    assert Counter(desk.names) == {f"once:{u}": 1 for u in units}


async def test_a_call_that_was_rolled_back_was_never_asked(stage: Database) -> None:
    unit = uuid7()
    async with stage.pool.acquire() as tx:
        gone = tx.transaction()
        await gone.start()
        await write(tx, source(), [(Cause(unit, "acme", unit, None), ask(unit, "once")[1])], datetime.now(UTC))
        await gone.rollback()
    assert await calls(stage) == []
    await admit(stage, ask(unit, "once"))
    assert len(await calls(stage)) == 1


# --- order ------------------------------------------------------------------------------------------------------


async def test_order_and_one_in_flight_a_subject_with_two_runners_and_eight_writers(stage: Database) -> None:
    units, per = [uuid7() for _ in range(6)], 25
    world: dict[UUID, str] = {}
    clashes: list[str] = []
    done: dict[tuple[UUID, int], list[int]] = {}

    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        if this.subject in world:
            clashes.append(f"{this.name} beside {world[this.subject]}")
        world[this.subject] = this.name
        for _ in range(3):
            await asyncio.sleep(0)
        del world[this.subject]
        writer = int(this.name.split(":")[0])
        done.setdefault((this.subject, writer), []).append(asked.n)
        return [Tell(Echoed(n=asked.n))]

    async def writer(number: int) -> None:
        for n in range(per):
            await admit(stage, *(ask(u, f"{number}:{u}:{n}", n) for u in units))

    async with working(stage, Desk(answer)), working(stage, Desk(answer)):
        await asyncio.gather(*(writer(w) for w in range(8)))
        await all_ended(stage, 40)
    assert clashes == []
    assert len(done) == 8 * len(units)
    assert all(numbers == list(range(per)) for numbers in done.values())
    assert len(await echoes(stage)) == 8 * per * len(units)


async def test_a_waiting_call_delays_its_own_subject_only(stage: Database) -> None:
    slow, others, gate = uuid7(), [uuid7() for _ in range(5)], Gate()

    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        return await gate(asked, this) if this.subject == slow else [Tell(Echoed(n=asked.n))]

    await admit(stage, ask(slow, "slow", 1), ask(slow, "behind", 2), *(ask(u, f"other:{u}", 9) for u in others))
    desk = Desk(answer)
    async with working(stage, desk):
        await until(lambda: len(desk.tries) == 6, "the others and the slow one to be asked")
        assert "behind" not in desk.names
        gate.open.set()
        await all_ended(stage)
    assert await echoes(stage, slow) == [1, 2]


async def test_a_subject_may_have_one_call_in_flight_in_each_lane(stage: Database) -> None:
    unit = uuid7()
    await admit(stage, ask(unit, "here"), (unit, Call("test.other", unit, "there", Asked())))
    assert await stage.pool.fetchval("select count(*) from log.call where ready") == 2


async def test_a_queue_whose_head_nobody_made_ready_is_mended(stage: Database) -> None:
    """Two transactions pass each other: one ends the head, the other sees it still there and queues behind it."""
    unit = uuid7()
    await admit(stage, ask(unit, "head"))
    async with stage.pool.acquire() as tx:
        late = tx.transaction()
        await late.start()
        await write(tx, source(), [(Cause(unit, "acme", unit, None), ask(unit, "late")[1])], datetime.now(UTC))
        async with working(stage, Desk()):
            await eventually(
                lambda: stage.pool.fetchval("select not exists (select 1 from log.call)"), "the head to end"
            )
        await late.commit()
    assert [c["ready"] for c in await calls(stage)] == [False]
    async with stage.pool.acquire() as tx, tx.transaction():
        await mend_queues(tx)
    assert [c["ready"] for c in await calls(stage)] == [True]


# --- withdrawing ------------------------------------------------------------------------------------------------


async def test_a_call_never_begun_is_withdrawn_and_the_next_moves_up(stage: Database) -> None:
    unit, desk = uuid7(), Desk()
    await admit(stage, ask(unit, "first", 1), ask(unit, "second", 2), ask(unit, "third", 3))
    await admit(stage, (unit, Withdraw("first")), (unit, Withdraw("third")))
    assert [(c["name"], c["ready"]) for c in await calls(stage)] == [("second", True)]
    await admit(stage, ask(unit, "third", 33))
    async with working(stage, desk):
        await all_ended(stage)
    assert await echoes(stage) == [2, 33], "asking again after withdrawing is asking"


async def test_the_last_word_within_one_write_counts(stage: Database) -> None:
    unit = uuid7()
    await admit(stage, ask(unit, "a"))
    await admit(stage, ask(unit, "a"), (unit, Withdraw("a")))
    assert await calls(stage) == [], "also what an earlier transaction had asked"
    await admit(stage, (unit, Withdraw("a")), ask(unit, "a"))
    assert [c["name"] for c in await calls(stage)] == ["a"]


async def test_a_call_that_was_begun_runs_to_its_outcome(stage: Database) -> None:
    unit, gate = uuid7(), Gate()
    desk = Desk(gate)
    await admit(stage, ask(unit, "begun", 1))
    async with working(stage, desk):
        await until(lambda: bool(desk.tries), "the call to begin")
        await admit(stage, (unit, Withdraw("begun")))
        gate.open.set()
        await all_ended(stage)
    assert await echoes(stage) == [1]


@pytest.mark.parametrize("how", ["not yet", "transient", "unknown"])
async def test_a_call_that_waits_for_another_try_was_begun(stage: Database, how: str) -> None:
    unit = uuid7()

    async def answer(asked: Asked, this: Try) -> Sequence[Step] | NotYet:
        if how == "not yet":
            return NotYet(timedelta(hours=1))
        raise Transient("busy", timedelta(hours=1)) if how == "transient" else OutcomeUnknown("no answer")

    await admit(stage, ask(unit, "begun"))
    async with working(stage, Desk(answer, look=_inconclusive)):
        await eventually(
            lambda: stage.pool.fetchval("select owner is null and deadline is not null from log.call"), "a first try"
        )
    await admit(stage, (unit, Withdraw("begun")))
    assert [c["name"] for c in await calls(stage)] == ["begun"]


async def _inconclusive(asked: Asked, this: Try) -> Sequence[Step] | None:
    raise OutcomeUnknown("the agency does not answer")


async def test_withdrawing_beside_a_later_call_that_is_in_flight_harms_nothing(stage: Database) -> None:
    """The head of a queue may be committed after a later call was made ready; a promotion then finds a ready one."""
    unit = uuid7()
    await admit(stage, ask(unit, "head"))
    async with stage.pool.acquire() as tx:
        slow = tx.transaction()
        await slow.start()
        await write(tx, source(), [(Cause(unit, "acme", unit, None), ask(unit, "slow", 1)[1])], datetime.now(UTC))
        async with working(stage, Desk()):
            await eventually(
                lambda: stage.pool.fetchval("select not exists (select 1 from log.call)"), "the head to end"
            )
        await admit(stage, ask(unit, "quick", 2))
        await slow.commit()
    await admit(stage, ask(unit, "unwanted", 3))
    assert [(c["name"], c["ready"]) for c in await calls(stage)] == [
        ("slow", False),
        ("quick", True),
        ("unwanted", False),
    ]
    await admit(stage, (unit, Withdraw("unwanted")))
    async with working(stage, Desk()):
        await all_ended(stage)
    assert sorted(await echoes(stage)) == [0, 1, 2]


# --- outcomes ---------------------------------------------------------------------------------------------------


async def test_transient_is_tried_again_and_then_ends(stage: Database) -> None:
    evidence = Evidence()

    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        if this.number < 3:
            raise Transient("refused", SOON)
        return [Tell(Echoed(n=this.number))]

    desk = Desk(answer)
    await admit(stage, ask(uuid7(), "again"))
    async with working(stage, desk, record=evidence.record):
        await all_ended(stage)
    assert [(t.name, t.number, t.unsure) for t in desk.tries] == [("again", n, False) for n in (1, 2, 3)]
    assert evidence.words == ["transient", "transient", "ended"]
    assert desk.looks == [], "certainly not processed: nothing to look for"
    assert await echoes(stage) == [3]


async def test_an_outcome_written_twice_never_frees_a_later_claim(stage: Database) -> None:
    """The commit took effect, its acknowledgement was lost, and meanwhile the call was claimed again by the same process."""
    evidence, claimed_again, may_end = Evidence(), asyncio.Event(), asyncio.Event()

    class LosesTheFirstAnswer(LaneRunner):
        lost = False

        async def _write(self, *args: Any, **kwargs: Any) -> set[str]:
            words = await super()._write(*args, **kwargs)
            if not self.lost:
                self.lost = True
                worker.woken.set()
                await claimed_again.wait()
                raise ConnectionResetError("the acknowledgement is lost")
            return words

    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        if this.number == 1:
            raise Transient("refused", SOON)
        claimed_again.set()
        await may_end.wait()
        return [Tell(Echoed(n=this.number))]

    async def written_twice() -> bool:
        return len(evidence.words) >= 2

    desk = Desk(answer)
    await admit(stage, ask(uuid7(), "again"))
    async with working(stage, desk, record=evidence.record, runner_of=LosesTheFirstAnswer) as worker:
        await eventually(written_twice, "the first outcome to be written again")
        assert evidence.words == ["transient", "lost"]
        worker.woken.set()
        may_end.set()
        await all_ended(stage)
    assert (desk.two_at_once, len(desk.tries)) == (0, 2)


async def test_a_claim_whose_acknowledgement_was_lost_is_found_again(stage: Database) -> None:
    """The process lives and would never have asked: nobody else may, for it is the owner."""

    class LosesTheFirstClaim(LaneRunner):
        lost = False

        async def _claim(self) -> bool:
            if self.lost:
                return await super()._claim()
            self.lost = True
            ask = (self._member(), LANE, datetime.now(UTC), 9, timedelta(seconds=30), [Asked.TYPE])
            assert len(await self._db.pool.fetch(_CLAIM, *ask)) == 1
            raise ConnectionResetError("the acknowledgement is lost")

    async def found(asked: Asked, this: Try) -> Sequence[Step]:
        return [Tell(Echoed(n=asked.n, text="found"))]

    gate = Gate()
    desk = Desk(gate, look=found)
    await admit(stage, ask(uuid7(), "claimed", 1))
    async with working(stage, desk, runner_of=LosesTheFirstClaim) as worker:
        await admit(stage, ask(uuid7(), "in flight", 2))
        await until(lambda: bool(desk.tries), "another call to be in flight")
        await eventually(lambda: echoes(stage), "the call to be looked for")
        assert [c["name"] for c in await calls(stage)] == ["in flight"]
        assert (await calls(stage))[0]["owner"] == worker.member, "what is in flight stays whose it is"
        gate.open.set()
        await all_ended(stage)
    assert sorted(await echoes(stage)) == [1, 2]


async def test_what_one_process_claimed_twice_is_told_once(stage: Database) -> None:
    """It slept, was declared dead, woke under a new name and claimed what it still had in hand; both end in one batch."""
    gate, evidence = Gate(), Evidence()

    class Together(LaneRunner):
        async def _write_outcomes(self, *args: Any) -> None:
            await until(lambda: self._finished.qsize() == 2, "both outcomes")
            await super()._write_outcomes(*args)

    async def found(asked: Asked, this: Try) -> Sequence[Step]:
        return [Tell(Echoed(n=asked.n, text="found"))]

    desk = Desk(gate, look=found)
    await admit(stage, ask(uuid7(), "slept", 1))
    async with working(stage, desk, record=evidence.record, runner_of=Together) as worker:
        await until(lambda: bool(desk.tries), "the call to begin")
        assert await forget_members(stage) == 1
        worker.member = uuid7()
        await stage.pool.execute(
            "insert into log.member(id, grp, host, pid) values ($1, $2, 'here', 1)", worker.member, GROUP
        )
        worker.woken.set()
        await until(lambda: bool(desk.looks), "it to look for its own call")
        gate.open.set()
        await all_ended(stage)
    assert [f.text for f in await facts_of(stage, ECHOED)] == ["found"], "the later claim counts"
    assert sorted(evidence.words) == ["ended", "lost"]


async def test_refused_connections_are_no_proofs_of_absence(stage: Database) -> None:
    """Only what was proved absent counts against a call: an outage and then one lost answer is not given up."""

    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        if this.number <= 6:
            raise Transient("refused", SOON)
        if this.number == 7:
            raise OutcomeUnknown("the reply was lost")
        return [Tell(Echoed(n=this.number))]

    desk = Desk(answer)
    await admit(stage, ask(uuid7(), "again"))
    async with working(stage, desk, transport_bound=timedelta(0), timeout=timedelta(milliseconds=200)):
        await all_ended(stage)
    assert desk.given_up == []
    assert await echoes(stage) == [8]


async def test_a_harmless_doubt_is_simply_asked_again(stage: Database) -> None:
    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        if this.number < 3:
            raise OutcomeUnknown("the reply was lost")
        return [Tell(Echoed(n=this.number))]

    desk = Desk(answer)
    await admit(stage, ask(uuid7(), "again"))
    async with working(stage, desk, harmless=True):
        await all_ended(stage)
    assert desk.looks == []
    assert await echoes(stage) == [3]


async def test_without_a_wait_of_its_own_a_transient_failure_backs_off(stage: Database) -> None:
    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        raise Transient("refused")

    await admit(stage, ask(uuid7(), "again"))
    async with working(stage, Desk(answer)) as worker:
        await eventually(lambda: stage.pool.fetchval("select tries > 2 and owner is null from log.call"), "a third try")
        wait = await stage.pool.fetchval("select not_before - now() from log.call")
        assert worker.sample("hoso_lane_circuit_open") == 0
    assert timedelta(0) < wait < timedelta(seconds=0.2 * 2**3 * 1.3)


async def test_when_patience_has_ended_a_transient_call_is_given_up_unreached(stage: Database) -> None:
    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        raise Transient("refused", SOON)

    desk = Desk(answer)
    await admit(stage, ask(uuid7(), "again", 5), keep_trying=timedelta(milliseconds=1))
    async with working(stage, desk):
        await all_ended(stage)
    assert desk.given_up == [("again", False, "refused")]
    assert [f.text for f in await facts_of(stage, ECHOED)] == ["given up"]


async def test_invalid_ends_as_a_failed_outcome_without_another_try(stage: Database) -> None:
    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        raise Invalid("no such unit")

    desk = Desk(answer)
    await admit(stage, ask(uuid7(), "wrong"))
    async with working(stage, desk):
        await all_ended(stage)
    assert desk.given_up == [("wrong", False, "no such unit")]
    assert len(desk.tries) == 1


async def test_not_yet_costs_no_try(stage: Database) -> None:
    answers = [NotYet(SOON), NotYet(SOON), NotYet(SOON), [Tell(Echoed(n=1))]]

    async def answer(asked: Asked, this: Try) -> Any:
        return answers.pop(0)

    desk = Desk(answer)
    await admit(stage, ask(uuid7(), "patient"))
    async with working(stage, desk):
        await all_ended(stage)
    assert [t.number for t in desk.tries] == [1, 1, 1, 1]
    assert desk.given_up == []


async def test_an_unknown_outcome_is_looked_for_before_anything_is_asked_again(stage: Database) -> None:
    async def lost(asked: Asked, this: Try) -> Sequence[Step]:
        raise OutcomeUnknown("the reply was lost")

    async def found(asked: Asked, this: Try) -> Sequence[Step]:
        return [Tell(Echoed(n=asked.n, text="found"))]

    desk, evidence = Desk(lost, found), Evidence()
    await admit(stage, ask(uuid7(), "lost", 1))
    async with working(stage, desk, record=evidence.record):
        await all_ended(stage)
    assert [f.text for f in await facts_of(stage, ECHOED)] == ["found"]
    assert (len(desk.tries), len(desk.looks)) == (1, 1)
    assert desk.looks[0].unsure
    assert evidence.words == ["unknown", "ended"]


async def test_absent_is_proof_only_after_deadline_and_transport_bound(stage: Database) -> None:
    times: list[float] = []

    async def lost_once(asked: Asked, this: Try) -> Sequence[Step]:
        times.append(boottime())
        if this.number == 1:
            raise OutcomeUnknown("the reply was lost")
        return [Tell(Echoed(n=this.number))]

    desk, evidence = Desk(lost_once), Evidence()
    await admit(stage, ask(uuid7(), "lost"))
    timeout, bound = timedelta(seconds=0.8), timedelta(seconds=0.8)
    async with working(stage, desk, timeout=timeout, transport_bound=bound, record=evidence.record):
        await all_ended(stage)
    first, second = desk.tries
    assert (first.name, first.number, second.name, second.number) == ("lost", 1, "lost", 2)
    assert times[1] > first.deadline + bound.total_seconds(), "asked again while the first might still arrive"
    assert evidence.words == ["unknown", "absent-early", "absent", "ended"]
    assert not second.unsure


async def test_control_without_the_sleepers_fence_the_first_look_is_believed(
    stage: Database, without: Callable[[str], None]
) -> None:
    without("sleeper")

    async def lost_once(asked: Asked, this: Try) -> Sequence[Step]:
        if this.number == 1:
            raise OutcomeUnknown("the reply was lost")
        assert boottime() < desk.tries[0].deadline, "asked again while the first may still be sent"
        return [Tell(Echoed(n=this.number))]

    desk = Desk(lost_once)
    await admit(stage, ask(uuid7(), "lost"))
    async with working(stage, desk):
        await all_ended(stage)
    assert await echoes(stage) == [2]


async def test_two_inconclusive_looks_end_at_a_person(stage: Database) -> None:
    async def lost(asked: Asked, this: Try) -> Sequence[Step]:
        raise OutcomeUnknown("the reply was lost")

    desk = Desk(lost, _inconclusive)
    await admit(stage, ask(uuid7(), "lost"))
    async with working(stage, desk):
        await all_ended(stage, 15)
    assert desk.given_up == [("lost", True, "the agency does not answer")]
    assert (len(desk.tries), len(desk.looks)) == (1, 2)


async def test_a_transient_look_counts_as_no_look(stage: Database) -> None:
    looks = 0

    async def lost(asked: Asked, this: Try) -> Sequence[Step]:
        raise OutcomeUnknown("the reply was lost")

    async def busy(asked: Asked, this: Try) -> Sequence[Step]:
        nonlocal looks
        looks += 1
        if looks < 5:
            raise Transient("429", SOON)
        return [Tell(Echoed(n=1))]

    desk = Desk(lost, busy)
    await admit(stage, ask(uuid7(), "lost"))
    async with working(stage, desk):
        await all_ended(stage)
    assert looks == 5
    assert desk.given_up == []


async def test_absent_when_patience_has_ended_is_given_up_unreached(stage: Database) -> None:
    async def lost(asked: Asked, this: Try) -> Sequence[Step]:
        raise OutcomeUnknown("the reply was lost")

    desk = Desk(lost)
    await admit(stage, ask(uuid7(), "lost"), keep_trying=timedelta(milliseconds=1))
    async with working(stage, desk, timeout=timedelta(milliseconds=50), transport_bound=timedelta(0)):
        await all_ended(stage)
    assert [(name, reached) for name, reached, _ in desk.given_up] == [("lost", False)]
    assert len(desk.tries) == 1


async def test_an_exception_nobody_foresaw_is_an_unknown_outcome(stage: Database) -> None:
    async def stumbles(asked: Asked, this: Try) -> Sequence[Step]:
        raise ZeroDivisionError("a bug")

    async def found(asked: Asked, this: Try) -> Sequence[Step]:
        return [Tell(Echoed(n=asked.n, text="found"))]

    desk = Desk(stumbles, found)
    await admit(stage, ask(uuid7(), "bug"))
    async with working(stage, desk):
        await all_ended(stage)
    assert (len(desk.tries), len(desk.looks)) == (1, 1)


async def test_no_answer_before_the_deadline_is_an_unknown_outcome(stage: Database) -> None:
    gate, evidence = Gate(), Evidence()

    async def found(asked: Asked, this: Try) -> Sequence[Step]:
        return [Tell(Echoed(n=asked.n, text="found"))]

    desk = Desk(gate, found)
    await admit(stage, ask(uuid7(), "hangs"))
    async with working(stage, desk, timeout=timedelta(milliseconds=200), record=evidence.record):
        await all_ended(stage)
    assert [(t.outcome, t.error) for t in evidence.tried] == [
        ("unknown", "no answer before the deadline"),
        ("ended", ""),
    ]


async def test_a_call_that_cannot_even_be_given_up_stays_and_blocks_nobody(stage: Database) -> None:
    class Clumsy(Desk):
        def give_up(self, ask: Asked, this: Try, reached: bool, error: str) -> Sequence[Step]:
            raise KeyError("give_up has a bug")

    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        if asked.n == 0:
            raise Invalid("no such unit")
        return [Tell(Echoed(n=asked.n))]

    await admit(stage, ask(uuid7(), "clumsy", 0))
    async with working(stage, Clumsy(answer, _inconclusive), at_once=1):
        error = await eventually(lambda: stage.pool.fetchval("select error from log.call"), "the failure to be noted")
        assert "give_up has a bug" in error
        await admit(stage, ask(uuid7(), "next", 1))
        await eventually(lambda: stage.pool.fetchval("select count(*) = 1 from log.call"), "the next call to end")
    (left,) = await calls(stage)
    assert left["unsure"]


@pytest.mark.parametrize("what", ["the outcome", "the evidence"])
async def test_an_outcome_that_cannot_be_written_is_put_back_and_blocks_nobody(stage: Database, what: str) -> None:
    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        return [Tell(Echoed(n=asked.n, text="x" * 70_000 if asked.n == 0 and what == "the outcome" else ""))]

    async def record(tx: Any, tried: Sequence[Tried]) -> None:
        if what == "the evidence" and any(t.this.name == "bad" for t in tried):
            await tx.execute("select $1::int", 2**40)

    await admit(stage, ask(uuid7(), "bad", 0), *(ask(uuid7(), f"good:{n}", n) for n in range(1, 6)))
    async with working(stage, Desk(answer), record=record):
        await eventually(
            lambda: stage.pool.fetchval("select count(*) = 1 and bool_and(error is not null) from log.call"),
            "the others to end",
        )
    (left,) = await calls(stage)
    assert (left["name"], left["unsure"], left["owner"]) == ("bad", True, None)
    assert sorted(await echoes(stage)) == [1, 2, 3, 4, 5]


async def test_a_call_of_a_newer_release_is_left_to_it(stage: Database) -> None:
    await admit(stage, ask(uuid7(), "newer"), ask(uuid7(), "known", 1))
    await stage.pool.execute("update log.call set type = 'vn.hoso.test.asked.v9' where name = 'newer'")
    async with working(stage, Desk()):
        await eventually(lambda: stage.pool.fetchval("select count(*) = 1 from log.call"), "the known call to end")
    (left,) = await calls(stage)
    assert (left["name"], left["owner"], left["tries"]) == ("newer", None, 0)


# --- owners -----------------------------------------------------------------------------------------------------


async def test_a_dead_owners_call_becomes_unsure_and_is_looked_for_by_another(stage: Database) -> None:
    unit, gate, evidence = uuid7(), Gate(), Evidence()

    async def found(asked: Asked, this: Try) -> Sequence[Step]:
        return [Tell(Echoed(n=asked.n, text="found"))]

    sleeper, other = Desk(gate), Desk(look=found)
    await admit(stage, ask(unit, "slept", 1))
    async with working(stage, sleeper, record=evidence.record):
        await until(lambda: bool(sleeper.tries), "the call to begin")
        assert await forget_members(stage) == 1
        async with working(stage, other):
            await all_ended(stage)
        assert (other.tries, len(other.looks)) == ([], 1)
        gate.open.set()
        await until(lambda: bool(evidence.tried), "the late outcome to be noted")
    assert [f.text for f in await facts_of(stage, ECHOED)] == ["found"], "the first outcome wins"
    assert evidence.words == ["lost"]


async def test_a_late_failure_of_a_call_somebody_else_owns_puts_nothing_back(stage: Database) -> None:
    unit, gate, evidence = uuid7(), Gate(), Evidence()

    async def late(asked: Asked, this: Try) -> Sequence[Step]:
        await gate(asked, this)
        raise Transient("refused")

    sleeper, looking = Desk(late), Gate()
    other = Desk(look=looking)
    await admit(stage, ask(unit, "slept", 1))
    async with working(stage, sleeper, record=evidence.record):
        await until(lambda: bool(sleeper.tries), "the call to begin")
        await forget_members(stage)
        async with working(stage, other) as owner:
            await until(lambda: bool(other.looks), "the other to look")
            gate.open.set()
            await until(lambda: bool(evidence.tried), "the late outcome to be noted")
            (call,) = await calls(stage)
            assert call["owner"] == owner.member
            assert call["unsure"]
            looking.open.set()
            await all_ended(stage)
    assert evidence.words == ["lost"]


async def test_control_without_the_fence_a_late_outcome_doubles(
    stage: Database, without: Callable[[str], None]
) -> None:
    without("outcome")
    unit, gate, evidence = uuid7(), Gate(), Evidence()

    async def found(asked: Asked, this: Try) -> Sequence[Step]:
        return [Tell(Echoed(n=asked.n, text="found"))]

    sleeper = Desk(gate)
    await admit(stage, ask(unit, "slept", 1))
    async with working(stage, sleeper, record=evidence.record):
        await until(lambda: bool(sleeper.tries), "the call to begin")
        await forget_members(stage)
        async with working(stage, Desk(look=found)):
            await all_ended(stage)
        gate.open.set()
        await until(lambda: bool(evidence.tried), "the late outcome to be noted")
    assert await echoes(stage) == [1, 1]


async def test_the_sweep_leaves_the_calls_of_living_members(stage: Database) -> None:
    gate = Gate()
    desk = Desk(gate)
    await admit(stage, ask(uuid7(), "busy"))
    async with working(stage, desk):
        await until(lambda: bool(desk.tries), "the call to begin")
        async with stage.pool.acquire() as tx, tx.transaction():
            assert await sweep(tx) == 0
        gate.open.set()
        await all_ended(stage)


# --- sharing and weather ----------------------------------------------------------------------------------------


async def test_a_tenant_with_thousands_does_not_push_others_away(stage: Database) -> None:
    for start in range(0, 2000, 500):
        await admit(stage, *(ask(uuid7(), f"big:{n}") for n in range(start, start + 500)), tenant="big")
    await admit(stage, *(ask(uuid7(), f"small:{n}") for n in range(5)), tenant="small")
    gate = Gate()
    desk = Desk(gate)
    async with working(stage, desk, at_once=20):
        await until(lambda: len(desk.tries) == 20, "the room to be full")
        assert Counter(t.tenant for t in desk.tries)["small"] == 5
        await stage.pool.execute("delete from log.call where owner is null")
        gate.open.set()
        await all_ended(stage)


async def test_many_calls_overlap_and_no_transaction_is_open_meanwhile(stage: Database) -> None:
    gate = Gate()
    desk = Desk(gate)
    await admit(stage, *(ask(uuid7(), f"call:{n}") for n in range(200)))
    async with working(stage, desk, at_once=200):
        await until(lambda: desk.peak == 200, "200 calls to be on the network at once")
        for _ in range(20):
            assert await open_transactions(stage) == 0
        async with stage.pool.acquire() as tx, tx.transaction():
            await tx.execute("select 1")
            assert await open_transactions(stage) == 1, "this look can see one"
        gate.open.set()
        await all_ended(stage)
    assert len(await echoes(stage)) == 200


async def open_transactions(db: Database) -> int:
    """Sessions of this application that hold a transaction open and do nothing."""
    return int(
        await db.pool.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'test' "
            "and state like 'idle in transaction%'"
        )
    )


async def test_after_twenty_transient_failures_the_circuit_opens_and_patience_stands_still(stage: Database) -> None:
    weather = "bad"

    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        if weather == "bad":
            raise Transient("503", timedelta(milliseconds=50))
        return [Tell(Echoed(n=asked.n))]

    desk = Desk(answer)
    patience = timedelta(seconds=2)
    await admit(stage, *(ask(uuid7(), f"call:{n}", n) for n in range(40)), keep_trying=patience)
    async with working(stage, desk, keep_trying=patience) as worker:
        await until(lambda: worker.sample("hoso_lane_circuit_open") == 1, "the circuit to open")
        before = len(desk.tries)
        await eventually(
            lambda: stage.pool.fetchval("select min(asked_at) + interval '3.5 s' < now() from log.call"),
            "patience to be over",
        )
        assert len(desk.tries) - before <= 6, "one call a second probes"
        assert desk.given_up == []
        weather = "good"
        await until(lambda: worker.sample("hoso_lane_circuit_open") == 0, "the circuit to close")
        await all_ended(stage)
    assert desk.given_up == []
    assert sorted(await echoes(stage)) == list(range(40))


async def test_an_outage_longer_than_a_calls_patience_costs_it_nothing(stage: Database) -> None:
    """After the circuit has closed, one more failure must not find every call too old."""
    weather, others = ["bad"], [uuid7() for _ in range(25)]
    late = uuid7()  # the last of its batch, so another one closes the circuit
    failed_late: list[int] = []

    async def answer(asked: Asked, this: Try) -> Sequence[Step]:
        if weather == ["bad"]:
            raise Transient("503", timedelta(milliseconds=50))
        if this.subject == late and not failed_late:
            failed_late.append(this.number)
            raise Transient("429", timedelta(milliseconds=50))
        return [Tell(Echoed(n=asked.n))]

    desk = Desk(answer)
    patience = timedelta(seconds=2)
    await admit(stage, *(ask(u, f"call:{u}") for u in others), ask(late, "late", 99), keep_trying=patience)
    async with working(stage, desk, keep_trying=patience) as worker:
        await until(lambda: worker.sample("hoso_lane_circuit_open") == 1, "the circuit to open")
        await eventually(
            lambda: stage.pool.fetchval("select min(asked_at) + interval '3.5 s' < now() from log.call"),
            "patience to be over",
        )
        weather[:] = ["good"]
        await all_ended(stage)
    assert failed_late, "the late call did fail once more"
    assert desk.given_up == []
    assert 99 in await echoes(stage)


async def test_a_due_call_waits_for_the_worlds_clock(stage: Database) -> None:
    clock, desk = WorldClock(), Desk()
    tomorrow = datetime.now(UTC) + timedelta(hours=25)
    await admit(stage, ask(uuid7(), "tomorrow", 1, tomorrow), ask(uuid7(), "today", 2))
    async with working(stage, desk, clock=clock) as worker:
        await eventually(lambda: stage.pool.fetchval("select count(*) = 1 from log.call"), "today's call to end")
        assert desk.names == ["today"]
        now = datetime.now(UTC)
        clock.set([Setting(now, now + timedelta(days=2), 1.0)])
        worker.woken.set()
        await all_ended(stage)
    assert desk.names == ["today", "tomorrow"]
    assert desk.tries[1].now >= tomorrow


async def test_an_ending_lane_writes_the_outcome_of_what_is_in_flight(stage: Database) -> None:
    gate = Gate()
    desk = Desk(gate)
    await admit(stage, ask(uuid7(), "last", 1), ask(uuid7(), "not any more", 2))
    async with working(stage, desk, at_once=1):
        await until(lambda: bool(desk.tries), "the call to begin")
        asyncio.get_running_loop().call_soon(gate.open.set)
    assert await echoes(stage) == [1]
    assert [(c["name"], c["owner"]) for c in await calls(stage)] == [("not any more", None)]


async def test_the_name_on_the_wire_is_the_calls_and_the_deadline_is_the_lanes(stage: Database) -> None:
    desk = Desk()
    before = boottime()
    await admit(stage, ask(uuid7(), "submit:1:1"), tenant="beta")
    async with working(stage, desk, timeout=timedelta(seconds=45)):
        await all_ended(stage)
    (this,) = desk.tries
    assert (this.name, this.tenant, this.number, this.unsure) == ("submit:1:1", "beta", 1, False)
    assert before + 44 < this.deadline <= boottime() + 45
