"""Datasets and their files."""

import time
from datetime import datetime

import strawberry

from app.db import models
from app.graphql.arguments import ExpiresIn
from app.graphql.context import Info
from app.graphql.enums import DatasetStatus
from app.graphql.types.nodes import Node
from app.graphql.types.people import Team, User, team_of, user_or_none
from app.services.exports import datasets
from app.services.people import addresses


@strawberry.type(description="A file of a dataset. Its bytes never change.")
class DatasetFile:
    name: str = strawberry.field(description="Such as images.jsonl.")
    media_type: str = strawberry.field(description="What it is, as HTTP says it.")
    size_bytes: float = strawberry.field(description="How many bytes it has.")
    sha256: str = strawberry.field(description="Their SHA-256, in hex.")
    row: strawberry.Private[models.Dataset]

    @classmethod
    def of(cls, row: models.Dataset, file: datasets.Stored) -> "DatasetFile":
        return cls(
            name=file.name.value,
            media_type=file.name.media_type,
            size_bytes=file.size,
            sha256=file.sha256,
            row=row,
        )

    @strawberry.field(
        description="A signed, absolute address, as that of an image: it expires, and the access is checked again."
    )
    def url(self, info: Info, expires_in: ExpiresIn = 3600) -> str:
        return signed_dataset(info, self.row, self.name, expires_in)


@strawberry.type(
    description="Images with their tags as they were at one moment, for training: files that never change."
)
class Dataset(Node):
    name: str = strawberry.field(description="What people call it.")
    done: int = strawberry.field(description="How many images are written so far.")
    image_count: int | None = strawberry.field(
        description="How many images it has; null until it is READY."
    )
    size_bytes: float = strawberry.field(description="Bytes of its files, without any original.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    snapshot_at: datetime | None = strawberry.field(
        description="The moment that it shows; null until it is READY."
    )
    finished_at: datetime | None = strawberry.field(
        description="When its files were there; null until then."
    )
    row: strawberry.Private[models.Dataset]

    @classmethod
    def of(cls, row: models.Dataset) -> "Dataset":
        return cls(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            done=row.done,
            image_count=row.image_count,
            size_bytes=sum(one.size for one in datasets.files(row)),
            created_at=row.created_at,
            snapshot_at=row.snapshot_at,
            finished_at=row.finished_at,
            row=row,
        )

    @strawberry.field(description="Whose it is.")
    async def team(self, info: Info) -> Team:
        return await team_of(info, self.row.team_id)

    @strawberry.field(description="Who asked for it. Null once that user was deleted.")
    async def created_by(self, info: Info) -> User | None:
        return await user_or_none(info, self.row.created_by)

    @strawberry.field(description="How far it is.")
    async def status(self, info: Info) -> DatasetStatus:
        status = (await info.context.loaders.progress_of_dataset.load(self.row.id)).status
        # It may have become READY since the row was read, which then says nothing yet of what there is.
        unread = status is DatasetStatus.READY and self.row.files is None
        return DatasetStatus.RUNNING if unread else status

    @strawberry.field(description="Why the last attempt failed; null where none did.")
    async def error(self, info: Info) -> str | None:
        return (await info.context.loaders.progress_of_dataset.load(self.row.id)).error

    @strawberry.field(description="Its files; none until it is READY.")
    def files(self) -> list[DatasetFile]:
        return [DatasetFile.of(self.row, one) for one in datasets.files(self.row)]

    @strawberry.field(
        description="A signed, absolute address of one tar archive of the files and of all originals that"
        " are still there; null until it is READY."
    )
    def archive_url(self, info: Info, expires_in: ExpiresIn = 3600) -> str | None:
        if self.row.files is None:
            return None
        return signed_dataset(info, self.row, addresses.ARCHIVE, expires_in)


def signed_dataset(info: Info, row: models.Dataset, file: str, expires_in: int | None) -> str:
    context = info.context
    return context.base_url + addresses.sign_dataset(
        context.resources.settings.signing_key,
        dataset_id=row.id,
        file=file,
        actor=context.viewer,
        expires_in=3600 if expires_in is None else expires_in,
        now=time.time(),
    )
