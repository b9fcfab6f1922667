"""Kill and stop everything while enrolments run, then let a judge read the ledgers. `python -m tests.chaos --help`

Exit status 0: nothing lost, nothing filed twice, every service at work again within 10 s. 1: the judge is red; the folder
stays, and the units concerned are shown with their timelines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from tests.chaos.faults import POINTS
from tests.chaos.fences import MARKS
from tests.chaos.run import Plan, break_fence, chaos, say
from tests.chaos.scenarios import rehearse


def parser() -> argparse.ArgumentParser:
    make = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    how = make.add_mutually_exclusive_group()
    how.add_argument(
        "--long",
        action="store_true",
        help="300 enrolments, every point killed and stopped, 44 random blows (about 20 minutes)",
    )
    how.add_argument(
        "--short", action="store_true", help="70 enrolments, some points, some blows (about 90 seconds); the default"
    )
    how.add_argument(
        "--scenarios",
        action="store_true",
        help="every scenario of tests/e2e with a kill or a stop at a point in the middle (about 15 minutes)",
    )
    make.add_argument("--seed", type=int, default=1, metavar="N", help="chooses rows, order and blows (default 1)")
    make.add_argument(
        "--break",
        dest="fence",
        choices=MARKS,
        help="provoke a fence's situation with it and without it: green, then red",
    )
    make.add_argument(
        "--points", default="", metavar="A,B", help="only these points, each killed and stopped: " + ", ".join(POINTS)
    )
    make.add_argument("--enrolments", type=int, default=0, metavar="N", help="rows of the sheet")
    make.add_argument("--blows", type=int, default=0, metavar="N", help="random blows")
    make.add_argument("--count", type=int, default=0, metavar="N", help="with --scenarios: until so many were hurt")
    make.add_argument(
        "--only", default="", metavar="A,B", help="with --scenarios: only these, by the names of their tests"
    )
    make.add_argument("--keep", type=Path, metavar="DIR", help="the world's folder (default: a temporary one)")
    return make


def main() -> int:
    given = parser().parse_args()
    if given.fence:
        return 0 if asyncio.run(break_fence(given.fence, given.seed)) else 1
    if given.scenarios:
        return _scenarios(given)
    points = tuple(name.strip() for name in given.points.split(",") if name.strip())
    strange = sorted(set(points) - set(POINTS))
    if strange:
        parser().error(f"no such point: {', '.join(strange)}")
    result = asyncio.run(chaos(Plan(given.seed, given.long, given.enrolments, points, given.blows, given.keep)))
    for stage, count in result.stages.items():
        say(f"  {count:>4} {stage}")
    for fault in result.everything:
        say(f"FAULT: {fault}")
    say(json.dumps(result.data(), ensure_ascii=False))
    return 0 if result.clean else 1


def _scenarios(given: argparse.Namespace) -> int:
    names = tuple(name.strip() for name in given.only.split(",") if name.strip())
    outcome = asyncio.run(rehearse(given.seed, given.count, given.keep, names))
    for name in outcome.never:
        say(f"nobody came to a point in {name}")
    for fault in outcome.faults:
        say(f"FAULT: {fault}")
    say(json.dumps({"clean": outcome.clean, "played": len(outcome.played), "never": len(outcome.never)}))
    return 0 if outcome.clean else 1


if __name__ == "__main__":
    sys.exit(main())
