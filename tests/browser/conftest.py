"""A server process with its own database, pages of other origins, and a Chromium that reaches nothing else.

Fixtures here are synchronous, as Playwright's plain interface is; one browser and one server serve the whole run.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).parents[2]
EMAIL = "ada@example.org"
PASSWORD = "correct horse battery"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No name but these has an address: what would leave the machine fails, and is seen below.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
SECONDS = 30
STOP_SECONDS = 120
"""A server ends its requests, its worker and, if it is the last, its PostgreSQL."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class Site:
    """Where the server is, who may come in, and which pages of other origins there are."""

    address: str
    open_address: str
    key: str
    friend: str
    stranger: str


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """Two processes on one installation: one names the origin of `friend`, the other lets any origin in."""
    with tempfile.TemporaryDirectory(prefix="pictor-browser-") as folder:
        Path(folder).chmod(0o755)
        environment = {
            **{name: one for name, one in os.environ.items() if not name.startswith("PICTOR_")},
            "PICTOR_DATA_DIR": folder,
            "PICTOR_LOG_LEVEL": "error",
        }
        boot = run("bootstrap", "--team", "Ada's", "--email", EMAIL, "--json", env=environment)
        run("passwd", "--email", EMAIL, "--password", PASSWORD, env=environment)
        with (
            blank_pages() as friend,
            blank_pages() as stranger,
            serving(environment | {"PICTOR_CORS_ORIGINS": friend}) as address,
            serving(environment | {"PICTOR_CORS_ORIGINS": "*", "PICTOR_WORKER": "0"}) as anybody,
        ):
            yield Site(address, anybody, json.loads(boot)["apiKey"], friend, stranger)


def run(*command: str, env: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-m", "app", *command],
        env=env, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120,
    ).stdout  # fmt: skip


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[str]:
    """The address of a server process; its end is waited for."""
    command = [sys.executable, "-m", "app", "serve", "--port", "0"]
    server = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
    finally:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        finally:
            server.kill()
            server.communicate()


class Blank(BaseHTTPRequestHandler):
    """An empty page at every path."""

    def do_GET(self) -> None:
        page = b"<!doctype html><title>blank</title><link rel=icon href=data:,>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def blank_pages() -> Iterator[str]:
    """The origin of a server of blank pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser(site: Site) -> Iterator[Browser]:
    """Begins after the server, whose set-up needs no event loop of Playwright's around it."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "Chromium is missing: install it, or name it in CHROMIUM (see `make test-browser`)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has never been anywhere."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(SECONDS * 1000)
    yield context
    context.close()


@pytest.fixture
def page(site: Site, context: BrowserContext) -> Iterator[Page]:
    """A page that asks nobody but the server, and says nothing in the console: looked at when the test is over."""
    page = context.new_page()
    complaints: list[str] = []
    home = urlsplit(site.address).netloc

    def stays_home(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != home:
            complaints.append(f"left home: {url}")

    page.on("request", lambda request: stays_home(request.url))
    page.on("websocket", lambda socket: stays_home(socket.url))
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    page.on(
        "console",
        lambda said: (
            complaints.append(f"console {said.type}: {said.text} {said.location}")
            if said.type in ("error", "warning")
            else None
        ),
    )
    yield page
    assert complaints == []


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where screenshots go: a folder that git does not see, or SHOTS."""
    folder = Path(os.environ.get("SHOTS", ROOT / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
