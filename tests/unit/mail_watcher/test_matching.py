"""Which attempt a mail belongs to: the rules one by one, and a code that never goes to another unit, in any order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from services.mail_watcher.matching import Expectation, Foreign, Match, Matched, NoCandidate, Several, match
from services.mail_watcher.readings import (
    FIRST_TIME,
    ActivationMail,
    ChangeResultMail,
    Keys,
    OtherMail,
    StopResultMail,
    Told,
    UnclearMail,
    UnitCodeResultMail,
)
from services.mail_watcher.secret import Secret

T0 = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
MAILBOX = UUID(int=1)
NAME, TAX, CONTACT = "Công ty TNHH Đại Phúc", "0101234567", "ketoan@daiphuc.example"


def minutes(n: float) -> datetime:
    return T0 + timedelta(minutes=n)


LATER = minutes(5)


def expectation(unit: int = 1, **other: object) -> Expectation:
    made = Expectation(
        tenant="t", unit=UUID(int=unit), enrolment=UUID(int=1000 + unit), dossier=uuid4(), attempt=1, kind="register",
        mailbox=MAILBOX, contact=CONTACT, own_contact=False, unit_code=f"TZ{unit:04}Z", unit_name=NAME, tax_code=TAX,
        number=None, since=T0,
    )  # fmt: skip
    return replace(made, **other)  # type: ignore[arg-type]


def activation(**keys: str | None) -> ActivationMail:
    return ActivationMail(Keys(**keys), Secret("7QK2M9XW4T"))


def stop(accepted: bool = True, **keys: str | None) -> StopResultMail:
    return StopResultMail(Keys(**keys), accepted, "Ngừng thành công")


def found(reading: Told, *among: Expectation, at: datetime = LATER, to: str = CONTACT) -> Match:
    return match(reading, (to,) if to else (), at, among)


def test_a_unit_code_leads_to_its_unit() -> None:
    one, two = expectation(1), expectation(2)
    assert found(activation(unit_code="TZ0002Z", unit_name=NAME), one, two) == Matched(two)


def test_the_kind_has_to_fit() -> None:
    assert found(stop(unit_code="TZ0001Z"), expectation(1)) == NoCandidate()
    assert found(activation(unit_code="TZ0001Z"), expectation(1, kind="stop")) == NoCandidate()


def test_an_unknown_unit_code_is_parked_even_when_the_name_fits() -> None:
    assert found(activation(unit_code="AB1111C", unit_name=NAME), expectation(1)) == NoCandidate()


def test_a_code_that_says_one_unit_and_a_name_that_says_another() -> None:
    one, two = expectation(1, unit_name="Chi nhánh Huế"), expectation(2, unit_name="Chi nhánh Vinh")
    assert isinstance(found(activation(unit_code="TZ0001Z", unit_name="Chi nhánh Vinh"), one, two), Several)
    assert isinstance(found(activation(unit_code="TZ0001Z", unit_name="Chi nhánh Vinh"), one), Several)
    assert isinstance(found(activation(unit_code="TZ0001Z", tax_code="0309999999"), one), Several)


def test_a_shortened_name_is_no_contradiction_unless_it_is_anothers() -> None:
    branch, parent = expectation(1, unit_name=NAME + " - Chi nhánh Huế"), expectation(2)
    mail = activation(unit_code="TZ0001Z", unit_name=NAME)
    assert found(mail, branch) == Matched(branch)
    assert isinstance(found(mail, branch, parent), Several)


def test_a_number_names_its_attempt() -> None:
    first = expectation(1, number="00001/2026/00101")
    second = expectation(1, attempt=2, since=minutes(3), number="00002/2026/00101")
    assert found(activation(unit_code="TZ0001Z", number="00001/2026/00101"), first, second) == Matched(first)
    assert found(stop(number="00002/2026/00101"), replace(first, kind="stop"), replace(second, kind="stop")) == Matched(
        replace(second, kind="stop")
    )


def test_a_number_not_known_yet_waits_unless_one_attempt_is_left() -> None:
    numbered, open_one = expectation(1, number="00001/2026/00101"), expectation(1, attempt=2, since=minutes(1))
    mail = activation(unit_code="TZ0001Z", number="00002/2026/00101")
    assert found(mail, numbered) == NoCandidate()
    assert found(mail, numbered, open_one) == Matched(open_one)
    assert found(mail, open_one, expectation(1, attempt=3, since=minutes(2))) == NoCandidate()


def test_a_number_of_one_unit_with_the_code_of_another() -> None:
    one, two = expectation(1, number="00001/2026/00101"), expectation(2)
    assert isinstance(found(activation(unit_code="TZ0002Z", number="00001/2026/00101"), one, two), Several)


def test_the_newest_attempt_filed_before_the_mail() -> None:
    first, second = expectation(1), expectation(1, attempt=2, since=minutes(10))
    mail = activation(unit_code="TZ0001Z")
    assert found(mail, first, second, at=minutes(5)) == Matched(first)
    assert found(mail, first, second, at=minutes(11)) == Matched(second)
    assert found(mail, first, second, at=minutes(-60)) == NoCandidate()
    assert found(mail, first, second, at=minutes(-1)) == Matched(first)  # within the skew of a server's clock


def test_another_delivery_address_is_a_contradiction() -> None:
    one = expectation(1)
    assert isinstance(found(activation(unit_code="TZ0001Z"), one, to="else@daiphuc.example"), Several)
    assert found(activation(unit_code="TZ0001Z"), one, to="") == Matched(one)


def test_an_own_address_decides_alone_and_nothing_may_contradict() -> None:
    one = expectation(1, contact="own+1@x.example", own_contact=True)
    two = expectation(2, contact="own+2@x.example", own_contact=True)
    assert found(activation(), one, two, to="own+2@x.example") == Matched(two)
    assert found(stop(), replace(one, kind="stop"), to="own+1@x.example") == Matched(replace(one, kind="stop"))
    assert isinstance(found(activation(unit_code="TZ0002Z"), one, two, to="own+1@x.example"), Several)
    assert isinstance(found(activation(unit_name="Công ty khác"), one, to="own+1@x.example"), Several)


def test_weak_keys_count_only_when_one_unit_ever_fitted() -> None:
    one, two = expectation(1), expectation(2, answered_at=minutes(-990), since=minutes(-1000))
    weak = activation(unit_name=NAME, tax_code=TAX)
    assert found(weak, one) == Matched(one)
    assert isinstance(found(weak, one, two), Several)
    assert found(weak, one, replace(two, unit_name="Công ty khác")) == Matched(one)
    assert found(activation(unit_name="công ty tnhh đại phúc."), one) == Matched(one)
    assert found(activation(unit_name="Ai đó"), one) == NoCandidate()


def test_a_mail_for_a_unit_without_a_code_contradicts_every_unit_that_has_one() -> None:
    coded, first = expectation(1), expectation(2, unit_code="")
    mail = activation(unit_code=FIRST_TIME, unit_name=NAME, tax_code=TAX)
    assert found(mail, coded) == NoCandidate()
    assert found(mail, coded, to="") == NoCandidate()
    assert found(mail, first) == Matched(first)
    assert found(mail, coded, first) == Matched(first)
    assert found(mail, replace(first, unit_code=FIRST_TIME)) == Matched(replace(first, unit_code=FIRST_TIME))
    assert isinstance(found(mail, first, expectation(3, unit_code="")), Several)
    own = expectation(4, contact="own+4@x.example", own_contact=True)
    assert isinstance(found(activation(unit_code=FIRST_TIME), own, to="own+4@x.example"), Several)
    assert found(activation(unit_code=FIRST_TIME), replace(own, unit_code=""), to="own+4@x.example") == Matched(
        replace(own, unit_code="")
    )
    numbered = expectation(1, number="00001/2026/00101")
    named = activation(unit_code=FIRST_TIME, number="00001/2026/00101")
    assert isinstance(found(named, numbered), Several)


def test_an_address_alone_is_never_enough() -> None:
    assert isinstance(found(activation(), expectation(1)), Several)
    assert isinstance(found(stop(), expectation(1, kind="stop")), Several)


def test_what_is_none_of_ours() -> None:
    assert match(OtherMail(), (), T0, [expectation(1)]) == Foreign()
    assert match(UnclearMail("x"), (), T0, [expectation(1)]) == Foreign()


# Fifty branches, one mailbox, one company name, one tax code: mails shuffled, doubled, late, and stop mails without
# a number.

BRANCHES = 50
World = tuple[list[Expectation], list[tuple[int, ActivationMail | StopResultMail, datetime]]]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Attempts of every branch, and mails about them: (whose it really is, what it says, when it came)."""
    waiting: list[Expectation] = []
    mails: list[tuple[int, ActivationMail | StopResultMail, datetime]] = []
    for unit in draw(st.lists(st.integers(1, BRANCHES), min_size=1, max_size=BRANCHES, unique=True)):
        attempts = draw(st.integers(1, 3))
        number = draw(st.booleans())
        for attempt in range(1, attempts + 1):
            since = minutes(draw(st.integers(0, 100)))
            kind = draw(st.sampled_from(["register", "stop"]))
            n = f"{unit * 10 + attempt:05}/2026/00101" if number else None
            waiting.append(expectation(unit, attempt=attempt, kind=kind, since=since, number=n))
            keys = draw(
                st.sampled_from(
                    [
                        Keys(f"TZ{unit:04}Z", NAME, None, None),
                        Keys(f"TZ{unit:04}Z", None, TAX, n),
                        Keys(None, NAME, None, n),
                        Keys(None, NAME, TAX, None),
                        Keys(FIRST_TIME, NAME, None, None),
                        Keys(None, None, None, None),
                    ]
                )
            )
            reading: ActivationMail | StopResultMail = (
                ActivationMail(keys, Secret(f"A{unit:08}B")) if kind == "register" else StopResultMail(keys, True, "")
            )
            late = since + timedelta(minutes=draw(st.integers(0, 300)))
            mails += [(unit, reading, late)] * draw(st.integers(0, 2))
    return waiting, draw(st.permutations(mails))


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_no_mail_ever_goes_to_another_unit(
    world: World,
) -> None:
    waiting, mails = world
    for unit, reading, at in mails:
        verdict = match(reading, (CONTACT,), at, waiting)
        kind = "register" if isinstance(reading, ActivationMail) else "stop"
        units = {e.unit for e in waiting if e.kind == kind}
        if isinstance(verdict, Matched):
            assert verdict.expectation.unit == UUID(int=unit)
            assert verdict.expectation.kind == kind
            assert reading.keys.unit_code != FIRST_TIME
        elif reading.keys.unit_code == f"TZ{unit:04}Z" and reading.keys.number is None:
            raise AssertionError(f"a mail with its unit's code was not matched: {verdict}")
        elif reading.keys.unit_code == FIRST_TIME:
            assert verdict == NoCandidate()
        elif reading.keys.number is None and reading.keys.unit_name and len(units) > 1:
            assert isinstance(verdict, Several)


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_the_order_of_the_candidates_does_not_matter(world: World) -> None:
    waiting, mails = world
    shuffled = waiting[::-1]
    for _, reading, at in mails[:20]:
        one, other = match(reading, (CONTACT,), at, waiting), match(reading, (CONTACT,), at, shuffled)
        assert type(one) is type(other)
        if isinstance(one, Matched) and isinstance(other, Matched):
            assert one.expectation.unit == other.expectation.unit


# Results, and units that register for the first time.


def change(accepted: bool = True, **keys: str | None) -> ChangeResultMail:
    return ChangeResultMail(Keys(**keys), accepted, "")


def granted(code: str | None = "YN0001A", **keys: str | None) -> UnitCodeResultMail:
    return UnitCodeResultMail(Keys(FIRST_TIME, **keys), code is not None, code, "")


def first(unit: int = 1, **other: object) -> Expectation:
    return expectation(unit, **{"kind": "first_code", "unit_code": "", **other})  # type: ignore[arg-type]


def test_results_go_to_their_kind_of_dossier() -> None:
    changed, asked = expectation(1, kind="change"), first(2, unit_name="Chi nhánh Vinh")
    assert found(change(unit_code="TZ0001Z"), expectation(1), changed, expectation(1, kind="stop")) == Matched(changed)
    assert found(change(number="00001/2026/00101"), changed) == NoCandidate()
    numbered = replace(changed, number="00001/2026/00101")
    assert found(change(number="00001/2026/00101"), numbered) == Matched(numbered)
    assert found(granted(unit_name="Chi nhánh Vinh"), expectation(1), changed, asked) == Matched(asked)
    assert found(granted(unit_name="Chi nhánh Vinh"), expectation(2, unit_name="Chi nhánh Vinh")) == NoCandidate()
    assert found(change(unit_code="TZ0001Z"), expectation(1), expectation(1, kind="stop")) == NoCandidate()


def test_an_activation_mail_may_be_about_any_dossier_that_brings_one() -> None:
    registered, changed = expectation(1), expectation(1, kind="change", since=minutes(3))
    assert found(activation(unit_code="TZ0001Z"), registered, changed) == Matched(changed)
    assert found(activation(unit_code="TZ0001Z"), registered, changed, at=minutes(2)) == Matched(registered)
    asked = first(1, since=minutes(-5))
    assert found(activation(unit_code=FIRST_TIME, unit_name=NAME), asked, changed) == Matched(asked)


def test_first_time_units_of_one_name_come_one_after_the_other() -> None:
    mail = activation(unit_code=FIRST_TIME, unit_name=NAME)
    one, two = first(1), first(2, since=minutes(10))
    assert isinstance(found(mail, one, two, at=minutes(11)), Several)  # both wait: nobody guesses
    done = replace(one, answered_at=minutes(5))
    assert found(mail, done, two, at=minutes(11)) == Matched(two)
    assert found(mail, done, two, at=minutes(6)) == Matched(done)  # before the second was filed: a newer code
    assert isinstance(found(mail, replace(one, answered_at=minutes(10.5)), two, at=minutes(11)), Several)
    again = first(1, attempt=2, since=minutes(3), answered_at=minutes(5))
    assert found(mail, one, again, two, at=minutes(11)) == Matched(two)  # its later attempt had got the mail
    assert found(mail, first(1, since=T0 - timedelta(days=31)), two, at=minutes(11)) == Matched(two)
    assert isinstance(found(mail, first(1, since=T0 - timedelta(days=29)), two, at=minutes(11)), Several)
    assert found(mail, replace(two, contact="x@y.example"), one, at=minutes(11)) == Matched(one)


def test_a_unit_code_goes_to_the_one_who_has_none_yet() -> None:
    one, two, three = first(1), first(2, since=minutes(1)), first(3, since=minutes(2))
    assert isinstance(found(granted(unit_name=NAME), one, two), Several)
    given = replace(one, answered_at=minutes(3))
    assert found(granted(unit_name=NAME), given, two) == Matched(two)
    assert isinstance(found(granted(unit_name=NAME), given, two, three), Several)
    assert isinstance(found(granted(None, unit_name=NAME), given, two), Several)  # a refusal may be a copy
    assert isinstance(found(granted(unit_name=NAME), given, replace(two, answered_at=minutes(4))), Several)
    numbered = replace(three, number="00003/2026/00101")
    assert found(granted(None, unit_name=NAME, number="00003/2026/00101"), one, two, numbered) == Matched(numbered)
    assert isinstance(found(granted(), one), Several)
    named = replace(one, tax_code="0101234567-001")
    other = replace(two, tax_code="0101234567-002")
    assert found(granted(unit_name=NAME, tax_code="0101234567-002"), named, other) == Matched(other)


def test_an_own_address_needs_no_name_at_all() -> None:
    one = first(1, contact="own+1@x.example", own_contact=True)
    two = first(2, contact="own+2@x.example", own_contact=True)
    assert found(granted(), one, two, to="own+2@x.example") == Matched(two)
    assert found(activation(unit_code=FIRST_TIME), one, two, to="own+1@x.example") == Matched(one)
    assert found(granted(unit_name=NAME + " - Chi nhánh"), one, two, to="own+2@x.example") == Matched(two)


def test_a_first_time_mail_may_name_a_number_that_nobody_was_told_yet() -> None:
    """The gateway may stay silent until the officer's mail comes; a number that somebody has is his alone."""
    waiting = expectation(1, kind="first_code", unit_code="")
    numbered = expectation(2, kind="first_code", unit_code="", number="00002/2026/00101")
    keys = {"unit_code": FIRST_TIME, "unit_name": NAME, "number": "00001/2026/00101"}
    assert found(activation(**keys), waiting) == Matched(waiting)
    assert found(activation(**keys), waiting, numbered) == Matched(waiting)
    assert isinstance(found(activation(**keys), numbered), NoCandidate)
    assert isinstance(found(activation(**{**keys, "unit_code": None}), waiting), NoCandidate)
