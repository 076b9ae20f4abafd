"""One batch, one short transaction: everything that the rows of a list share or point at."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from app.db import models
from app.db.database import Entrance
from app.domain import Actor
from app.services import collections, images, nodes, taggings, tags
from app.services.auditing import audit_log
from app.services.bulk_edits import bulk
from app.services.exports import datasets
from app.services.people import api_keys, memberships, teams, users
from app.services.searching import relevance
from app.services.searching.chance import Chance

Value = TypeVar("Value")
Load: TypeAlias = Callable[[Any, Actor, Sequence[UUID]], Awaitable[Sequence[Value]]]

KEYS_AT_ONCE: Final = 5_000
"""An operation may ask for more. A statement has a parameter or two for each, and 32,767 at most."""


class Loaders:
    """The loaders of one operation, made when they are first used."""

    def __init__(self, db: Entrance, actor: Actor) -> None:
        self._db = db
        self._actor = actor

    def _loader(self, load: Load[Value]) -> DataLoader[UUID, Value]:
        async def batch(keys: list[UUID]) -> Sequence[Value]:
            async with self._db.transaction() as session:
                return await load(session, self._actor, keys)

        return DataLoader(batch, max_batch_size=KEYS_AT_ONCE)

    def of_kind(self, kind: str) -> DataLoader[UUID, Any]:
        """The loader of the rows of a type with an id."""
        return OF_KIND[kind](self)

    async def bring(
        self, session: Any, rows: Sequence[models.Image], asked: Collection[str]
    ) -> None:
        """Loads in the transaction of a list of images what is asked of each, so that nobody has to wait for it."""
        loads: list[tuple[DataLoader[UUID, Any], Load[Any], set[UUID | None]]] = []
        if "tags" in asked or "taggings" in asked:
            loads.append((self.taggings_of_image, taggings.by_image, {one.id for one in rows}))
        if "team" in asked:
            loads.append((self.team, teams.by_id, {one.team_id for one in rows}))
        if "uploadedBy" in asked:
            loads.append((self.user, users.by_id, {one.uploaded_by for one in rows}))
        for loader, load, wanted in loads:
            keys = [one for one in wanted if one is not None]
            if keys:
                found = await load(session, self._actor, keys)
                loader.prime_many(dict(zip(keys, found, strict=True)))

    @cached_property
    def kind(self) -> DataLoader[UUID, str | None]:
        return self._loader(nodes.kinds)

    @cached_property
    def team(self) -> DataLoader[UUID, models.Team | None]:
        return self._loader(teams.by_id)

    @cached_property
    def membership(self) -> DataLoader[UUID, models.Membership | None]:
        return self._loader(memberships.by_id)

    @cached_property
    def memberships_of_user(self) -> DataLoader[tuple[UUID, int], list[models.Membership]]:
        async def batch(keys: list[tuple[UUID, int]]) -> Sequence[list[models.Membership]]:
            async with self._db.transaction() as session:
                return await memberships.by_user(session, self._actor, keys)

        return DataLoader(batch, max_batch_size=KEYS_AT_ONCE)

    @cached_property
    def user(self) -> DataLoader[UUID, models.User | None]:
        return self._loader(users.by_id)

    @cached_property
    def email(self) -> DataLoader[UUID, str | None]:
        return self._loader(users.emails_by_id)

    @cached_property
    def api_key(self) -> DataLoader[UUID, models.ApiKey | None]:
        return self._loader(api_keys.by_id)

    @cached_property
    def image(self) -> DataLoader[UUID, models.Image | None]:
        return self._loader(images.by_id)

    @cached_property
    def status_of_image(self) -> DataLoader[UUID, images.Status | None]:
        return self._loader(images.status_by_id)

    @cached_property
    def taggings_of_image(self) -> DataLoader[UUID, list[taggings.Tagging]]:
        return self._loader(taggings.by_image)

    @cached_property
    def collections_of_image(self) -> DataLoader[UUID, list[models.Collection]]:
        return self._loader(collections.by_image)

    @cached_property
    def tag(self) -> DataLoader[UUID, models.Tag | None]:
        return self._loader(tags.by_id)

    @cached_property
    def image_count_of_tag(self) -> DataLoader[UUID, int]:
        return self._loader(tags.image_counts)

    @cached_property
    def collection(self) -> DataLoader[UUID, models.Collection | None]:
        return self._loader(collections.by_id)

    @cached_property
    def chance(self) -> DataLoader[relevance.Key, Chance | None]:
        async def batch(keys: list[relevance.Key]) -> Sequence[Chance | None]:
            async with self._db.transaction() as session:
                return await relevance.by_key(session, self._actor, keys)

        return DataLoader(batch, max_batch_size=KEYS_AT_ONCE)

    @cached_property
    def bulk_job(self) -> DataLoader[UUID, models.BulkJob | None]:
        return self._loader(bulk.by_id)

    @cached_property
    def dataset(self) -> DataLoader[UUID, models.Dataset | None]:
        return self._loader(datasets.by_id)

    @cached_property
    def progress_of_dataset(self) -> DataLoader[UUID, datasets.Progress]:
        return self._loader(datasets.progress_by_id)

    @cached_property
    def audit_event(self) -> DataLoader[UUID, models.AuditEvent | None]:
        return self._loader(audit_log.by_id)


OF_KIND: Final[Mapping[str, Callable[[Loaders], DataLoader[UUID, Any]]]] = {
    "Image": lambda loaders: loaders.image,
    "Tag": lambda loaders: loaders.tag,
    "Collection": lambda loaders: loaders.collection,
    "Dataset": lambda loaders: loaders.dataset,
    "BulkJob": lambda loaders: loaders.bulk_job,
    "Team": lambda loaders: loaders.team,
    "User": lambda loaders: loaders.user,
    "Membership": lambda loaders: loaders.membership,
    "ApiKey": lambda loaders: loaders.api_key,
    "AuditEvent": lambda loaders: loaders.audit_event,
}
