"""The long run, which is no part of `make test`: schemathesis with a key and without one, then our own fuzzer.

    python -m tests.fuzz.long --schemathesis .venv/fuzz/bin/schemathesis [--seconds 600] [--examples 8000]

It starts servers of its own, prints what came of it all, and ends with 1 where anything was found.
"""

# ruff: noqa: T201  It prints what it finds.

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.db import embedded
from app.web.errors_page import ENTRIES
from tests.fixtures.own_database import own_database
from tests.fuzz.target import ROOT, Target, running

IDS: Final = "{ images { nodes { id tags { id } } } teams { nodes { id } } users { nodes { id } } }"

OWN: Final = "{ viewer { user { id } apiKey { id } } }"


@contextmanager
def fresh() -> Iterator[Target]:
    """A server in a folder and a database that go when it ends."""
    with tempfile.TemporaryDirectory(prefix="pictor-fuzz-") as name, asyncio.Runner() as runner:
        folder = Path(name)
        folder.chmod(0o755)
        database = own_database(embedded.start(folder))
        try:
            with running(runner.run(database.__aenter__()), folder) as target:
                yield target
        finally:
            runner.run(database.__aexit__(None, None, None))
            embedded.stop(folder)


def schemathesis(command: Path, target: Target, seconds: int, *, with_key: bool) -> bool:
    """One run against the schema of the server; whether nothing was found."""
    print(f"\n== schemathesis, {seconds} s, {'with a key' if with_key else 'without a key'}")
    found, mine = target.ask(IDS)["data"], target.ask(OWN)["data"]["viewer"]
    mine |= {"team": found["teams"]["nodes"][0]}
    ids = {node["id"] for connection in found.values() for node in connection["nodes"]}
    with tempfile.TemporaryDirectory(prefix="pictor-fuzz-") as folder:
        tally = Path(folder) / "tally"
        environment = os.environ | {
            "SCHEMATHESIS_HOOKS": "hooks",
            "PYTHONPATH": str(Path(__file__).parent),
            "PICTOR_CODES": ",".join(map(str, ENTRIES)),
            "PICTOR_IDS": ",".join(sorted(ids)),
            "PICTOR_OWN": ",".join(one["id"] for one in mine.values()),
            "PICTOR_TALLY": str(tally),
        }
        ran = subprocess.run(
            [
                command.resolve(), "run", f"{target.address}/graphql", "--no-color", "--warnings", "off",
                *(("-H", f"X-API-Key: {target.key}") if with_key else ()),
                "--checks", "answers_as_documented", "--continue-on-failure", "--phases", "fuzzing",
                "--max-time", str(seconds), "--generation-database", "none", "--suppress-health-check", "all",
            ],
            env=environment, cwd=folder,
        )  # fmt: skip
        print("Answers and codes:", json.dumps(json.loads(tally.read_text()), indent=2))
    assert "errors" not in target.ask(OWN), "the run ended its own key"
    return ran.returncode == 0


def own(examples: int) -> bool:
    print(f"\n== our own fuzzer, {examples} examples a test")
    environment = os.environ | {"PICTOR_FUZZ_EXAMPLES": str(examples)}
    command = [sys.executable, "-m", "pytest", "tests/fuzz", "--hypothesis-profile=long", "-v"]
    shown = ["--durations=0", "--hypothesis-show-statistics"]
    return subprocess.run([*command, *shown], env=environment, cwd=ROOT).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schemathesis", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=600, help="of each run of schemathesis")
    parser.add_argument("--examples", type=int, default=8000, help="of each test of our own")
    asked = parser.parse_args()
    outcome = {}
    for with_key in (True, False):
        with fresh() as target:
            name = f"schemathesis {'with' if with_key else 'without'} a key"
            outcome[name] = schemathesis(
                asked.schemathesis, target, asked.seconds, with_key=with_key
            )
    outcome["our own fuzzer"] = own(asked.examples)
    print("\n== outcome")
    for name, well in outcome.items():
        print(f"{'nothing found' if well else 'FOUND SOMETHING':<16} {name}")
    return 0 if all(outcome.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
