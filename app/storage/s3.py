"""Objects in a bucket of an S3-compatible server, through minio's client. What the server refuses is in refusals."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from minio import Minio
from minio.datatypes import ListMultipartUploadsResult, Object
from urllib3 import BaseHTTPResponse, PoolManager, Timeout

from app.storage import refusals
from app.storage.connection import HttpPool, HttpsPool
from app.storage.presigned import PresignedPut, Signer
from app.storage.protocol import (
    PUT_SECONDS,
    ObjectMissing,
    StoredObject,
    checked_key,
    checked_prefix,
    checked_range,
    checked_size,
    is_key,
)
from app.storage.refusals import Refusal
from app.storage.stream import ByteStream, Threads

THREADS: Final = 16
CONNECT_SECONDS: Final = 2.0
STALL_SECONDS: Final = 4.0
"""Longest silence of the server, within 5 s with the retries; S3 answers in a fraction of one."""
PART_SIZE: Final = 8 * 1024 * 1024
"""Bytes held in memory by one upload; larger objects go up in parts and appear whole at the end."""
PAGE: Final = 1000


class S3Storage:
    """A Storage in `bucket`, which exists. `endpoint` is `http(s)://host[:port]`.

    `clients_endpoint`: the same server as clients reach it; None where they do not.
    """

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str,
        access_key: str,
        secret_key: str,
        region: str,
        clients_endpoint: str | None = None,
    ) -> None:
        address = urlsplit(endpoint)
        self.bucket = bucket
        self.endpoint = endpoint
        self._signer = (
            Signer(clients_endpoint, bucket, access_key, secret_key, region)
            if clients_endpoint
            else None
        )
        self._threads = Threads(THREADS, "s3-storage")
        self._connections = PoolManager(
            timeout=Timeout(connect=CONNECT_SECONDS, read=STALL_SECONDS),
            retries=False,
            maxsize=THREADS,
        )
        self._connections.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}
        self._client = Minio(
            address.netloc,
            access_key,
            secret_key,
            secure=address.scheme == "https",
            region=region,
            http_client=self._connections,
        )

    async def put(self, key: str, source: Path, *, size: int) -> None:
        await self._threads.run(self._put, checked_key(key), source, size)

    def presigned_put(self, key: str, *, size: int, lifetime: timedelta) -> PresignedPut | None:
        """The signature holds for these bytes' number and type; and S3 refuses `x-amz-` headers that are not signed."""
        if self._signer is None:
            return None
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        now = datetime.now(UTC)
        return self._signer.put(checked_key(key), headers, lifetime=lifetime, now=now)

    async def open(self, key: str, start: int = 0, length: int | None = None) -> ByteStream:
        checked_range(start, length)
        return await self._threads.stream(self._open, checked_key(key), start, length)

    async def size(self, key: str) -> int | None:
        return await self._threads.run(self._size, checked_key(key))

    async def delete(self, keys: Iterable[str]) -> None:
        await asyncio.gather(*(self._threads.run(self._delete, checked_key(key)) for key in keys))

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        found = self._client.list_objects(self.bucket, checked_prefix(prefix), recursive=True)
        while page := await self._threads.run(_page, found):
            for one in page:
                yield one

    async def sweep(self, prefix: str, older_than: timedelta, *, dry_run: bool = False) -> int:
        begun_before = datetime.now(UTC) - older_than
        return await self._threads.run(self._sweep, checked_prefix(prefix), begun_before, dry_run)

    async def check(self) -> None:
        await self._threads.run(self._check)

    async def close(self) -> None:
        self._threads.close()
        self._connections.clear()

    def _put(self, key: str, source: Path, size: int) -> None:
        checked_size(source, size)
        until = time.monotonic() + PUT_SECONDS

        def attempt() -> None:
            # One request after the other: with threads of its own, minio holds several parts at once.
            with Hurried(source.open("rb", buffering=0), until) as reader:
                stored = self._client.put_object(
                    self.bucket,
                    key,
                    reader,
                    size,
                    part_size=PART_SIZE,
                    num_parallel_uploads=1,
                )
            # S3 may begin to answer the completion of an upload in parts with 200, and then tell of an error, which minio
            # does not read: the answer has no tag then.
            if not stored.etag and self._size(key) != size:
                raise Refusal(500, "NotStored")

        refusals.retried(attempt)

    def _open(self, key: str, start: int, length: int | None) -> "_Body":
        def attempt() -> BaseHTTPResponse:
            return self._client.get_object(self.bucket, key, start, length or 0)

        try:
            response = refusals.retried(attempt)
        except Refusal as refusal:
            if refusal.status == 416:
                return _Body(None)
            if refusal.s3_code == "NoSuchKey":
                raise ObjectMissing(key) from refusal
            raise
        body = _Body(response)
        # A server may answer a range with 200, as rclone does, but must then say which range it is.
        if (start or length) and "content-range" not in response.headers:
            body.close()
            raise Refusal(response.status, "NoRanges")
        return body

    def _size(self, key: str) -> int | None:
        try:
            return refusals.retried(lambda: self._client.stat_object(self.bucket, key).size)
        except Refusal as refusal:
            if refusal.status != 404:
                raise
        # The answer to HEAD has no body, so a missing bucket looks like a missing object.
        if not refusals.retried(lambda: self._client.bucket_exists(self.bucket)):
            raise Refusal(404, "NoSuchBucket")
        return None

    def _delete(self, key: str) -> None:
        try:
            refusals.retried(lambda: self._client.remove_object(self.bucket, key))
        except Refusal as refusal:
            if refusal.s3_code != "NoSuchKey":
                raise

    def _sweep(self, prefix: str, begun_before: datetime, dry_run: bool) -> int:
        """Multipart uploads that were never completed: no listing shows them, but they take room."""
        found = 0
        for key, upload_id, begun_at in self._multipart_uploads(prefix):
            # A server may not know of the prefix.
            if key.startswith(prefix) and is_key(key) and begun_at < begun_before:
                found += 1
                if not dry_run:
                    self._abort(key, upload_id)
        return found

    def _multipart_uploads(self, prefix: str) -> Iterable[tuple[str, str, datetime]]:
        """The first page of them; none where the server does not answer such a question.

        minio's client has no public method for it, and its private one sends an empty delimiter, to which
        some servers answer with nothing.
        """

        def ask() -> ListMultipartUploadsResult:
            answer = self._client._execute(
                "GET", bucket_name=self.bucket, query_params={"uploads": "", "prefix": prefix}
            )
            return ListMultipartUploadsResult(answer)

        try:
            page = refusals.retried(ask)
        except Refusal as refusal:
            if refusal.may_pass or refusal.status == 408:
                raise
            return []
        return [
            (one.object_name, one.upload_id, one.initiated_time)
            for one in page.uploads
            if one.object_name and one.upload_id and one.initiated_time
        ]

    def _abort(self, key: str, upload_id: str) -> None:
        try:
            refusals.retried(
                lambda: self._client._abort_multipart_upload(self.bucket, key, upload_id)
            )
        except Refusal as refusal:
            if refusal.s3_code != "NoSuchUpload":
                raise

    def _check(self) -> None:
        key = f"check/{uuid4().hex}"
        refusals.retried(lambda: self._client.put_object(self.bucket, key, io.BytesIO(b"check"), 5))
        self._open(key, 0, None).close()
        self._delete(key)


class Hurried(io.BufferedReader):
    """A file that is read until then (monotonic seconds); TimeoutError for whoever comes for more after that."""

    def __init__(self, file: io.FileIO, until: float) -> None:
        super().__init__(file)
        self._until = until

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._until:
            raise TimeoutError
        return super().read(size)


class _Body:
    """The body of a response; None is empty. A connection is used again only when the body was read to its end."""

    def __init__(self, response: BaseHTTPResponse | None) -> None:
        self._response = response
        length = response.headers.get("content-length", "") if response is not None else "0"
        self.length = int(length) if length.isdigit() else None

    def read(self, size: int, /) -> bytes:
        if self._response is None:
            return b""
        with refusals.translated():
            chunk = self._response.read(size, decode_content=False)
        if not chunk:
            self._response.release_conn()
        return chunk

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response.release_conn()


def _page(found: Iterator[Object]) -> tuple[StoredObject, ...]:
    """The next objects; () at the end."""
    page: tuple[StoredObject, ...] = ()
    with refusals.translated():
        while not page and (objects := tuple(islice(found, PAGE))):
            page = tuple(
                StoredObject(one.object_name, one.size or 0, one.last_modified)
                for one in objects
                if one.object_name and one.last_modified and is_key(one.object_name)
            )
    return page
