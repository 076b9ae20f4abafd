"""requestUpload and completeUpload: the bytes come in between, by a plain PUT."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.errors import AppError
from app.graphql.context import Context, Info
from app.graphql.inputs import optional_id
from app.graphql.intake import intake
from app.graphql.types.uploads import RequestUploadResult, UploadImagePayload, UploadTicket
from app.services import access
from app.services.intake import intents, ticketing, tickets, uploads


@strawberry.input(description="A picture that is to come, and what is said of it.")
class RequestUploadInput:
    team_id: strawberry.ID | None = strawberry.field(
        description="Which team; absent: the key's.", default=None
    )
    filename: str = strawberry.field(description="The file's name.")
    size_bytes: int = strawberry.field(description="How many bytes it has.")
    sha256: str = strawberry.field(description="Their SHA-256, in 64 hexadecimal digits.")
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


@strawberry.type
class TicketMutation:
    @strawberry.mutation(
        description="For big files and many clients (EDITOR): PUT the bytes to the address that this answers,"
        " then completeUpload."
    )
    async def request_upload(
        self,
        info: Info,
        input: Annotated[RequestUploadInput, strawberry.argument(description="The picture.")],
    ) -> RequestUploadResult:
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
        file = tickets.Announced(input.filename, input.size_bytes, input.sha256)
        answer = await _ticketing(info.context).request(actor, new, file)
        if isinstance(answer, uploads.Uploaded):
            return UploadImagePayload.of(answer)
        return UploadTicket.of(answer, base_url=info.context.base_url)

    @strawberry.mutation(
        description="Makes the image visible once its bytes have come (EDITOR)."
        " Asked again, it answers the same image."
    )
    async def complete_upload(
        self,
        info: Info,
        ticket: Annotated[
            str, strawberry.argument(description="The ticket that requestUpload answered.")
        ],
    ) -> UploadImagePayload:
        metrics = info.context.resources.metrics
        try:
            uploaded = await _ticketing(info.context).complete(info.context.viewer, ticket)
        except AppError as error:
            metrics.upload_refused(error.reason or error.code)
            raise
        if not uploaded.again:
            metrics.upload_taken(created=uploaded.created, size=uploaded.image.size_bytes)
        return UploadImagePayload.of(uploaded)


def _ticketing(context: Context) -> ticketing.Ticketing:
    return ticketing.Ticketing(intake(context), context.resources.settings.tmp_dir)
