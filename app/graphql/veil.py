"""What errors give away of the schema: nothing that the client did not say, where introspection is shut."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final, TypeAlias

from graphql import GraphQLSchema, is_scalar_type

from app.settings import Settings

Told: TypeAlias = Callable[[str], str]
"""How a message of graphql-core is told."""
HINT: Final = re.compile(r" Did you mean '\w+ \{ \.\.\. \}'\?$")
"""Of a selection that is missing: the one suggestion that graphql-core does not keep to itself when it is told to."""
QUOTED: Final = re.compile(r"'([^']*)'")
NAME: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
VEILED: Final = "…"


class Veil:
    """Of one schema and installation.

    Messages name types, and arguments and fields that are required, in quotes. What an error says of the form of a value
    ("Int cannot represent …") stays: without it nobody could mend theirs.
    """

    def __init__(self, schema: GraphQLSchema, settings: Settings) -> None:
        self._may_hint = settings.suggestions
        self._is_drawn = not settings.introspection and not settings.suggestions
        self._types = frozenset(
            name for name, kind in schema.type_map.items() if not is_scalar_type(kind)
        )

    def over(self, query: str | None, variables: Mapping[str, Any]) -> Told:
        """For the errors of what a client sent."""

        @cache
        def said() -> frozenset[str]:
            texts = (query or "", *_texts(variables))
            return frozenset(name for text in texts for name in NAME.findall(text))

        def told(message: str) -> str:
            if not self._may_hint:
                message = HINT.sub("", message)
            if not self._is_drawn:
                return message
            return self._without_types(_without_names(message, said()), said())

        return told

    def _without_types(self, message: str, said: frozenset[str]) -> str:
        """A name that has quotes itself may lead astray who looks for names in quotes; types are found all the same."""
        names = self._types - said
        return NAME.sub(lambda one: VEILED if one[0] in names else one[0], message)


def _without_names(message: str, said: frozenset[str]) -> str:
    return QUOTED.sub(
        lambda one: one[0] if said.issuperset(NAME.findall(one[1])) else f"'{VEILED}'", message
    )


def _texts(variables: Mapping[str, Any]) -> Iterator[str]:
    todo: list[Any] = [variables]
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping):
            todo += one.keys()
            todo += one.values()
        elif isinstance(one, list):
            todo += one
