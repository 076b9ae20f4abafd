"""What a process writes to its log, at its most talkative."""

import subprocess
import sys

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
