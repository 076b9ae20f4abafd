"""graphql-transport-ws spoken badly: messages of wrong shapes and in wrong orders, and frames that are no text."""

import contextlib
import json
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.fuzz import judge
from tests.fuzz.hostile import damaged, encoded, evil_words, values
from tests.fuzz.target import Target
from tests.fuzz.test_envelopes import OPERATIONS, exchanged

KINDS: Final = (
    "connection_init",
    "ping",
    "pong",
    "subscribe",
    "complete",
    "next",
    "connection_ack",
    "start",
    "",
)
CLOSE_CODES: Final = frozenset(
    {1000, 1002, 1003, 1007, 1009, 4400, 4401, 4403, 4406, 4408, 4409, 4429}
)
"""Whatever is wrong is the client's: never 1011."""
SENT: Final = ("connection_ack", "ping", "pong", "next", "error", "complete")
IDS: Final = ("1", "1", "2", "", "x" * 257, "é")


@st.composite
def messages(draw: st.DrawFn) -> str | bytes:
    message: dict[str, Any] = {"type": draw(st.sampled_from(("subscribe", "subscribe", *KINDS)))}
    if message["type"] in ("subscribe", "complete"):
        message["id"] = draw(st.sampled_from(IDS) | values)
    if message["type"] == "subscribe":
        message["payload"] = dict(draw(st.sampled_from(OPERATIONS)))
    for name in draw(st.lists(st.sampled_from(("type", "id", "payload", "x")), max_size=1)):
        message[name] = draw(values | evil_words)
    raw = encoded(message)
    match draw(st.sampled_from(("text", "text", "text", "text", "broken", "binary", "list"))):
        case "broken":
            return draw(damaged(raw)).decode(errors="replace")
        case "binary":
            return raw
        case "list":
            return encoded([message]).decode()
    return raw.decode()


def heard(socket: ClientConnection) -> None:
    """What the server says, until it is silent or closes."""
    with contextlib.suppress(TimeoutError):
        while True:
            message = judge.strict(socket.recv(timeout=0.05))
            assert message["type"] in SENT
            if message["type"] == "next":
                judge.body(message["payload"])
            elif message["type"] == "error":
                for one in message["payload"]:
                    judge.error(one)


@given(
    begun=st.booleans(),
    found=st.lists(messages(), min_size=1, max_size=4),
    protocol=st.sampled_from(("graphql-transport-ws", "graphql-transport-ws", "graphql-ws")),
)
def test_messages(target: Target, begun: bool, found: list[str | bytes], protocol: str) -> None:
    address = target.address.replace("http", "ws", 1) + "/graphql"
    with connect(address, subprotocols=[Subprotocol(protocol)]) as socket:
        try:
            if begun:
                payload = {"X-API-Key": target.key}
                socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            for one in found:
                socket.send(one)
            heard(socket)
        except ConnectionClosed:
            assert socket.close_code in CLOSE_CODES, (socket.close_code, socket.close_reason)


FRAME: Final = b"\x81\x9f\0\0\0\0" + b'{"type":"connection_init","x":1}'[:31]
HANDSHAKE: Final = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


@given(handshake=st.just(HANDSHAKE) | damaged(HANDSHAKE), frames=damaged(FRAME * 3))
def test_frames(target: Target, handshake: bytes, frames: bytes) -> None:
    """Broken below the protocol: lengths, masks, opcodes, half frames."""
    said = exchanged(target, [handshake, frames])
    assert b"HTTP/1.1 5" not in said, said[:500]
    assert b"\x03\xf3" not in said.partition(b"\r\n\r\n")[2][:4]  # the close code 1011
    target.alive()
