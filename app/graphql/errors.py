"""How an error looks in a GraphQL answer. Whatever is not the reader's own mistake is masked and logged here."""

import logging
import re
from typing import Any, Final

from graphql import GraphQLError, GraphQLSyntaxError, VariableDefinitionNode

from app.errors import AppError, ErrorCode
from app.graphql.veil import Told

log = logging.getLogger(__name__)

PARSE_FAILED: Final = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED: Final = "GRAPHQL_VALIDATION_FAILED"
PERSISTED_NOT_FOUND: Final = "PERSISTED_QUERY_NOT_FOUND"
PERSISTED_NOT_SUPPORTED: Final = "PERSISTED_QUERY_NOT_SUPPORTED"
MASKED: Final = "Something went wrong on our side."
MAX_MESSAGE_LENGTH: Final = 500
"""graphql-core repeats the name of an unknown member, which may be a whole megabyte."""
GIVEN: Final = re.compile(
    r"[,;] found: .*|(?<=\?) Found: .*|(cannot represent [-\w ]*value): .*", re.DOTALL
)
"""Where a message of graphql-core begins to repeat the value that came. It may be a password, and messages are kept."""
LITERAL: Final = re.compile(r"\b(String|BlockString|Int|Float) '.*'\.\Z", re.DOTALL)
"""Where a message of the parser repeats a value that stands at the wrong place: a password, where its quotes are."""
MEMBER: Final = re.compile(r" to include (?:required|unknown) field '(\w{1,100})'")
INPUT_PATH: Final = re.compile(r" has invalid value at ([^:\s]+):")
ARGUMENT: Final = re.compile(r"Argument '(\w+)'")


def shape(error: GraphQLError, request_id: str, told: Told = str) -> dict[str, Any]:
    """An error of parsing or execution as the answer's `errors[]` has it, with `extensions.code`.

    An AppError is shown as it is; a variable or argument of the wrong type is BAD_USER_INPUT, in the words that may be
    `told`; anything else is masked as INTERNAL_SERVER_ERROR and logged in full.
    """
    cause = root_cause(error)
    if isinstance(cause, AppError):
        return _shaped(error, cause.message, cause.extensions, request_id)
    if isinstance(error, GraphQLSyntaxError):
        message = LITERAL.sub(r"\1.", error.message)
        return _shaped(error, message, {"code": PARSE_FAILED}, request_id)
    field = _input_at_fault(error)
    if field is not None:
        message = told(_without_value(error.message))
        # What is not told, such as a required member that the client did not name, is no field either.
        member = MEMBER.search(message)
        facts = {
            "code": ErrorCode.BAD_USER_INPUT.value,
            "field": f"{field}.{member[1]}" if member else field,
        }
        return _shaped(error, message, facts, request_id)
    log.error(
        "request %s failed at %s: %s",
        request_id,
        error.path,
        error.message,
        exc_info=cause or error,
    )
    facts = {"code": ErrorCode.INTERNAL_SERVER_ERROR.value}
    return _shaped(error, MASKED, facts, request_id)


def shape_invalid(error: GraphQLError, request_id: str, told: Told = str) -> dict[str, Any]:
    """An error of validation: the document does not fit the schema."""
    message = told(_without_value(error.message))
    return _shaped(error, message, {"code": VALIDATION_FAILED}, request_id)


def from_app_error(error: AppError, request_id: str) -> dict[str, Any]:
    """An error that belongs to no place in a document."""
    return _shaped(None, error.message, error.extensions, request_id)


def not_persisted(code: str, message: str, request_id: str) -> dict[str, Any]:
    """A document that was named by its hash alone, and is not known."""
    return _shaped(None, message, {"code": code}, request_id)


def root_cause(error: GraphQLError) -> Exception | None:
    """The exception behind an error; None where graphql-core itself is its only source."""
    cause: Exception | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _input_at_fault(error: GraphQLError) -> str | None:
    """The variable or argument whose value does not fit its type; None if no input is at fault."""
    node = error.nodes[0] if error.nodes else None
    if isinstance(node, VariableDefinitionNode):
        inner = INPUT_PATH.search(error.message)
        return node.variable.name.value + (_dotted(inner[1]) if inner else "")
    argument = ARGUMENT.match(error.message)
    if argument and isinstance(error.original_error, GraphQLError):
        return argument[1]
    return None


def _without_value(message: str) -> str:
    """The message without the value, and with the word that JSON has for None."""
    message = message.replace("not to be None", "not to be null")
    return GIVEN.sub(lambda one: "" if one[0].startswith(" ") else f"{one[1] or ''}.", message)


def _dotted(path: str) -> str:
    """`.tags[0]`, as graphql-core prints a path, in the form `.tags.0`."""
    return re.sub(r"\[(\d+)\]", r".\1", path)


def _shaped(
    error: GraphQLError | None, message: str, facts: dict[str, Any], request_id: str
) -> dict[str, Any]:
    shaped: dict[str, Any] = {"message": _short(message)}
    if error is not None and error.locations:
        shaped["locations"] = [one.formatted for one in error.locations]
    if error is not None and error.path is not None:
        shaped["path"] = error.path
    shaped["extensions"] = facts | {"requestId": request_id}
    return shaped


def _short(message: str) -> str:
    if len(message) <= MAX_MESSAGE_LENGTH:
        return message
    return message[: MAX_MESSAGE_LENGTH - 1] + "…"
