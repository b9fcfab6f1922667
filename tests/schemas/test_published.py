"""docs/schemas/ and docs/asyncapi.yaml: what `make docs` writes, true of the golden examples, and read by the AsyncAPI parser."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from schemas.envelope import Fact
from schemas.events import EnrolmentProgressed, EnrolUnit
from schemas.topics import TOPICS
from scripts.published import ALL, ASYNCAPI, EXAMPLES, FACTS, HEADERS, SCHEMAS, asyncapi, schema_of, schema_text
from tests.support.needs import absent

HERE = Path(__file__).parent / "asyncapi"


def example(fact: type[Fact]) -> Any:
    return json.loads((EXAMPLES / f"{fact.TYPE}.json").read_text("utf-8"))


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.TYPE)
def test_a_schema_is_what_make_docs_writes(fact: type[Fact]) -> None:
    assert (SCHEMAS / f"{fact.TYPE}.json").read_text("utf-8") == schema_text(fact), "run `make docs`"


def test_there_is_no_schema_of_anything_else() -> None:
    assert {file.stem for file in SCHEMAS.iterdir()} == {fact.TYPE for fact in FACTS}


def test_the_asyncapi_file_is_what_make_docs_writes() -> None:
    assert ASYNCAPI.read_text("utf-8") == asyncapi(), "run `make docs`"


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.TYPE)
def test_the_golden_example_is_of_its_schema_and_another_types_is_not(fact: type[Fact]) -> None:
    schema = schema_of(fact)
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(example(fact), schema, jsonschema.Draft7Validator)
    other = EnrolUnit if fact is not EnrolUnit else EnrolmentProgressed
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(example(other), schema, jsonschema.Draft7Validator)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"request": ""}, "non-empty"),
        ({"request": "x" * 201}, "long"),
        ({"fields": {"name": 7}}, "not of type"),
        ({"fields": {"name": "x" * 501}}, "long"),
        ({"fields": None}, "not of type"),
    ],
)
def test_a_producing_system_learns_from_the_schema_what_is_refused(wrong: dict[str, Any], word: str) -> None:
    sent = example(EnrolUnit)
    sent["data"] |= wrong
    with pytest.raises(jsonschema.ValidationError, match=word):
        jsonschema.validate(sent, schema_of(EnrolUnit), jsonschema.Draft7Validator)


def test_a_producing_system_need_not_know_what_hoso_makes_itself() -> None:
    sent = {"specversion": "1.0", "id": "7", "source": "erp", "type": EnrolUnit.TYPE}
    jsonschema.validate(
        {**sent, "data": {"request": "r", "fields": {}}}, schema_of(EnrolUnit), jsonschema.Draft7Validator
    )


def test_the_asyncapi_file_says_what_the_table_says() -> None:
    document = yaml.safe_load(asyncapi())
    for topic in TOPICS:
        channel = document["channels"][topic.name]
        assert channel["bindings"]["kafka"]["partitions"] == topic.partitions
        assert channel["tags"] == [{"name": "public" if topic.public else "internal"}]
        assert document["operations"][f"receive-{topic.name}"]["bindings"]["kafka"]["groupId"]["enum"] == list(
            topic.consumers
        )
    assert document["components"]["messageTraits"]["relayed"]["headers"]["required"] == list(HEADERS)
    assert "send-enrolment.requests.tenant" not in document["operations"]
    assert document["channels"]["enrolment.requests.tenant"]["address"] == "enrolment.requests.{tenant}"


# --- the parser of AsyncAPI itself ------------------------------------------------------------------------------


def parser() -> Path:
    """Where scripts/test-tools.sh put the AsyncAPI parser. A missing one skips here, and fails in CI."""
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hoso" / f"asyncapi-{lock}"
    if not shutil.which("node") or not (cache / "installed").exists():
        absent("the AsyncAPI parser is not installed: get node with npm, then run `bash scripts/test-tools.sh`")
    return cache


def parsed(file: Path, cache: Path) -> tuple[int, Any]:
    done = subprocess.run(
        ["node", str(HERE / "check.mjs"), str(file), str(cache)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_asyncapi_parser_reads_the_file_and_every_schema() -> None:
    status, told = parsed(ASYNCAPI, parser())
    assert [one for one in told["found"] if one["severity"] == 0] == []
    assert status == 0
    assert told["channels"] == [topic.name.replace("<tenant>", "{tenant}") for topic in ALL]
    assert set(told["messages"]) == {fact.TYPE for fact in FACTS}


def test_the_asyncapi_parser_does_refuse(tmp_path: Path) -> None:
    cache = parser()
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    broken = yaml.safe_load(asyncapi())
    del broken["operations"]["receive-agency.asked"]["action"]
    (tmp_path / "asyncapi.yaml").write_text(yaml.safe_dump(broken), "utf-8")
    status, told = parsed(tmp_path / "asyncapi.yaml", cache)
    assert status == 1
    assert [one for one in told["found"] if one["severity"] == 0]
