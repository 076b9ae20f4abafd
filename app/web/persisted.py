"""Which document an operation runs: the text that it sends, or one that is known by its SHA-256.

Two stores, and nothing goes from one to the other: trusted documents, read from manifests at the start and ready to run,
and those that members registered (Apollo's automatic persisted queries), which are texts like any other.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from uuid import UUID

from app.domain import Actor
from app.errors import forbidden
from app.graphql.errors import PERSISTED_NOT_FOUND, PERSISTED_NOT_SUPPORTED
from app.resources import Resources
from app.services import persisted_queries
from app.services.persisted_queries import Found
from app.web import manifests
from app.web.documents import Document, Documents
from app.web.manifests import ManifestError
from app.web.operations import Operation

CACHE_SECONDS: Final = 600.0
"""Then the table is asked again, so that it knows what is in use."""
CACHED_CHARACTERS: Final = 1_000_000
NOTHING: Final = "Trusted documents only, and no manifest has one: nothing could run."


class NotPersistedError(Exception):
    """The operation names a document that is not known here. `code`: what its client is told, and acts on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Persisted:
    """Finds documents. ManifestError at once where a manifest of the settings cannot be used."""

    def __init__(
        self,
        resources: Resources,
        documents: Documents,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = resources.settings
        self._resources = resources
        self._documents = documents
        self._is_on = settings.persisted_queries
        self._trusted_only = settings.trusted_documents_only
        self._trusted = manifests.load(settings.trusted_documents, documents.read)
        if self._trusted_only and not self._trusted:
            raise ManifestError(NOTHING)
        self._known = _Known(clock)

    async def document(self, operation: Operation, actor: Actor | None) -> Document:
        """NotPersistedError, FORBIDDEN where only trusted ones may run, and what Documents.prepare raises."""
        if operation.document_id is not None:
            trusted = self._trusted.get(operation.document_id)
            if trusted is None:
                raise NotPersistedError(PERSISTED_NOT_FOUND, "No trusted document has this id.")
            return trusted
        only = self._trusted_only or (actor is not None and actor.trusted_documents_only)
        sha256 = operation.sha256
        if only and sha256 is None and operation.query is not None:
            sha256 = manifests.sha256(operation.query)
        if sha256 is not None and (trusted := self._trusted.get(sha256)) is not None:
            return trusted
        if only:
            raise forbidden("Only trusted documents run here; ask its operator to add this one.")
        if sha256 is None:
            return self._documents.prepare(operation.query or "")
        return await self._registered(sha256, operation.query, actor)

    async def _registered(self, sha256: str, query: str | None, actor: Actor | None) -> Document:
        if not self._is_on:
            raise NotPersistedError(PERSISTED_NOT_SUPPORTED, "PersistedQueryNotSupported")
        if query is not None:
            # Kept only once it is known to be valid.
            document = self._documents.prepare(query)
            await self._keep(sha256, query, actor)
            return document
        text = await self._find(sha256, actor)
        if text is None:
            raise NotPersistedError(PERSISTED_NOT_FOUND, "PersistedQueryNotFound")
        return self._documents.prepare(text)

    async def _find(self, sha256: str, actor: Actor | None) -> str | None:
        if actor is None or not actor.team_ids:
            return None
        known = self._known.get(actor, sha256)
        if known is not None:
            return known
        found = await self._resources.db.acting(actor).run(
            lambda session: persisted_queries.find(session, actor, bytes.fromhex(sha256))
        )
        if found is None:
            return None
        self._known.add(found, sha256)
        return found.document

    async def _keep(self, sha256: str, query: str, actor: Actor | None) -> None:
        """Nobody unknown leaves anything. What is known here may be gone from the table: clients send what they missed elsewhere."""
        if actor is None:
            return
        team_id = await self._resources.db.acting(actor).run(
            lambda session: persisted_queries.keep(session, actor, bytes.fromhex(sha256), query)
        )
        if team_id is not None:
            self._known.add(Found(team_id, query), sha256)


class _Known:
    """What this process read from the table a short while ago, the least recently used leaves first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[tuple[UUID, str], tuple[float, str]] = OrderedDict()
        self._characters = 0

    def get(self, actor: Actor, sha256: str) -> str | None:
        for team_id in actor.team_ids:
            key = team_id, sha256
            found = self._kept.get(key)
            if found is not None and found[0] > self._clock():
                self._kept.move_to_end(key)
                return found[1]
        return None

    def add(self, found: Found, sha256: str) -> None:
        key = found.team_id, sha256
        _, old = self._kept.pop(key, (0.0, ""))
        self._kept[key] = self._clock() + CACHE_SECONDS, found.document
        self._characters += len(found.document) - len(old)
        while self._characters > CACHED_CHARACTERS:
            _, (_, gone) = self._kept.popitem(last=False)
            self._characters -= len(gone)
