"""What is written in one turn of the loop leaves in one piece, in its order, and nothing large is held back."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from app.web.corked import HELD_BYTES, Corked

HEAD, BODY = b"HTTP/1.1 200 OK\r\n\r\n", b'{"data":{}}'


class Noted(asyncio.Transport):
    """A transport that goes nowhere: `sent` has what each system call would have written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 80)})
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.sent.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
async def noted() -> Noted:
    return Noted()


async def test_a_head_and_its_body_leave_together(noted: Noted) -> None:
    corked = Corked(noted)
    corked.write(HEAD)
    corked.write(BODY)
    assert noted.sent == []
    await asyncio.sleep(0)
    assert noted.sent == [HEAD + BODY]
    corked.write(BODY)
    await asyncio.sleep(0)
    assert noted.sent == [HEAD + BODY, BODY]


async def test_much_is_not_held_back(noted: Noted) -> None:
    """Or a body that is made faster than the client takes it would pile up here."""
    corked, large = Corked(noted), b"x" * HELD_BYTES
    corked.write(HEAD)
    corked.write(large)
    assert noted.sent == [HEAD + large]
    corked.write(large + b"x")
    assert noted.sent == [HEAD + large, large + b"x"]
    await asyncio.sleep(0)
    assert len(noted.sent) == 2


async def test_what_was_written_leaves_before_the_end(noted: Noted) -> None:
    corked = Corked(noted)
    corked.write(HEAD)
    corked.close()
    assert noted.sent == [HEAD]
    assert corked.is_closing()
    await asyncio.sleep(0)
    assert noted.sent == [HEAD]


async def test_nothing_is_written_to_a_client_that_went(noted: Noted) -> None:
    corked = Corked(noted)
    corked.write(HEAD)
    noted.close()
    await asyncio.sleep(0)
    assert noted.sent == []


async def test_all_else_is_the_transport_itself(noted: Noted) -> None:
    assert Corked(noted).get_extra_info("peername") == ("192.0.2.1", 80)
