"""GraphQL documents: parsed, checked and validated once, then kept by their text."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from graphql.validation import NoSchemaIntrospectionCustomRule
from graphql.validation.rules import overlapping_fields_can_be_merged
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule

from app.errors import bad_input
from app.graphql import limits, permissions, plans
from app.graphql.plans import Plan
from app.graphql.prepared import Prepared
from app.graphql.price_list import PriceList
from app.settings import Settings

CACHED_CHARACTERS: Final = 250_000
"""A bound on memory: a tree takes 50 to 280 bytes for each character of its text (measured)."""
SELECTION_CHARACTERS: Final = 8
"""What is kept of a selection to run it again takes 2,000 bytes at most."""
MAX_ERRORS: Final = 20
"""Of one validation, which stops there."""
ONCE: Final = permissions.once_an_operation()
ABORTED: Final = "Parsing aborted."
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 6_000
"""The one rule of validation that is not linear; graphql-core lets its bound be set here alone. The default of
500,000 takes more than a second. Fifteen components that each spread the same ten fields take 3,700, introspection none."""


class InvalidDocument(Exception):
    """The document does not fit the schema."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(f"{len(errors)} errors of validation")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may be executed: its operations by name, "" for the one without."""

    operations: Mapping[str, Prepared]

    def operation(self, name: str | None) -> Prepared:
        """The operation to run; BAD_USER_INPUT where the name does not say which it is."""
        if name is None:
            if len(self.operations) != 1:
                raise bad_input("operationName", "The document has several operations: name one.")
            return next(iter(self.operations.values()))
        if name not in self.operations:
            raise bad_input("operationName", "The document has no operation of this name.")
        return self.operations[name]


class Documents:
    """A cache of valid documents, the least recently used one leaves first."""

    def __init__(self, schema: GraphQLSchema, settings: Settings) -> None:
        self._schema = schema
        self._settings = settings
        self._prices = PriceList(schema)
        self._rules = [*specified_rules, MaybeNullValidationRule]
        if not settings.introspection:
            self._rules.append(NoSchemaIntrospectionCustomRule)
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0

    def prepare(self, text: str) -> Document:
        """The document that `text` spells, from the cache or as `read` makes it."""
        document = self._kept.get(text)
        if document is not None:
            self._kept.move_to_end(text)
            return document
        document = self.read(text)
        self._keep(text, document)
        return document

    def read(self, text: str) -> Document:
        """The document that `text` spells, read anew.

        GraphQLSyntaxError, InvalidDocument, or QUERY_TOO_COMPLEX beyond a limit. Limits come before what they limit:
        the text's before it is parsed, the others before it is validated.
        """
        limits.check_size(text, self._settings)
        ast = self._parse(text)
        read = plans.read(ast, self._prices)
        limits.check(read, self._settings)
        limits.check_literals(ast)
        limits.check_once(ast, ONCE)
        self._validate(ast)
        return Document(self._operations(ast, read.operations))

    def _operations(self, ast: DocumentNode, plans: Mapping[str, Plan]) -> Mapping[str, Prepared]:
        hide = not self._settings.suggestions
        nodes = [one for one in ast.definitions if isinstance(one, OperationDefinitionNode)]
        names = [one.name.value if one.name else "" for one in nodes]
        return {
            name: Prepared(self._schema, ast, node, plans[name], hide_suggestions=hide)
            for name, node in zip(names, nodes, strict=True)
        }

    def _parse(self, text: str) -> DocumentNode:
        try:
            return parse(text, max_tokens=self._settings.max_query_tokens)
        except GraphQLSyntaxError as error:
            if error.message.endswith(ABORTED):
                raise limits.too_many_tokens(self._settings) from error
            raise

    def _validate(self, ast: DocumentNode) -> None:
        hide = not self._settings.suggestions
        errors = validate(
            self._schema, ast, self._rules, max_errors=MAX_ERRORS, hide_suggestions=hide
        )
        if len(errors) == 1 and isinstance(errors[0], ValidationAbortedError):
            raise limits.too_tangled()
        if errors:
            raise InvalidDocument(errors)

    def _keep(self, text: str, document: Document) -> None:
        if len(text) > CACHED_CHARACTERS:
            return
        self._kept[text] = document
        self._characters += _weight(text, document)
        while self._characters > CACHED_CHARACTERS:
            self._characters -= _weight(*self._kept.popitem(last=False))


def _weight(text: str, document: Document) -> int:
    """In characters: what a short text spreads again and again is kept for each place."""
    kept = sum(one.kept for one in document.operations.values())
    return max(len(text), SELECTION_CHARACTERS * kept)
