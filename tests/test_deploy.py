"""What is deployed agrees with what is there: settings, files, versions. No engine runs here, so all is read."""

import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli import COMMANDS
from app.cli.serve import REQUESTS_SECONDS
from app.db.database import ROLES
from app.settings import Settings
from app.worker.supervisor import STOP_SECONDS

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OVERRIDES = sorted((ROOT / "deploy").glob("*.yml"))
OURS = ("server-a", "server-b", "worker", "migrate")
DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))


def services() -> list[tuple[str, dict[str, Any]]]:
    """Of the compose file and of what is put over it."""
    files = [COMPOSE, *(yaml.safe_load(path.read_text()) for path in OVERRIDES)]
    return [pair for one in files for pair in one["services"].items()]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_that_is_set_is_a_setting(name: str) -> None:
    names = {key for key in COMPOSE["services"][name]["environment"] if key.startswith("PICTOR_")}
    known = {f"PICTOR_{field.upper()}" for field in Settings.model_fields}
    assert names
    assert {key.removesuffix("_FILE") for key in names} <= known


def test_image_sets_settings_and_no_secret() -> None:
    set_in_image = set(re.findall(r"\bPICTOR_[A-Z_]+(?==)", DOCKERFILE))
    assert set_in_image == {"PICTOR_HOST", "PICTOR_DATA_DIR"}


def test_every_image_has_its_version() -> None:
    images = [service["image"] for _, service in services() if "image" in service]
    assert len(images) >= 8
    for image in images:
        assert re.search(r":[\w.\-]*\d[\w.\-]*(@sha256:[0-9a-f]{64})?$|:\$\{PICTOR_VERSION", image)
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    for base in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE):
        assert base == "${PYTHON_IMAGE}"


def test_what_the_image_copies_exists_and_reaches_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert {"app", "migrations", "pyproject.toml", "constraints.txt"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


def test_image_runs_as_nobody_in_particular_and_is_stopped_as_we_expect() -> None:
    last = INSTRUCTIONS.rsplit("FROM ", 1)[1]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", last, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["pictor"\]$', last, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .* CMD \[", last, re.MULTILINE)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_hold_no_more_than_they_need(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["command"][0] in COMMANDS
    grace = float(service["stop_grace_period"].removesuffix("s"))
    drain = float(service["environment"].get("PICTOR_DRAIN_SECONDS", 0))
    assert grace > drain + REQUESTS_SECONDS + STOP_SECONDS


def test_only_the_owner_s_url_migrates_and_only_mounted_secrets_are_read() -> None:
    for name, service in COMPOSE["services"].items():
        mounted = set(service.get("secrets", []))
        assert mounted <= set(COMPOSE["secrets"])
        paths = re.findall(r"/run/secrets/(\w+)", str(service.get("environment", "")))
        assert set(paths) <= mounted
        assert ("owner_database_url" in mounted) == (name == "migrate")


def test_secrets_are_made_once_and_for_their_reader_alone(tmp_path: Path) -> None:
    script = tmp_path / "secrets.sh"
    script.write_text((ROOT / "deploy" / "secrets.sh").read_text())
    subprocess.run(["sh", script], check=True, capture_output=True)
    folder = tmp_path / "secrets"
    made = {path.name: path.read_text() for path in folder.iterdir()}

    subprocess.run(["sh", script], check=True, capture_output=True)

    assert {path.name: path.read_text() for path in folder.iterdir()} == made
    assert set(made) == set(COMPOSE["secrets"])
    assert len(made["secret_key"]) >= 32
    assert made["server_password"] in made["server_database_url"]
    assert len({made[name] for name in made}) == len(made)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_database_is_made_with_the_roles_that_the_code_takes() -> None:
    script = (ROOT / "deploy" / "postgres" / "10-pictor.sh").read_text()
    assert re.findall(r"create role (\w+) nologin", script) == list(ROLES)
    assert script.count(f"in role {', '.join(ROLES)}") == 2
