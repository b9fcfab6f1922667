"""compose.yaml and the Dockerfile: what the linters say, and what they cannot know."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.compose import RELAY, SERVICES
from compose.plan import FILE, NotGiven, Service, read
from hoso.settings import Settings
from tests.support.needs import absent

ROOT = Path(__file__).parents[3]
LINT = Path(__file__).parent / "lint"
GIVEN = {"HOSO_OPS_TOKEN": "t", "POSTGRES_PASSWORD": "p"}


def cached(name: str, lock: Path) -> Path:
    """Where scripts/test-tools.sh put a tool. A missing one skips here, and fails in CI."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hoso"
    found = cache / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not (found / "installed").exists():
        absent(f"{name} is not installed: run `bash scripts/test-tools.sh`")
    return found


def dclint(file: Path) -> tuple[int, str]:
    """The linter reads the file against the schema of the Compose specification first. Warnings are errors."""
    program = cached("dclint", LINT / "package-lock.json") / "node_modules" / ".bin" / "dclint"
    words = [str(program), "-c", str(ROOT / "compose" / ".dclintrc.yaml"), "--max-warnings", "0", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def hadolint(file: Path) -> tuple[int, str]:
    program = cached("hadolint", LINT / "hadolint.txt") / "bin" / "hadolint"
    done = subprocess.run([str(program), str(file)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_linter_has_nothing_to_say() -> None:
    status, said = dclint(FILE)
    assert status == 0, said


def test_the_linter_knows_the_schema(tmp_path: Path) -> None:
    spoilt = tmp_path / "compose.yaml"
    spoilt.write_text(FILE.read_text("utf-8").replace("read_only: true", "readonly: true", 1))
    status, said = dclint(spoilt)
    assert (status, "must NOT have additional properties" in said) == (1, True)


def test_the_linter_of_the_image_has_nothing_to_say() -> None:
    status, said = hadolint(ROOT / "compose" / "Dockerfile")
    assert status == 0, said


def test_the_linter_of_the_image_can_object(tmp_path: Path) -> None:
    spoilt = tmp_path / "Dockerfile"
    spoilt.write_text((ROOT / "compose" / "Dockerfile").read_text("utf-8").replace(":3.11-slim-bookworm", ""))
    assert hadolint(spoilt)[0] == 1


# --- what the linters cannot know -------------------------------------------------------------------------------

ALL = read(GIVEN)
OURS = [service for service in ALL.values() if service.kind == "hoso"]


def test_every_service_of_hoso_is_there_and_the_relay() -> None:
    run = {service.command[2] for service in OURS if service.command[:2] == ["hoso", "run"]}
    assert run == {*SERVICES, RELAY}


@pytest.mark.parametrize("service", OURS, ids=lambda service: service.name)
def test_a_container_of_ours_may_nothing_it_does_not_need(service: Service) -> None:
    told = service.told
    assert told["user"] == "10001:10001"
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert told["tmpfs"] == ["/tmp"]
    assert service.health or service.ends
    assert {name for name in service.environment if name.startswith("HOSO_")} <= {
        f"HOSO_{name.upper()}" for name in Settings.model_fields
    }


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in ALL.values() for port in service.told.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_prometheus_asks_where_the_services_answer() -> None:
    (job,) = yaml.safe_load((ROOT / "compose" / "prometheus" / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    asked = {one["labels"]["service"]: one["targets"][0] for one in job["static_configs"]}
    answering = {
        service.command[2]: f"{service.network}:{service.environment['HOSO_OPS'].rpartition(':')[2]}"
        for service in OURS
        if "HOSO_OPS" in service.environment
    }
    assert asked == answering
    assert len(set(asked.values())) == len(asked)


def test_every_volume_is_declared_and_used() -> None:
    told: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    used = {str(volume).partition(":")[0] for service in ALL.values() for volume in service.told.get("volumes", [])}
    assert {name for name in used if not name.startswith("./")} == set(told["volumes"])
    assert all((FILE.parent / name).exists() for name in used if name.startswith("./"))


def test_no_password_stands_in_the_file() -> None:
    for name in GIVEN:
        with pytest.raises(NotGiven, match=name):
            read({other: "x" for other in GIVEN if other != name})


def test_images_have_versions() -> None:
    tags = {str(service.told["image"]).rpartition(":")[2] for service in ALL.values()}
    assert "latest" not in tags
    assert all(re.search(r"\d|local", tag) for tag in tags)


def test_the_image_holds_every_package_and_nothing_else() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = re.findall(r"^COPY (\w+) \1$", (ROOT / "compose" / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert sorted(copied) == sorted(packages["packages"])
    let_in = re.findall(r"^!(\S+)$", (ROOT / "compose" / "Dockerfile.dockerignore").read_text("utf-8"), re.MULTILINE)
    assert sorted(let_in) == sorted([*copied, "requirements.lock"])
