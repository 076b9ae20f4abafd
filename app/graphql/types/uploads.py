"""What becomes of uploads."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.errors import AppError
from app.graphql.enums import ErrorCode, UploadProblem
from app.graphql.types.images import Image
from app.services.intake import ticketing, uploads


@strawberry.type(
    description="created is false where the team already has these very bytes: that image comes back"
    " (out of the trash, if it lay there), with the new tags added."
)
class UploadImagePayload:
    image: Image = strawberry.field(description="The image.")
    created: bool = strawberry.field(description="Whether it is new.")

    @classmethod
    def of(cls, uploaded: uploads.Uploaded) -> "UploadImagePayload":
        return cls(image=Image.of(uploaded.image), created=uploaded.created)


@strawberry.type(description="A file that was not taken in.")
class UploadRejection:
    index: int = strawberry.field(description="Its place among the files, from 0.")
    filename: str = strawberry.field(description="Its name as it was sent.")
    code: ErrorCode = strawberry.field(description="What kind of error it is.")
    reason: UploadProblem | None = strawberry.field(description="What is wrong with the file.")
    message: str = strawberry.field(description="The same for people.")

    @classmethod
    def of(cls, index: int, filename: str, error: AppError) -> "UploadRejection":
        return cls(
            index=index,
            filename=filename,
            code=error.code,
            reason=error.reason,
            message=error.message,
        )


UploadResult = Annotated[
    UploadImagePayload | UploadRejection,
    strawberry.union("UploadResult", description="What became of one file."),
]


@strawberry.type(description="A header of an HTTP request.")
class HttpHeader:
    name: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="Its value.")


@strawberry.type(
    description="The permission to send one file's bytes by HTTP PUT, and then to complete the upload."
)
class UploadTicket:
    ticket: str = strawberry.field(
        description="What completeUpload is told. Whoever has it can send the bytes: keep it secret."
    )
    url: str = strawberry.field(
        description="Where to PUT the bytes as they are, with no key or login; as often as needed."
    )
    headers: list[HttpHeader] = strawberry.field(description="What the PUT must carry.")
    expires_at: datetime = strawberry.field(
        description="When it ends: until then the bytes have come and the upload is completed."
    )

    @classmethod
    def of(cls, issued: ticketing.Issued, *, base_url: str) -> "UploadTicket":
        return cls(
            ticket=issued.token,
            url=issued.url or f"{base_url}/uploads/{issued.token}",
            headers=[HttpHeader(name=name, value=value) for name, value in issued.headers.items()],
            expires_at=issued.expires_at,
        )


RequestUploadResult = Annotated[
    UploadTicket | UploadImagePayload,
    strawberry.union(
        "RequestUploadResult",
        description="The image, where the team has these bytes already; else a ticket to PUT them.",
    ),
]
