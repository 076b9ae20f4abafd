"""What a process writes to its log, at its most talkative."""

import logging
import subprocess
import sys

from app.cli.logs import FORMAT, REPEATED_SECONDS, OneLine, Repeats

SHAKE = """
import logging
from websockets.server import ServerProtocol
from app.cli.logs import configure

configure("debug")
logging.getLogger("app").debug("it talks")
# As uvicorn makes it for each WebSocket.
protocol = ServerProtocol(logger=logging.getLogger("uvicorn.error"))
protocol.receive_data(
    b"GET /graphql HTTP/1.1\\r\\nHost: localhost\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n"
    b"Authorization: Bearer canary\\r\\nCookie: __Host-pictor=canary\\r\\n\\r\\n"
)
(request,) = protocol.events_received()
assert request.headers["Authorization"] == "Bearer canary"
"""


def test_debug_tells_no_key_of_a_websocket() -> None:
    """A process of its own: the log is a whole process's."""
    ran = subprocess.run([sys.executable, "-c", SHAKE], capture_output=True, text=True, check=True)
    assert "it talks" in ran.stderr
    assert "canary" not in ran.stderr


def record(message: str, *args: object, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("app", level, "", 0, message, args, None)


def test_what_goes_on_for_an_hour_is_told_each_minute() -> None:
    now = 0.0
    repeats = Repeats(lambda: now)
    told = []
    for second in range(0, 3600, 2):
        now = float(second)
        if repeats.filter(one := record("the database is away: %s", "refused")):
            told.append(one.getMessage())
        # Others are told beside it.
        assert repeats.filter(record("job %d failed", second))
        assert repeats.filter(record("all is well", level=logging.INFO))
    assert len(told) == 3600 / REPEATED_SECONDS
    assert told[0] == "the database is away: refused"
    assert told[1] == "the database is away: refused (and 29 times more since it was last told)"


def test_a_message_is_one_line() -> None:
    line = OneLine(FORMAT).format(record("request failed: %s", "/a\n2026 ERROR app\x1b[2Jfake é"))
    assert line.endswith(r"request failed: /a\n2026 ERROR app\x1b[2Jfake é")
    assert line.isprintable()


def test_a_process_writes_so() -> None:
    talk = (
        "import logging; from app.cli.logs import configure; configure('info')\n"
        "for _ in range(5): logging.getLogger('app').warning('away:\\nfor %s', 'long')"
    )
    ran = subprocess.run([sys.executable, "-c", talk], capture_output=True, text=True, check=True)
    (line,) = ran.stderr.splitlines()
    assert line.endswith(r"WARNING app away:\nfor long")
