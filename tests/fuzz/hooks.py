"""What schemathesis is told: the scalars of this schema, and what every answer must look like. It runs without the product's packages.

SCHEMATHESIS_HOOKS names this file; with commas, PICTOR_CODES is the closed list, PICTOR_IDS are ids that exist,
PICTOR_OWN those on which the run itself stands. PICTOR_TALLY is where the counts go.
"""

import atexit
import json
import os
import random
import re
from collections import Counter
from datetime import UTC
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

CODES = frozenset(os.environ["PICTOR_CODES"].split(","))
IDS = os.environ["PICTOR_IDS"].split(",")
OWN = re.compile("|".join(os.environ["PICTOR_OWN"].split(",")))
ENDING = re.compile(r"\b(revokeApiKey|deleteUser|deleteTeam|removeMembership|setMembership)\b")
ID = re.compile(r'(\bid|Id|\bids|Ids)(: \[?)"[^"]*"')
ONE_OF = re.compile(r"^Within OneOf Input Object type '\w+', exactly one field must be specified")
"""What is said of an input with @oneOf, of which schemathesis knows nothing: it gives two members, or a null."""
SEEN: Counter[str] = Counter()

schemathesis.graphql.scalar(
    "DateTime",
    st.datetimes(timezones=st.just(UTC)).map(lambda at: nodes.String(at.isoformat())),
)
schemathesis.graphql.scalar("Upload", st.text(max_size=20).map(nodes.String))


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Ids that exist in half of the questions: of made-up ones nothing is ever found. Changes keep theirs, which are
    partly learned from answers, but for those that would end the key of the run.
    """
    if not isinstance(case.body, str):
        return
    if ENDING.search(case.body):
        case.body = OWN.sub("x", case.body)
    elif not case.body.startswith("mutation") and random.random() < 0.5:
        case.body = ID.sub(lambda found: f'{found[1]}{found[2]}"{random.choice(IDS)}"', case.body)


@schemathesis.check
def answers_as_documented(_context: Any, response: Any, case: Any) -> None:
    """Each error has a code of the closed list, the request's id, and is no fault of the server's."""
    assert response.status_code < 500, response.text[:500]
    body = response.json()
    SEEN["answers"] += 1
    SEEN["with data"] += body.get("data") is not None
    for error in body.get("errors", ()):
        extensions = error["extensions"]
        SEEN[extensions["code"]] += 1
        assert extensions["code"] in CODES - {"INTERNAL_SERVER_ERROR", "UNAVAILABLE"}, error
        assert extensions["requestId"] == response.headers["x-request-id"][0], error
        if extensions["code"] == "BAD_USER_INPUT":
            assert extensions.get("field"), error
        if is_meant_to_be_right(case) and not ONE_OF.search(error["message"]):
            assert not extensions["code"].startswith("GRAPHQL_"), error
    assert "errors" in body or "data" in body


def is_meant_to_be_right(case: Any) -> bool:
    """Whether the document was made to fit the schema. A file can be no literal, so those with files never do."""
    is_positive = case.meta is not None and case.meta.generation.mode.value == "positive"
    return is_positive and not re.search(r"\b(file|files|image):", str(case.body))


@atexit.register
def tally() -> None:
    if target := os.environ.get("PICTOR_TALLY"):
        Path(target).write_text(json.dumps(dict(SEEN.most_common())))
