"""What the bucket promises beyond the contract: bounded failures, retries and connections."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from urllib3 import Timeout

from app.errors import AppError, ErrorCode
from app.storage import ByteStream, S3Storage, Storage, storage_from_url
from app.storage.connection import HttpPool
from app.storage.presigned import Signer
from app.storage.s3 import PART_SIZE, STALL_SECONDS, Hurried
from tests.fixtures.s3 import S3Server

KEYS = {"access_key": "key", "secret_key": "secret"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"first")
    return path


async def refusals(storage: Storage, source: Path) -> list[str]:
    """The messages of all operations, each of which must be UNAVAILABLE, and not wait for ever."""
    calls = (
        storage.put("t/a/b", source, size=5),
        storage.open("t/a/b"),
        storage.size("t/a/b"),
        storage.delete(["t/a/b"]),
        anext(storage.list("t/")),
        storage.check(),
    )
    messages = []
    for call in calls:
        with pytest.raises(AppError) as caught:
            await asyncio.wait_for(call, 120)
        assert caught.value.code is ErrorCode.UNAVAILABLE
        messages.append(caught.value.message)
    await storage.close()
    return messages


async def test_a_wrong_secret(s3_server: S3Server, source: Path, tmp_path: Path) -> None:
    storage = storage_from_url(s3_server.url(secret="wrong"), tmp_path)
    assert "SignatureDoesNotMatch" in (await refusals(storage, source))[0]


async def test_a_bucket_that_is_not_there(s3_url: str, source: Path, tmp_path: Path) -> None:
    storage = storage_from_url(s3_url.replace("@pictures", "@nowhere"), tmp_path)
    assert set(await refusals(storage, source)) == {"Storage is unavailable (NoSuchBucket)."}


async def test_a_server_that_is_down(source: Path, tmp_path: Path) -> None:
    server = S3Server(tmp_path / "buckets")
    storage = storage_from_url(server.url(), tmp_path)
    await storage.put("t/a/b", source, size=5)
    server.stop()
    await refusals(storage, source)


async def test_a_server_that_dies_in_the_middle_of_a_read(tmp_path: Path) -> None:
    server = S3Server(tmp_path / "buckets")
    storage = storage_from_url(server.url(), tmp_path)
    (tmp_path / "large").write_bytes(b"x" * 30_000_000)
    await storage.put("t/a/b", tmp_path / "large", size=30_000_000)
    stream = await storage.open("t/a/b")
    assert await anext(stream)
    server.process.kill()
    with pytest.raises(AppError) as caught:
        await drain(stream)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    server.stop()
    await storage.close()


async def drain(stream: ByteStream) -> None:
    async for _ in stream:
        pass


@contextmanager
def scripted(answers: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A server of one connection after the other: reads a request, sends the next answer, hangs up."""
    requests: list[bytes] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    requests.append(connection.recv(65536))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
        thread.join(5)


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def bucket(endpoint: str) -> S3Storage:
    return S3Storage("pictures", endpoint=endpoint, region="us-east-1", **KEYS)


async def test_a_busy_server_is_asked_three_times(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long it takes this machine to ask: how often is the matter here.
    monkeypatch.setattr("app.storage.refusals.RETRY_WINDOW_SECONDS", 3600)
    busy = answer("503 Service Unavailable", b"<Error><Code>SlowDown</Code></Error>")
    with scripted([busy, b"", answer("200 OK", b"", 'ETag: "x"')]) as (endpoint, requests):
        storage = bucket(endpoint)
        await storage.put("t/a/b", source, size=5)
        await storage.close()
    assert [line.split(b" ")[:2] for line in requests] == [[b"PUT", b"/pictures/t/a/b"]] * 3
    with scripted([busy] * 3) as (endpoint, requests):
        storage = bucket(endpoint)
        with pytest.raises(AppError, match="SlowDown"):
            await storage.put("t/a/b", source, size=5)
        await storage.close()
    assert len(requests) == 3


@pytest.mark.parametrize(
    "reply",
    [
        answer("200 OK", b"a proxy's page"),
        answer("200 OK", b"", "Content-Type: application/xml"),
        answer("400 Bad Request", b"\xff\xfe", "Content-Type: text/plain"),
        answer("404 Not Found", b"<broken", "Content-Type: application/xml"),
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
async def test_a_server_that_is_none(reply: bytes) -> None:
    with scripted([reply] * 3) as (endpoint, requests):
        storage = bucket(endpoint)
        with pytest.raises(AppError) as caught:
            await anext(storage.list("t/"))
        for _ in range(3 - len(requests)):
            socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2]))).close()
        await storage.close()
    assert caught.value.code is ErrorCode.UNAVAILABLE


class Forgetful(BaseHTTPRequestHandler):
    """Takes parts, and refuses the first completions, with status 200, as S3 does."""

    protocol_version = "HTTP/1.1"
    refused: ClassVar[int]
    is_complete: ClassVar[bool] = False

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.endswith("?uploads="):
            self._send(
                b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            )
        elif type(self).refused > 0:
            type(self).refused -= 1
            self._send(b"<Error><Code>InternalError</Code><Message>Try again.</Message></Error>")
        else:
            type(self).is_complete = True
            self._send(
                b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"
            )

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._send(b"")

    def do_HEAD(self) -> None:
        """The bucket is there, and nothing in it."""
        self._send(b"", 200 if self.path.rstrip("/") == "/pictures" else 404)

    def log_message(self, *_: object) -> None: ...

    def _send(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"x"')
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize("refused", [1, 3])
async def test_a_completion_that_fails_with_200(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    monkeypatch.setattr("app.storage.refusals.RETRY_WINDOW_SECONDS", 3600)
    source = tmp_path / "large"
    source.write_bytes(bytes(PART_SIZE + 1))
    handler = type("Handler", (Forgetful,), {"refused": refused})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        storage = bucket(f"http://127.0.0.1:{server.server_port}")
        putting = storage.put("t/a/b", source, size=PART_SIZE + 1)
        if refused == 1:
            await putting
        else:
            with pytest.raises(AppError, match="NotStored") as caught:
                await putting
            assert caught.value.code is ErrorCode.UNAVAILABLE
        assert handler.refused == 0
        assert handler.is_complete == (refused == 1)
        await storage.close()
        server.shutdown()


async def test_a_server_that_ignores_ranges() -> None:
    with scripted([answer("200 OK", b"0123456789")]) as (endpoint, _):
        storage = bucket(endpoint)
        with pytest.raises(AppError, match="NoRanges"):
            await storage.open("t/a/b", 2, 3)
        await storage.close()


async def test_a_silent_server_costs_one_wait(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.s3.STALL_SECONDS", 0.5)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        storage = bucket(f"http://127.0.0.1:{listener.getsockname()[1]}")
        calls = (storage.put("t/a/b", source, size=5), storage.size("t/a/b"))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert connections(listener) == len(calls), "none is tried again"
        await storage.close()
    assert [str(one) for one in answers] == ["Storage is unavailable (Timeout)."] * 2


def connections(listener: socket.socket) -> int:
    """How many were made to a server that takes none."""
    listener.setblocking(False)
    count = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


def test_a_slow_upload_is_no_silence() -> None:
    """6 MB that a server takes 1.5 s to read pass through a pool that connects within 0.3 s."""
    body, received = b"x" * 6_000_000, 0
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            nonlocal received
            connection, _ = listener.accept()
            with connection:
                while received < len(body):
                    received += len(connection.recv(100_000))
                    time.sleep(0.025)
                connection.sendall(answer("200 OK"))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        timeout = Timeout(connect=0.3, read=STALL_SECONDS)
        pool = HttpPool("127.0.0.1", listener.getsockname()[1], timeout=timeout, retries=False)
        assert pool.urlopen("PUT", "/", body=body).status == 200
        pool.close()
        thread.join(5)


def test_a_signature_is_the_one_that_aws_shows() -> None:
    """The example of "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)"."""
    signer = Signer(
        endpoint="https://examplebucket.s3.amazonaws.com",
        bucket="examplebucket",
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
    )
    now = datetime(2013, 5, 24, tzinfo=UTC)

    query = signer.query("GET", "/test.txt", {}, timedelta(days=1), now)

    assert query == (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    assert "wJalr" not in repr(signer)


def test_a_put_that_takes_too_long_gives_up(source: Path) -> None:
    with Hurried(source.open("rb", buffering=0), time.monotonic() + 60) as file:
        assert file.read(2) == b"fi"
    with (
        Hurried(source.open("rb", buffering=0), time.monotonic()) as file,
        pytest.raises(TimeoutError),
    ):
        file.read(2)


async def test_uploads_that_never_ended_are_aborted(s3_url: str, tmp_path: Path) -> None:
    storage = storage_from_url(s3_url, tmp_path)
    assert isinstance(storage, S3Storage)
    storage._client._create_multipart_upload(storage.bucket, "t/never/ended", {})
    assert await storage.sweep("t/", timedelta(hours=1)) == 0
    assert await storage.sweep("t/", timedelta(0), dry_run=True) == 1
    assert await storage.sweep("t/", timedelta(0)) == 1
    assert await storage.sweep("t/", timedelta(0)) == 0
    await storage.close()


async def test_uploads_of_others_in_the_bucket_are_left_alone(s3_url: str, tmp_path: Path) -> None:
    storage = storage_from_url(s3_url, tmp_path)
    assert isinstance(storage, S3Storage)
    for key in ("backups/night.tar", "t2/a", "not-a-key"):
        storage._client._create_multipart_upload(storage.bucket, key, {})
    assert await storage.sweep("t/", timedelta(0), dry_run=True) == 0
    assert await storage.sweep("t/", timedelta(0)) == 0
    await storage.close()
