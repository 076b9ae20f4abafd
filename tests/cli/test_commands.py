"""The commands as somebody finds them: by their help, and in no time."""

import subprocess
import sys
from pathlib import Path

import pytest

from app import cli

HEAVY = ("sqlalchemy", "strawberry", "numpy", "minio", "alembic")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_each_says_what_it_does(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith(f"usage: pictor {command} ")
    assert cli.COMMANDS[command] in said
    assert "--data-dir" in said


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["passwd"], ["passwd", "--nobody"]])
def test_what_is_asked_wrongly_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: pictor" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "name", "value", "said"),
    [
        (
            "migrate",
            "DATABASE_URL",
            "mysql://db.example.org/pictor",
            "it begins with postgresql://",
        ),
        ("doctor", "SECRET_KEY", "short", "a secret key has at least 32 characters"),
        ("reconcile", "SECRET_KEY", "short", "a secret key has at least 32 characters"),
        ("serve", "PUBLIC_URL", "pictures", "it is written https://pictures.example.org"),
    ],
)
def test_a_setting_that_cannot_be_used_ends_with_2(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    name: str,
    value: str,
    said: str,
) -> None:
    """A supervisor need not try again, and who reads the line knows which it is."""
    monkeypatch.setenv(f"PICTOR_{name}", value)
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--data-dir", str(tmp_path / "none")])
    assert ended.value.code == 2
    assert f"PICTOR_{name}: {said}" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_adopt_wants_to_know_what(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["adopt"])
    assert ended.value.code == 2
    assert "--store, --key" in capsys.readouterr().err


def test_the_list_of_commands_loads_none_of_them() -> None:
    look = "import sys\nfrom app import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    *listed, loaded = said.stdout.splitlines()
    assert all(any(command in line for line in listed) for command in cli.COMMANDS)
    assert not {one.partition(".")[0] for one in loaded.split()} & set(HEAVY)


@pytest.mark.parametrize("behind", [False, True])
def test_the_folder_is_said_before_or_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, behind: bool
) -> None:
    """A folder that cannot be made: nothing else is begun."""
    (tmp_path / "file").touch()
    said = ["--data-dir", str(tmp_path / "file" / "folder")]
    with pytest.raises(SystemExit) as ended:
        cli.main(["audit", "verify", *said] if behind else ["audit", *said, "verify"])
    assert ended.value.code == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "status"),
    [("reconcile", 2), ("verify", 2), ("audit verify", 2), ("migrate", 1), ("doctor", 1)],
)
def test_a_failure_does_not_pass_for_a_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, status: int
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.split(), "--data-dir", str(tmp_path / "file")])
    assert ended.value.code == status
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("command", "status"), [("verify", 2), ("migrate", 1)])
def test_a_fault_of_the_program_is_shown_whole_and_is_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, status: int
) -> None:
    """A damaged installation: a file of the program itself is gone."""
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(
        "import app.resources\n"
        "def open_anything(*_, **__): raise RuntimeError('no such part')\n"
        "app.resources.open_resources = app.resources.open_database = open_anything\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = [sys.executable, "-m", "app", command, "--data-dir", str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "Traceback" in done.stderr
    assert "RuntimeError: no such part" in done.stderr


def test_a_secret_that_is_not_there_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PICTOR_SECRET_KEY_FILE", "/no/such/secret")
    with pytest.raises(SystemExit) as ended:
        cli.main(["errors"])
    assert ended.value.code == 2
    assert "/no/such/secret" in capsys.readouterr().err
