"""The GraphQL multipart request spec, streamed to disk: limits hold while the bytes come, files go in any case."""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from app.errors import AppError, blaming
from app.services.intake import folders
from app.settings import Settings
from app.web import bodies, filemap
from app.web.bodies import malformed
from app.web.spool import Spool

logging.getLogger("python_multipart").setLevel(logging.ERROR)
"""It warns about each malformed body: any client could fill the log."""

OPERATIONS: Final = "operations"
MAP: Final = "map"
PARAMETER: Final = re.compile(r';\s*([^=;"\s]+)\s*=\s*("(?:\\.|[^"])*+(?:"|$)|[^;]*)')
"""Of a header. A string without an end goes to the end, so that nothing is looked at twice."""
EXTENDED: Final = re.compile(r"utf-8'[^']*'(\S+)", re.IGNORECASE)
"""A text in the form of RFC 8187."""


@asynccontextmanager
async def received(request: Request, settings: Settings) -> AsyncIterator[dict[str, Any]]:
    """The request's `operations` with an UploadedFile wherever its map points.

    The files live as long as the block. PAYLOAD_TOO_LARGE beyond the limits of the request and of the number
    of files; a file beyond its own limit comes as `too_large`. BAD_USER_INPUT for anything malformed.
    """
    bodies.check_length(request, settings.max_request_bytes)
    reader = _Reader(_boundary(request))
    async with folders.made(settings.tmp_dir) as folder:
        form = _Form(settings, folder)
        total = 0
        async for chunk in bodies.stream(request):
            total += len(chunk)
            if total > settings.max_request_bytes:
                raise bodies.too_large(settings.max_request_bytes)
            for event in reader.feed(chunk):
                await form.take(event)
        if not reader.complete:
            raise malformed("The multipart body ends before its last boundary.")
        yield form.operations_with_files()


def _boundary(request: Request) -> bytes:
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise malformed("The Content-Type has no boundary.")
    return boundary


@dataclass(frozen=True, slots=True)
class _Head:
    """The beginning of a part."""

    name: str
    filename: str


_Event = _Head | bytes | None
"""The beginning of a part, some of its bytes, or (None) its end."""


class _Reader:
    """Turns chunks of the body into events, with python-multipart's push parser."""

    def __init__(self, boundary: bytes) -> None:
        self.complete = False
        self._events: list[_Event] = []
        self._name, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError:
            raise malformed("The boundary is too long.") from None

    def feed(self, chunk: bytes) -> list[_Event]:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise malformed("The body is not multipart/form-data.") from None
        events, self._events = self._events, []
        return events

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        header = self._headers.get(b"content-disposition", b"").decode("latin-1")
        disposition, options = parse_options_header(header)
        if disposition != b"form-data" or b"name" not in options:
            raise malformed("A part has no name.")
        filename = _extended_filename(header) or _text(options.get(b"filename", b""))
        self._events.append(_Head(_text(options[b"name"]), filename))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(data[start:end])

    def _on_part_end(self) -> None:
        self._events.append(None)

    def _on_end(self) -> None:
        self.complete = True


def _extended_filename(disposition: str) -> str | None:
    """The file's name of `filename*`. That does not belong into a form (RFC 7578, section 4.2), but .NET sends it beside a
    name that is encoded as in e-mail, and Apache's HttpClient alone, in quotes.
    """
    for name, value in PARAMETER.findall(disposition):
        if name.lower() == "filename*" and (its := EXTENDED.fullmatch(value.strip(' "'))):
            return unquote(its[1])
    return None


def _text(raw: bytes) -> str:
    """A name as browsers send it (UTF-8); bytes that are not are read as Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@dataclass
class _Form:
    """What came so far. The spec's order holds: `operations`, `map`, then the files that the map names."""

    settings: Settings
    folder: Path
    operations: Any = None
    paths: filemap.Paths | None = None
    files: dict[str, Spool] = field(default_factory=dict)
    _part: str | None = None
    _text: bytearray = field(default_factory=bytearray)

    async def take(self, event: _Event) -> None:
        if isinstance(event, _Head):
            self._begin(event)
        elif event is None:
            await self._end()
        elif self._spool is not None:
            await self._spool.write(event)
        else:
            self._text += event
            if len(self._text) > self.settings.max_json_bytes:
                raise bodies.too_large(self.settings.max_json_bytes)

    @property
    def _spool(self) -> Spool | None:
        return None if self._part is None else self.files.get(self._part)

    def _begin(self, head: _Head) -> None:
        self._part = head.name
        expected = OPERATIONS if self.operations is None else MAP if self.paths is None else None
        if expected is not None:
            if head.name != expected:
                raise malformed("The parts must come in this order: operations, map, the files.")
        elif self.paths is None or head.name not in self.paths:
            raise malformed("A file is not named in the map.", field=MAP)
        elif head.name in self.files:
            raise malformed("Two parts have the same name.")
        else:
            path = self.folder / str(len(self.files))
            limit = self.settings.max_upload_bytes
            self.files[head.name] = Spool(path, filename=head.filename, limit=limit)

    async def _end(self) -> None:
        spool = self._spool
        if spool is not None:
            await spool.finish()
        elif self.operations is None:
            self.operations = filemap.operations(
                bodies.parse(bytes(self._text), f"part {OPERATIONS}")
            )
        else:
            with blaming(MAP):
                wanted = bodies.parse(bytes(self._text), f"part {MAP}")
            self.paths = filemap.read(
                wanted, self.operations, max_files=self.settings.max_upload_files
            )
        self._text.clear()
        self._part = None

    def operations_with_files(self) -> dict[str, Any]:
        missing = self._missing()
        if missing is not None:
            raise missing
        for name, paths in (self.paths or {}).items():
            for path in paths:
                filemap.place(self.operations, path, self.files[name].uploaded())
        result: dict[str, Any] = self.operations
        return result

    def _missing(self) -> AppError | None:
        if self.operations is None or self.paths is None:
            return malformed("The parts must come in this order: operations, map, the files.")
        if self.paths.keys() != self.files.keys():
            return malformed("The map names a file that did not come.", field=MAP)
        return None
