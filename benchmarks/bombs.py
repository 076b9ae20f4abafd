"""What refusing hostile documents costs, against a trivial one in the same run.

    python -m benchmarks.bombs [--rounds 20]

Each bomb goes through what the edge does with a text before anything runs (length, tokens, parsing, limits, cost,
validation), with the default settings and a cache that has never seen it. The least CPU time of all rounds counts.
tests/web/test_bombs.py takes the same bombs and counts the work instead.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import gc
import json
import time
from collections.abc import Callable
from typing import Any, Final

from graphql import GraphQLError

from app.errors import AppError
from app.graphql.cost_inputs import Request
from app.graphql.limits import check_cost
from app.graphql.schema import build_schema
from app.settings import Settings
from app.web import bodies
from app.web.documents import Documents, InvalidDocument

TRIVIAL: Final = "{ __typename }"
ORDINARY: Final = """query Page($first: Int, $filter: ImageFilter) { images(first: $first, filter: $filter) {
  totalCount pageInfo { hasNextPage endCursor }
  nodes { id title takenAt thumbnail { url } tags { name } uploadedBy { name } team { name } } } }"""


def fragments(count: int, body: Callable[[int], str], last: str) -> str:
    """A chain of fragments on Query, each with what `body` makes of its number."""
    chain = "".join(f"fragment f{n} on Query{{{body(n)}}}" for n in range(count))
    return "{...f0}" + chain + f"fragment f{count} on Query{{{last}}}"


def nested(fields: str, times: int) -> str:
    return "{" + (fields + "{") * times + "__typename" + "}" * (times + 1)


BOMBS: Final[dict[str, str]] = {
    "2^22 fragments": fragments(22, lambda n: f"...f{n + 1} ...f{n + 1}", "__typename"),
    "2^95 fragments with fields": fragments(
        95, lambda n: f"viewer{{isOperator}} ...f{n + 1} ...f{n + 1}", "__typename"
    ),
    "doubling below aliases": fragments(
        80, lambda n: f"a{n}:viewer{{user{{name}}}} b{n}:viewer{{isOperator}} ...f{n + 1}", "x"
    ),
    "cyclic fragments": "{...f0}"
    + "".join(
        f"fragment f{n} on Query{{{' '.join(f'...f{m}' for m in range(40))}}}" for n in range(40)
    ),
    "a fragment of itself": "{...f} fragment f on Query{viewer{isOperator} ...f}",
    "1,000 aliases": "{" + " ".join(f"a{n}:__typename" for n in range(1_000)) + "}",
    "1,000 aliases of a search": "{"
    + " ".join(f'a{n}:searchImages(query:{{text:"a"}}){{model}}' for n in range(300))
    + "}",
    "3,000 directives": "{__typename " + "@a " * 3_000 + "}",
    "500 directives that exist": "{__typename " + "@skip(if:false) " * 500 + "}",
    "20,000 duplicate fields": "{" + "__typename " * 20_000 + "}",
    "3,900 duplicate fields": "{" + "__typename " * 3_900 + "}",
    "350 duplicate objects": "{" + "viewer{user{id}} " * 500 + "}",
    "250 fragments to merge": "{"
    + " ".join(f"...f{n}" for n in range(200))
    + "}"
    + "".join(f"fragment f{n} on Query{{viewer{{user{{id}}}}}}" for n in range(200)),
    "deep introspection": "{__schema{types" + "{fields{type" * 30 + "{name}" + "}}" * 30 + "}}",
    "wide introspection": "{__schema{"
    + " ".join(f"a{n}:types{{fields{{args{{name}}type{{fields{{name}}}}}}}}" for n in range(99))
    + "}}",
    "10,000 ids in the text": "{nodes(ids:[" + '"a" ' * 10_000 + "]){id}}",
    "1 MiB of fields": "{" + "hello " * 174_000 + "}",
    "1 MiB of blanks": "{__typename" + " " * 1_048_000 + "}",
    "1 MiB in a string": '{node(id:"' + "a" * 1_048_000 + '"){id}}',
    "1 MiB of escapes": '{node(id:"' + "\\n" * 524_000 + '"){id}}',
    "nested 1,900 deep": "{" + "a{" * 1_900,
    "nested 40 deep": nested("viewer", 40),
    "lists in lists": "{images(first:100){nodes{similar(first:100){nodes{similar(first:100){model}}}}}}",
    "lists in a value": "{nodes(ids:" + "[" * 500 + "]" * 500 + "){id}}",
}


def prepare(documents: Documents, text: str, variables: dict[str, Any] | None = None) -> str:
    """What becomes of the text: the code of the error, or OK."""
    try:
        body = json.dumps({"query": text, "variables": variables or {}}).encode()
        asked: Any = bodies.parse(body, "body")
        document = documents.prepare(asked["query"])
        check_cost(document.operation(None).plan.cost(Request(asked["variables"])), 50_000)
    except AppError as error:
        return error.code.value
    except InvalidDocument:
        return "GRAPHQL_VALIDATION_FAILED"
    except GraphQLError:
        return "GRAPHQL_PARSE_FAILED"
    return "OK"


def measured(
    documents: Callable[[], Documents], text: str, rounds: int, variables: dict[str, Any]
) -> tuple[float, str]:
    """The least CPU milliseconds of the rounds, and the outcome."""
    best, outcome = float("inf"), ""
    for _ in range(rounds):
        fresh = documents()
        began = time.process_time()
        outcome = prepare(fresh, text, variables)
        best = min(best, time.process_time() - began)
    return best * 1_000, outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    schema, settings = build_schema()._schema, Settings()
    gc.collect()
    gc.freeze()  # as the server does
    many = {"ids": [str(n) for n in range(10_000)]}
    by_variable = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    cases = {"trivial": (TRIVIAL, {}), "ordinary page": (ORDINARY, {"first": 50})}
    cases |= {name: (text, {}) for name, text in BOMBS.items()}
    cases["10,000 ids by variable"] = (by_variable, many)
    documents = Documents(schema, settings)
    documents.prepare(TRIVIAL)
    trivial = measured(lambda: Documents(schema, settings), TRIVIAL, rounds, {})[0]
    print(f"{'document':<30} {'CPU ms':>8} {'x trivial':>10}  outcome")
    for name, (text, variables) in cases.items():
        took, outcome = measured(lambda: Documents(schema, settings), text, rounds, variables)
        print(f"{name:<30} {took:8.2f} {took / trivial:10.1f}  {outcome}")


if __name__ == "__main__":
    main()
