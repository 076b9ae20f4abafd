"""uploadImage and uploadImages: files of a multipart request become images."""

import asyncio
from datetime import datetime
from typing import Annotated

import strawberry

from app.errors import AppError, bad_input
from app.graphql.context import Context, Info
from app.graphql.inputs import optional_id
from app.graphql.types.uploads import UploadImagePayload, UploadRejection, UploadResult
from app.graphql.uploads import Upload, UploadedFile
from app.services import access
from app.services.intake import intents, uploads

AT_ONCE = 4
"""Files of one request that are decoded and stored at the same time."""


@strawberry.input(description="A picture and what is said of it.")
class UploadImageInput:
    team_id: strawberry.ID | None = strawberry.field(
        description="Which team; absent: the key's.", default=None
    )
    file: Upload = strawberry.field(description="JPEG, PNG, WEBP, GIF or AVIF.")
    title: str | None = strawberry.field(
        description="At most 200 characters; absent: the file's name without its end.", default=None
    )
    description: str | None = strawberry.field(
        description="At most 10,000 characters.", default=None
    )
    tags: list[str] | None = strawberry.field(description="Tag names: at most 50.", default=None)
    weight: float = strawberry.field(
        description="Its share in weighted random draws: 0 to 1,000,000.", default=1
    )
    taken_at: datetime | None = strawberry.field(
        description="When the picture was taken; absent: as EXIF says.", default=None
    )
    collection_id: strawberry.ID | None = strawberry.field(
        description="A collection of the team to put it in.", default=None
    )


@strawberry.input(description="Pictures and what is said of all of them.")
class UploadImagesInput:
    team_id: strawberry.ID | None = strawberry.field(
        description="Which team; absent: the key's.", default=None
    )
    files: list[Upload] = strawberry.field(description="JPEG, PNG, WEBP, GIF or AVIF, at most 50.")
    tags: list[str] | None = strawberry.field(description="Tag names: at most 50.", default=None)
    weight: float = strawberry.field(
        description="Their share in weighted random draws: 0 to 1,000,000.", default=1
    )
    collection_id: strawberry.ID | None = strawberry.field(
        description="A collection of the team to put them in.", default=None
    )


@strawberry.type
class IntakeMutation:
    @strawberry.mutation(
        description="Stores a picture (EDITOR). The same bytes again answer the same image, which makes a"
        " retry safe."
    )
    async def upload_image(
        self,
        info: Info,
        input: Annotated[UploadImageInput, strawberry.argument(description="The picture.")],
    ) -> UploadImagePayload:
        actor = info.context.viewer
        new = intents.NewImage(
            team_id=access.home_team(actor, optional_id(input.team_id)),
            title=input.title,
            description=input.description,
            tags=tuple(input.tags or ()),
            weight=input.weight,
            taken_at=input.taken_at,
            collection_id=optional_id(input.collection_id),
        )
        uploaded = await _upload(
            info.context, intake(info.context), new, input.file, field="input.file"
        )
        return UploadImagePayload.of(uploaded)

    @strawberry.mutation(
        description="Stores pictures (EDITOR). Each file stands for itself: one bad file does not fail the"
        " others. Answers in the order of the files."
    )
    async def upload_images(
        self,
        info: Info,
        input: Annotated[UploadImagesInput, strawberry.argument(description="The pictures.")],
    ) -> list[UploadResult]:
        actor, resources = info.context.viewer, info.context.resources
        limit = resources.settings.max_upload_files
        if not 1 <= len(input.files) <= limit:
            raise bad_input("input.files", f"Send 1 to {limit} files.", limit=limit)
        new = intents.NewImage(
            team_id=access.home_team(actor, optional_id(input.team_id)),
            tags=tuple(input.tags or ()),
            weight=input.weight,
            collection_id=optional_id(input.collection_id),
        )
        taking = intake(info.context)
        await taking.check(actor, new)
        turns = asyncio.Semaphore(AT_ONCE)
        return list(
            await asyncio.gather(
                *(
                    _one(info.context, taking, new, index, file, turns)
                    for index, file in enumerate(input.files)
                )
            )
        )


async def _one(
    context: Context,
    taking: uploads.Intake,
    new: intents.NewImage,
    index: int,
    file: UploadedFile,
    turns: asyncio.Semaphore,
) -> UploadImagePayload | UploadRejection:
    try:
        async with turns:
            uploaded = await _upload(context, taking, new, file, field=f"input.files.{index}")
            return UploadImagePayload.of(uploaded)
    except AppError as error:
        context.trail.failed("uploadImages", {}, error)
        return UploadRejection.of(index, file.filename, error)


async def _upload(
    context: Context,
    taking: uploads.Intake,
    new: intents.NewImage,
    file: UploadedFile,
    *,
    field: str,
) -> uploads.Uploaded:
    """Takes one file in, and counts it. `field`: its place in the arguments, whatever the variable is called."""
    metrics = context.resources.metrics
    try:
        uploaded = await taking.upload(context.viewer, new, _incoming(file, field))
    except AppError as error:
        metrics.upload_refused(error.reason or error.code)
        raise
    metrics.upload_taken(created=uploaded.created, size=file.size)
    return uploaded


def intake(context: Context) -> uploads.Intake:
    resources = context.resources
    return uploads.Intake(
        db=context.db,
        storage=resources.storage,
        decoder=resources.decoder,
        max_upload_bytes=resources.settings.max_upload_bytes,
        change=context.change,
    )


def _incoming(file: UploadedFile, field: str) -> intents.Incoming:
    return intents.Incoming(
        path=file.path,
        filename=file.filename,
        size=file.size,
        sha256=file.sha256,
        field=field,
        too_large=file.too_large,
    )
