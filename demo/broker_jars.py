"""The jars of Apache Kafka, fetched by Maven once for all projects and processes of a user."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from hoso.runtime.failures import HosoError

VERSION = "4.4.0"
RECIPE = Path(__file__).parent / "kafka"


class CannotStart(HosoError):
    """The message is one sentence for people."""


def folder_of_jars() -> Path:
    """Where the jars are kept, for all projects and processes of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hoso" / f"kafka-{VERSION}"


def missing() -> str:
    """What this machine lacks for a broker, as a sentence; empty when nothing does."""
    needed = {"java": "default-jre-headless"} | ({} if folder_of_jars().is_dir() else {"mvn": "maven"})
    lacks = [program for program in needed if shutil.which(program) is None]
    if not lacks:
        return ""
    packages = " ".join(needed[program] for program in lacks)
    return f"Kafka needs {' and '.join(lacks)}: apt-get install --no-install-recommends {packages}"


def fetch_jars() -> Path:
    """The folder of the jars, fetched when it is not there; whoever comes second waits for the first. Raises CannotStart."""
    folder = folder_of_jars()
    if folder.is_dir():
        return folder
    if sentence := missing():
        raise CannotStart(sentence)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as part:
            words = ["mvn", "-B", "-q", "-ntp", "-C", "-f", str(RECIPE / "pom.xml"), "dependency:copy-dependencies"]
            words += ["-DincludeScope=runtime", f"-DoutputDirectory={part}/jars"]
            done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
            if done.returncode or not list(Path(part).glob(f"jars/kafka_*-{VERSION}.jar")):
                said = "; ".join((done.stdout + done.stderr).strip().splitlines()[:3])
                raise CannotStart(f"Maven could not fetch Kafka {VERSION}: {said or 'it said nothing'}")
            (Path(part) / "jars").rename(folder)
    return folder
