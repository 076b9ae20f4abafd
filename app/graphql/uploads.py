"""The scalar `Upload` and what a variable of it holds. The web layer makes the files and removes them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, NewType

import strawberry
from graphql import GraphQLError, ValueNode

from app.errors import bad_input


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of the request, on disk until the operation is over.

    `size` counts the bytes that came; `sha256` is theirs. `too_large`: it passed the limit of one file; its bytes
    were not kept, `sha256` is empty.
    """

    path: Path
    filename: str
    size: int
    sha256: bytes
    too_large: bool = False


Upload = NewType("Upload", UploadedFile)
"""The Python annotation of the scalar; `UPLOAD` is its definition for `StrawberryConfig(scalar_map=…)`."""


def _value(value: object) -> UploadedFile:
    """Only a file of the request: JSON alone cannot spell one."""
    if not isinstance(value, UploadedFile):
        raise GraphQLError("A file comes as a part of a multipart request.")
    return value


def _literal(_node: ValueNode, _variables: dict[str, object] | None = None) -> UploadedFile:
    raise bad_input("query", "A file comes as a variable, in a multipart request.")


def _no_output(_value: object) -> object:
    raise TypeError("a file is never part of an answer")


UPLOAD: Final = strawberry.scalar(
    name="Upload",
    description="A file of a multipart request (graphql-multipart-request-spec).",
    specified_by_url="https://github.com/jaydenseric/graphql-multipart-request-spec",
    serialize=_no_output,
    parse_value=_value,
    parse_literal=_literal,
)
