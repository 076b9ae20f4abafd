"""One file of a request on its way to disk: hashed and counted as it comes, written in threads."""

import asyncio
import hashlib
import re
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from app.graphql.uploads import UploadedFile
from app.services.intake import intents
from app.services.intake.folders import local_disk

BUFFER_BYTES: Final = 1024 * 1024
"""Bytes gathered before one hop to a thread, which writes and hashes them: both leave the GIL."""
ESCAPED: Final = re.compile("%22|%0D|%0A")
"""Of a file's name in a form: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data."""


class Spool:
    """Memory stays within BUFFER_BYTES and one chunk; of a file beyond the limit nothing is kept."""

    def __init__(self, path: Path, *, filename: str, limit: int) -> None:
        self._path = path
        self._filename = intents.clean_filename(_unescaped(filename))
        self._limit = limit
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._size = 0

    @property
    def _too_large(self) -> bool:
        return self._size > self._limit

    async def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._too_large:
            self._buffer.clear()
            return
        self._buffer += data
        if len(self._buffer) >= BUFFER_BYTES:
            await self._flush()

    async def finish(self) -> None:
        """Everything is on disk, or, of a file that is too large, nothing."""
        if self._too_large:
            with local_disk():
                await asyncio.to_thread(self._path.write_bytes, b"")
        else:
            await self._flush()

    async def _flush(self) -> None:
        full, self._buffer = self._buffer, bytearray()
        with local_disk():
            await asyncio.to_thread(self._append, full)

    def _append(self, data: bytearray) -> None:
        """Opens the file anew each time: a thread that outlives its request shares no descriptor."""
        self._hash.update(data)
        with self._path.open("ab") as file:
            file.write(data)

    def uploaded(self) -> UploadedFile:
        """The file as a variable holds it."""
        return UploadedFile(
            path=self._path,
            filename=self._filename,
            size=self._size,
            sha256=b"" if self._too_large else self._hash.digest(),
            too_large=self._too_large,
        )


def _unescaped(filename: str) -> str:
    """aiohttp escapes the whole of a name by percents; browsers, curl and HTTPX what would end it, and nothing else."""
    plain = unquote(filename)
    if quote(plain, safe="") == filename:
        return plain
    return ESCAPED.sub(lambda one: unquote(one[0]), filename)
