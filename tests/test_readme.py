"""Runs every command of the README, in its order, as a newcomer would: `make run` first.

What a reader puts in themselves (address, key, database, bucket, model) is put in here; nothing else is changed.
"""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as Picture

from app.db import embedded
from tests.fixtures.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
START_SECONDS = 280
COMMAND_SECONDS = 120


class Shell:
    """A newcomer's terminal: a folder, an environment, and servers that are stopped at the end.

    `own`: the folder of the database that stands for theirs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "PICTOR"))
        }
        self.env = inherited | {"HF_HUB_OFFLINE": "1"}
        self.running: list[subprocess.Popen[str]] = []
        self.own: Path | None = None

    def run(self, command: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder or self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, command: str, until: str, folder: Path | None = None) -> str:
        """Starts a server and waits for its word; answers what it printed so far."""
        log = self.folder / f"{len(self.running)}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=folder or self.folder,
                env=self.env,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.running.append(process)
        deadline = time.monotonic() + START_SECONDS
        while until not in (said := log.read_text()):
            assert process.poll() is None, f"{command}\n{said}"
            assert time.monotonic() < deadline, f"{command}\n{said}"
            time.sleep(0.2)
        return said

    def stop(self) -> None:
        """Stops what was started last; it must end by itself, and well."""
        process = self.running.pop()
        process.terminate()
        assert process.wait(120) in (0, -15, 143, 2, 130)

    def close(self) -> None:
        for process in self.running:
            # With all that it started: what `make` runs outlives it.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if self.own is not None:
            embedded.stop(self.own)


@pytest.fixture
def shell() -> Iterator[Shell]:
    # Not tmp_path: PostgreSQL runs as a user of its own, who has to reach its folder.
    with tempfile.TemporaryDirectory(prefix="pictor-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shell = Shell(folder)
        Picture.linear_gradient("L").convert("RGB").save(folder / "photo.jpg")
        Picture.radial_gradient("L").convert("RGB").save(folder / "big.jpg")
        yield shell
        shell.close()


@pytest.fixture
def port() -> Iterator[int]:
    with free_port() as port:
        yield port


def test_a_newcomer_can_do_all_that_the_readme_says(shell: Shell, port: int, s3_url: str) -> None:
    seen = 0
    for command in COMMANDS:
        seen += 1
        if command == "make run\n":
            shell.env |= {"PORT": str(port), "DATA_DIR": str(shell.folder / "demo")}
            # A tenth of the gallery, for most of the time is the drawing and looking at it.
            shell.env |= {"PICTOR_DEMO_PICTURES": "30"}
            card = shell.start("make run", "Ctrl-C stops it", ROOT)
            key = re.findall(r"pic_\w+", card)[0]
        elif command == "make test\n":
            assert "pytest" in shell.run("make --dry-run test", ROOT)
        elif command.startswith("export PICTOR="):
            shell.env |= {"PICTOR": f"http://127.0.0.1:{port}", "KEY": key}
        elif command.startswith("ask()"):
            assert '"created":true' in shell.run(command)
        elif command.startswith("curl"):
            _curl(shell, command)
        elif command.startswith("export PICTOR_DATABASE_URL"):
            shell.stop()
            shell.env |= _own_services(command, shell, s3_url)
        else:
            _pictor(shell, command.replace(".venv/bin/", f"{ROOT}/.venv/bin/"))
    assert seen == README.count("```sh\n")


def _curl(shell: Shell, command: str) -> None:
    said = shell.run(command)
    if "cat.img" in command:
        with Picture.open(shell.folder / "cat.img") as picture:
            assert picture.width > 0
        return
    answer = json.loads(said)
    assert "errors" not in answer, said
    (found,) = answer["data"].values()
    assert found if not isinstance(found, dict) else any(found.values()), said


def _own_services(command: str, shell: Shell, s3_url: str) -> dict[str, str]:
    """The three settings with services that are there."""
    names = re.findall(r"export (\w+)=", command)
    shell.own = shell.folder / "own"
    url = embedded.start(shell.own).replace("postgresql+asyncpg", "postgresql")
    return dict(zip(names, [url, s3_url, str(ROOT / "app" / "builtin_model")], strict=True)) | {
        "PICTOR_DATA_DIR": str(shell.folder / "own-data")
    }


def _pictor(shell: Shell, command: str) -> None:
    if " serve" in command:
        with free_port() as port:
            shell.start(command.replace("8000", str(port)).strip(), "Pictor is serving")
            shell.stop()
    elif " worker" in command:
        shell.start(command.strip(), "The worker is running")
        shell.stop()
    else:
        said = shell.run(command)
        if "--json" in command:
            assert set(json.loads(said)) >= {"teamId", "userId", "apiKey"}
