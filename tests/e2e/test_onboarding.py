"""PAGE-B, before anything is filed: the organisation, who asks, the five steps, the name, the province, the signature (domain.md §2.2)."""

from __future__ import annotations

import json
import unicodedata
from uuid import uuid4

import pytest

from tests.e2e.looks import a_tax_code, eventually, key_file, own_profile, put_profile, refused_row, told
from tests.e2e.scene import Branch, Scene

STEPS = ("organisation", "declaration", "signature", "registration", "employees")


def placed(branch: Branch, org_unit: str, *left_out: str) -> Branch:
    """The row that only says which unit of the organisation it is about, and what is not known there."""
    fields = {key: value for key, value in branch.fields.items() if key not in left_out}
    return Branch(branch.tenant, {**fields, "org_unit": org_unit})


async def put(scene: Scene, tenant: str, *units: dict[str, str]) -> dict[str, object]:
    """Tell the organisation over HTTP."""
    status, said = await scene.http(tenant, "PUT", "/v1/org/units", {"units": list(units)})
    assert status == 200, said
    return dict(said)


# --- the organisation -------------------------------------------------------------------------------------------


@pytest.mark.statement("B1", "B6")
async def test_rows_are_filled_from_the_organisation_that_was_told_as_often_as_one_likes(scene: Scene) -> None:
    branch = scene.branch()
    head, shop = f"TCT-{uuid4().hex[:8]}", f"CH-{uuid4().hex[:8]}"
    known = ("name", "tax_code", "province", "address", "email", "phone")
    units = (
        {"id": head, "name": "Công ty TNHH Hoa Ban"},
        {"id": shop, "parent": head, **{key: branch.fields[key] for key in known}},
    )
    first, again = await put(scene, "demo", *units), await put(scene, "demo", *units)
    assert (first["added"], again["added"], again["unchanged"]) == (2, 0, 2)

    asked = await scene.ask(placed(branch, shop, *known))
    asked.fields["name"] = branch.name
    await scene.until(asked, "enrolled")
    [form] = await scene.documents(asked, "register")
    assert form.fields["TEN_DVI"] == branch.name
    assert form.fields["DIACHI_LHE"] == branch.fields["address"]

    moved = await put(scene, "demo", {**units[1], "address": "Số 5 đường Đổi"})
    assert moved["changed"] == 1
    _, tree = await scene.http("demo", "GET", "/v1/org/units?limit=1000")
    assert {unit["id"]: unit["parent"] for unit in tree["units"] if unit["id"] in (head, shop)} == {
        head: None,
        shop: head,
    }
    assert [unit["address"] for unit in tree["units"] if unit["id"] == shop] == ["Số 5 đường Đổi"]


@pytest.mark.statement("B6")
async def test_the_organisation_stays_a_tree_and_what_breaks_it_is_refused_alone(scene: Scene) -> None:
    mark = uuid4().hex[:8]
    top, low = f"A-{mark}", f"B-{mark}"
    said = await put(
        scene,
        "demo",
        {"id": top, "name": "Trên"},
        {"id": low, "parent": top, "name": "Dưới"},
        {"id": f"C-{mark}", "parent": f"khong-co-{mark}", "name": "Lạc"},
    )
    assert (said["added"], said["refused"]) == (2, 1)
    circle = await put(scene, "demo", {"id": top, "parent": low, "name": "Trên"})
    assert circle["refused"] == 1

    lost = scene.branch()
    errors = await refused_row(scene, placed(lost, f"C-{mark}", "name"))
    assert any(error["column"] == "org_unit" and error["cure"] for error in errors)
    assert scene.filings(lost) == []


@pytest.mark.statement("B6")
async def test_the_organisation_is_imported_from_a_file_on_the_command_line(scene: Scene) -> None:
    mark, folder = uuid4().hex[:8], scene.town.arena.world.folder
    key, file = folder / f"key-{mark}", folder / f"to-chuc-{mark}.csv"
    key.write_text(scene.town.arena.keys["demo"])
    key.chmod(0o600)
    file.write_text(f"id,parent,name\nG-{mark},,Tổng công ty\nH-{mark},G-{mark},Cửa hàng Một\n", "utf-8")
    url = scene.town.arena.up()["services"]["intake"]["http"]

    status, said = await scene.town.cli("org", "import", str(file), "--key-file", str(key), "--url", url)
    assert status == 0, said
    status, shown = await scene.town.cli("org", "show", "--key-file", str(key), "--url", url)
    assert status == 0
    assert f"G-{mark}  Tổng công ty\n  H-{mark}  Cửa hàng Một" in shown


# --- who asks ---------------------------------------------------------------------------------------------------


@pytest.mark.statement("B4")
async def test_who_asked_and_who_answered_stands_in_the_story_by_name(scene: Scene) -> None:
    status, made = await scene.http("demo", "POST", "/v1/keys", {"name": "ketoan-lan", "scopes": ["submit", "setup"]})
    assert status == 201, made
    branch = scene.branch("C01")
    as_lan = {"Authorization": f"Bearer {made['token']}", "Idempotency-Key": str(uuid4())}
    status, branch.said = await scene.http("demo", "POST", "/v1/enrolments", branch.fields, as_lan)
    assert status == 202
    branch.enrolment = branch.said["enrolment"]
    await scene.until(branch, "waiting-for-person", "provider")
    status, said = await scene.town.cli(
        "enrolment", "answer", branch.enrolment, "provider", "00040", "--actor", "chị Mai"
    )
    assert status == 0, said
    await scene.until(branch, "enrolled")

    _, found = await scene.http("demo", "GET", f"/v1/enrolments/{branch.enrolment}/timeline")
    who = [line["who"] for line in found["timeline"]]
    assert "key:ketoan-lan" in who
    assert any("chị Mai" in one for one in who)


@pytest.mark.statement("B4")
async def test_without_a_key_nothing_and_with_anothers_key_nothing_of_this_tenant_is_seen(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C01"))
    await scene.until(branch, "waiting-for-person", "provider")
    task = (await scene.task(branch))["task"]

    paths = (
        f"/v1/enrolments/{branch.enrolment}",
        f"/v1/enrolments/{branch.enrolment}/timeline",
        f"/v1/enrolments/{branch.enrolment}/checklist",
        f"/v1/enrolments/{branch.enrolment}/form.pdf",
        f"/v1/tasks/{task}",
    )
    for path in paths:
        assert (await scene.http("lang-gieng", "GET", path))[0] == 404, path
        assert (await scene.http("demo", "GET", path, headers={"Authorization": "Bearer hoso_nobody_x"}))[0] == 401, (
            path
        )
    body = {"answer": "provider", "value": "00040"}
    assert (await scene.http("lang-gieng", "POST", f"/v1/tasks/{task}/answer", body))[0] == 404
    assert (await scene.http("lang-gieng", "POST", f"/v1/enrolments/{branch.enrolment}/answers", body))[0] == 404
    assert scene.filings(branch) == ["register refused CE007"]
    _, others = await scene.http("lang-gieng", "GET", "/v1/enrolments?limit=500")
    assert branch.enrolment not in json.dumps(others)


# --- the five steps ---------------------------------------------------------------------------------------------


async def steps(scene: Scene, branch: Branch) -> tuple[dict[str, str], int]:
    """Step -> state, and per cent, over HTTP."""
    status, said = await scene.http(branch.tenant, "GET", f"/v1/enrolments/{branch.enrolment}/checklist")
    assert status == 200, said
    assert tuple(step["step"] for step in said["steps"]) == STEPS
    return {step["step"]: step["state"] for step in said["steps"]}, said["percent"]


@pytest.mark.statement("B5")
async def test_the_five_steps_of_a_unit_go_from_nothing_to_a_hundred_per_cent(scene: Scene) -> None:
    employer = a_tax_code()
    name = f"MST {employer}"
    branch = await scene.ask(scene.branch("M02", tax_code=employer))
    await scene.until(branch, "waiting-for-person", "no-profile")
    seen = [await steps(scene, branch)]
    assert seen[0][0] == {
        "organisation": "done",
        "declaration": "done",
        "signature": "waiting",
        "registration": "todo",
        "employees": "todo",
    }

    await put_profile(scene, "demo", name, await key_file(employer))
    await scene.answer(branch, "profile", name)
    await scene.until(branch, "awaiting-code")
    seen.append(await steps(scene, branch))
    assert (seen[1][0]["signature"], seen[1][0]["registration"]) == ("done", "doing")

    await scene.until(branch, "enrolled")
    assert await eventually(lambda: _whole(scene, branch))
    seen.append(await steps(scene, branch))
    assert set(seen[2][0].values()) == {"done"}
    percents = [percent for _, percent in seen]
    assert percents == sorted(set(percents))
    assert percents[-1] == 100

    status, said = await scene.town.cli("unit", "checklist", branch.unit_code, "--json")
    assert status == 0, said
    assert json.loads(said)["percent"] == 100


async def _whole(scene: Scene, branch: Branch) -> bool:
    return (await steps(scene, branch))[1] == 100


# --- what is declared -------------------------------------------------------------------------------------------


@pytest.mark.statement("B7")
async def test_the_name_is_filed_letter_by_letter_as_on_the_licence(scene: Scene) -> None:
    written = "CÔNG TY TNHH  Một thành viên “Bánh Mỳ” & Cộng sự <Quận 1> - Chi nhánh ĐÀ  NẴNG"
    branch = scene.branch(name=unicodedata.normalize("NFD", written))
    await scene.ask(branch)
    await scene.until(branch, "enrolled")

    [form] = await scene.documents(branch, "register")
    kept = unicodedata.normalize("NFC", " ".join(written.split()))
    assert " ".join(form.fields["TEN_DVI"].split()) == kept
    assert unicodedata.is_normalized("NFC", form.fields["TEN_DVI"])
    [filed] = scene.town.agency("select unit_name from filings where unit_code = ?", branch.unit_code)
    assert filed["unit_name"] == form.fields["TEN_DVI"]
    assert [error["column"] for error in await refused_row(scene, scene.branch(name=" "))] == ["name"]


@pytest.mark.statement("B8")
@pytest.mark.parametrize(
    ("written", "meant"),
    [("Bình Định", "Gia Lai"), ("15 (mới)", "Lào Cai"), ("15 (cũ)", "Lào Cai"), ("tp huế", "Huế"), ("26", "Phú Thọ")],
)
async def test_a_province_is_understood_by_its_new_and_old_name_and_code(
    scene: Scene, written: str, meant: str
) -> None:
    branch = await scene.ask(scene.branch(province=written))
    await scene.until(branch, "enrolled")
    [form] = await scene.documents(branch, "register")
    assert meant in form.fields["DIADIEM"]


@pytest.mark.statement("B8")
async def test_a_bare_code_that_means_two_provinces_is_asked_and_an_unknown_one_is_an_error(scene: Scene) -> None:
    [asked] = await refused_row(scene, scene.branch(province="15"))
    assert asked["column"] == "province"
    assert "Yên Bái" in asked["message"]
    assert "Lào Cai" in asked["message"]
    assert "15 (cũ)" in asked["cure"]
    [unknown] = await refused_row(scene, scene.branch(province="Sài Gòn Hạ"))
    assert unknown["column"] == "province"


# --- the signature ----------------------------------------------------------------------------------------------


@pytest.mark.statement("B10")
async def test_without_a_signature_nothing_is_signed_and_with_one_it_goes_on(scene: Scene) -> None:
    employer = a_tax_code()
    branch = await scene.ask(scene.branch(tax_code=employer))
    waiting = await scene.until(branch, "waiting-for-person", "no-profile")
    assert employer in waiting["message"]
    assert scene.filings(branch) == []

    folder = scene.town.arena.world.folder
    file, password = folder / f"{employer}.p12", folder / f"{employer}.txt"
    file.write_bytes(await key_file(employer))
    password.write_text("một mật khẩu")
    status, said = await scene.town.cli(
        "profile", "add", "demo", "Kế toán", "--pkcs12", str(file), "--password-file", str(password)
    )
    assert status == 0, said
    status, said = await scene.town.cli("profile", "list", "--tenant", "demo", "--json")
    [known] = [row for row in json.loads(said) if row["name"] == "Kế toán"]
    assert known["tax_codes"] == [employer]
    assert known["serial"]
    assert known["not_after"]
    await scene.answer(branch, "profile", "Kế toán")
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register accepted"]
    [signed] = scene.town.agency(
        "select c.serial, c.subject from filings f join certificates c on c.sha256 = f.certificate where f.unit_code = ?",
        branch.unit_code,
    )
    assert int(signed["serial"], 16) == int(known["serial"], 16)
    assert f"MST:{employer}" in signed["subject"]
    [form] = await scene.documents(branch, "register")
    assert form.fields["SERIAL"]
    assert form.fields["BEGIN"]
    assert form.fields["END"]
    assert await told(scene, branch, known["serial"])


@pytest.mark.statement("B10")
async def test_a_certificate_of_another_employer_is_refused_before_anything_is_signed(scene: Scene) -> None:
    name, _ = await own_profile(scene)
    branch = await scene.ask(scene.branch(profile=name))
    waiting = await scene.until(branch, "waiting-for-person", "signing")
    assert "HOSO-CERT-OTHER-EMPLOYER" in waiting["message"]
    assert scene.filings(branch) == []
    assert not await told(scene, branch, "Đã ký hồ sơ")

    right = next(p[0] for p in [*_profiles(scene)] if branch.fields["tax_code"][:10] in p[0])
    await scene.answer(branch, "profile", right)
    await scene.until(branch, "enrolled")
    assert scene.filings(branch) == ["register accepted"]


def _profiles(scene: Scene) -> list[tuple[str, str]]:
    tenant = scene.town.arena.tenants[0]
    return [(f"MST {code}", code) for code, _ in tenant.employers]
