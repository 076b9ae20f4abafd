"""docs/errors.md, printed from the code: each code, when it comes, its status, and what a client does about it."""

from dataclasses import dataclass
from typing import Final

from app.errors import ErrorCode, UploadProblem
from app.graphql import enums
from app.graphql.errors import (
    PARSE_FAILED,
    PERSISTED_NOT_FOUND,
    PERSISTED_NOT_SUPPORTED,
    VALIDATION_FAILED,
)
from app.web.problems import STATUS


@dataclass(frozen=True, slots=True)
class Entry:
    """`extras`: which further facts `extensions` may have. `here`: when it comes, where no enum of the schema says it."""

    advice: str
    extras: tuple[str, ...] = ()
    here: str = ""


EXTRAS: Final = {
    "field": (
        "String",
        "the input at fault, as a path from its argument or variable: `ids`, `input.weight`; an element of a list is"
        " named by its place, from 0: `more.1.text`",
    ),
    "reason": ("UploadProblem", "what is wrong with a file: see below"),
    "ids": ("[ID!]", "those of the ids that were not found"),
    "limit": ("Int", "what is allowed where more was asked for: ids, bytes, images of a tag"),
    "cost": ("Int", "what the operation may cost: [limits.md](limits.md)"),
    "allowed": ("[String!]", "what may stand there instead, at most 100"),
    "existing": ("ID", "the thing that has the name already"),
    "retryAfter": ("Int", "seconds; the header Retry-After says the same where nothing ran"),
}
"""Facts of `extensions` besides `code` and `requestId`, which every error has."""

ENTRIES: Final[dict[str, Entry]] = {
    ErrorCode.UNAUTHENTICATED: Entry("Send a valid key, or log in again. Do not retry unchanged."),
    ErrorCode.FORBIDDEN: Entry("Ask an ADMIN of the team for a role that may."),
    ErrorCode.NOT_FOUND: Entry("Drop what you keep of it.", ("field", "ids")),
    ErrorCode.BAD_USER_INPUT: Entry(
        "Show the message beside the input that `field` names.",
        ("field", "limit", "allowed", "reason"),
    ),
    ErrorCode.CONFLICT: Entry(
        "Read the present state, then decide: use what `existing` names, or choose another name.",
        ("field", "existing"),
    ),
    ErrorCode.PAYLOAD_TOO_LARGE: Entry("Send less.", ("field", "reason", "limit")),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: Entry("Send another format.", ("field", "reason", "allowed")),
    ErrorCode.RATE_LIMITED: Entry(
        "Wait for `retryAfter` seconds, then send the same again.", ("retryAfter", "cost", "limit")
    ),
    ErrorCode.QUERY_TOO_COMPLEX: Entry(
        "Ask for less at once: smaller pages, fewer lists in lists.", ("limit", "cost")
    ),
    ErrorCode.UNAVAILABLE: Entry("Try again, after a moment that grows."),
    ErrorCode.INTERNAL_SERVER_ERROR: Entry(
        "Try once more; then tell the operator the `requestId`, which finds the cause in the log."
    ),
    PARSE_FAILED: Entry("Mend the document.", here="The document is no GraphQL."),
    VALIDATION_FAILED: Entry(
        "Mend the document, or generate the client anew.",
        here="The document does not fit the schema: an unknown field, a missing argument, a wrong literal.",
    ),
    PERSISTED_NOT_FOUND: Entry(
        "Send the document beside its hash; one that has to be trusted, add to the manifest.",
        here="A document was named by its hash or id alone, and is not known: [persisted-queries.md](persisted-queries.md).",
    ),
    PERSISTED_NOT_SUPPORTED: Entry(
        "Send whole documents.", here="A hash came, and this installation keeps no documents."
    ),
}
"""The closed list of `extensions.code`: no answer has another one."""


def status(code: str) -> int:
    """Of an answer in which nothing ran."""
    if code in (PERSISTED_NOT_FOUND, PERSISTED_NOT_SUPPORTED):
        return 200
    return STATUS[ErrorCode(code)] if code in ErrorCode.__members__ else 400


def page() -> str:
    """docs/errors.md."""
    said = enums.descriptions(ErrorCode)
    codes = "\n".join(
        f"| `{code}` | {status(code)} | {entry.here or said[code]} |"
        f" {', '.join(f'`{one}`' for one in entry.extras)} | {entry.advice} |"
        for code, entry in ENTRIES.items()
    )
    extras = "\n".join(f"| `{name}` | {kind} | {text} |" for name, (kind, text) in EXTRAS.items())
    reasons = enums.descriptions(UploadProblem)
    problems = "\n".join(f"| `{name}` | {text} |" for name, text in reasons.items())
    return PAGE.format(codes=codes, extras=extras, problems=problems)


PAGE: Final = """\
# Errors

Printed by `pictor errors` from the code (`app/web/errors_page.py`); tests produce each code and compare.

Every error, of GraphQL and of the plain routes, has the same form, and never another one:

```json
{{"errors": [{{"message": "…", "path": ["image"], "extensions": {{"code": "NOT_FOUND", "requestId": "…"}}}}]}}
```

`message` is for people and may change; programs read `code`. `requestId` is also in the header `X-Request-Id` and in the server's log.
A cause that is not the client's is never told: it is logged under the request's id, and the client sees `INTERNAL_SERVER_ERROR`.

## Codes

The status is that of an answer in which nothing ran, and which has no `data`. Once an operation runs, the status is 200 and
`errors` stands beside `data`. In answers of the type `application/json`, a document that is refused, or its variables, has the status 200 as well, for old clients
read errors from nothing else; ask for `application/graphql-response+json` to get the statuses of the table.

An operation with several changes makes them one after another, each in a transaction of its own. The first that fails ends it: `data`
is null, and `path` names that change alone. Those before it stay done, those after it are not begun. Where `path` goes on, into
what a change answers, that change is done as well, and only its answer could not be given.

| code | status | when | further facts | what to do |
|---|---|---|---|---|
{codes}

## Further facts

| in `extensions` | type | meaning |
|---|---|---|
{extras}

## What is wrong with a file

`extensions.reason`, and `UploadRejection.reason` where each file stands for itself.

| reason | meaning |
|---|---|
{problems}
"""
