"""What settings may say; and that what they may not say stops the start, by its name, and not the first request."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from app import cli
from app.settings import Settings

CANARY = "canary" * 6


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "10.0.0.1, 10.0.0.0/99"),
        ("CORS_ORIGINS", "https://app.example.org/"),
        ("CORS_ORIGINS", "https://App.example.org"),
        ("CORS_ORIGINS", "app.example.org"),
        ("PUBLIC_URL", "pictures.example.org"),
        ("PUBLIC_URL", "https://pictures.example.org?x=1"),
        ("TRASH_RETENTION_DAYS", "99999999"),
        ("PURGE_RETENTION_DAYS", "99999999"),
        ("API_KEY_LIFETIME_DAYS", "99999999"),
        ("SESSION_LIFETIME_SECONDS", "99999999999999"),
        ("SESSION_IDLE_SECONDS", "99999999999999"),
        ("RECONCILE_HOURS", "inf"),
        ("RECONCILE_HOURS", "nan"),
        ("OPERATION_TIMEOUT_SECONDS", "inf"),
        ("MAX_UPLOAD_BYTES", str(2**31)),
        ("SECRET_KEY", "\udcff" * 40),
        ("SECRET_KEY", "short"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"PICTOR_{name}", text)
    with pytest.raises(SystemExit) as ended:
        cli.main(["errors"])
    assert ended.value.code == 2
    assert f"PICTOR_{name}: " in capsys.readouterr().err


def test_what_is_right_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTOR_TRUSTED_PROXIES", "10.0.0.1, 172.31.77.5/24,::1,2001:db8::/32")
    monkeypatch.setenv(
        "PICTOR_CORS_ORIGINS", "https://app.example.org:8443,http://[::1]:3000,moz-extension://a-1"
    )
    monkeypatch.setenv("PICTOR_PUBLIC_URL", "https://Pictures.example.org/library/")
    settings = Settings()
    assert settings.trusted_proxies[1] == "172.31.77.5/24"
    assert settings.cors_origins[2] == "moz-extension://a-1"
    assert settings.public_url == "https://Pictures.example.org/library/"
    assert Settings(cors_origins=("*",)).cors_origins == ("*",)


@pytest.mark.parametrize(
    "name", ["trash_retention_days", "purge_retention_days", "api_key_lifetime_days"]
)
def test_the_longest_that_is_taken_is_a_date(name: str) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({name: 36_501})
    settings = Settings.model_validate({name: 36_500})
    for kept in (settings.trash_retention, settings.purge_retention):
        assert datetime.now(UTC) - kept < datetime.now(UTC) + kept


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_secret_s_file_that_says_nothing_is_not_taken_for_unset(
    content: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "database_url"
    path.write_bytes(content)
    monkeypatch.setenv("PICTOR_DATABASE_URL_FILE", str(path))
    with pytest.raises(SystemExit) as ended:
        cli.main(["errors"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"PICTOR_DATABASE_URL_FILE: {path}: it is " in said


def test_an_empty_variable_does_not_hide_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compose file that passes on what nobody set: `PICTOR_SECRET_KEY: ${PICTOR_SECRET_KEY:-}`."""
    path = tmp_path / "secret_key"
    path.write_text(CANARY)
    monkeypatch.setenv("PICTOR_SECRET_KEY", "")
    monkeypatch.setenv("PICTOR_SECRET_KEY_FILE", str(path))
    assert Settings().signing_key == CANARY.encode()


def test_a_name_that_no_setting_has_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PICTOR_STORGE_URL", f"s3://key:{CANARY}@bucket")
    monkeypatch.setenv("PICTOR_SECRET_KEY_FLE", CANARY)
    monkeypatch.setenv("PICTOR_QWERTZUIOP", CANARY)
    with pytest.raises(SystemExit) as ended:
        cli.main(["errors"])
    assert ended.value.code == 0
    said = capsys.readouterr().err
    assert "no setting PICTOR_STORGE_URL; is PICTOR_STORAGE_URL meant?" in said
    assert "no setting PICTOR_SECRET_KEY_FLE; is PICTOR_SECRET_KEY_FILE meant?" in said
    assert "no setting PICTOR_QWERTZUIOP\n" in said
    assert CANARY not in said


def test_nobody_who_reads_is_no_failure_to_talk_of() -> None:
    """`pictor schema | head -1`, where the reader is gone before the first word."""
    run = [sys.executable, "-m", "app", "schema"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
