"""Arguments of the right types with hostile values: ids, cursors, filters, orders, texts and tag names.

All questions go as variables of fixed documents; of changes only those that are refused, or that make a tag.
"""

import base64
import json
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import judge
from tests.fuzz.hostile import dates, words
from tests.fuzz.target import Target

SHARE: Final = 6
"""How many times more of these are tried than of the others: 50,000 in the long run."""
ids = st.one_of(
    words, st.uuids().map(str), st.sampled_from(("{x}", "urn:uuid:" + "0" * 32, "0" * 32, "-" * 36))
)
integers = st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 105)
floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from((-1.0, 0.0, 1.0, 1e308))


def cursor(values: list[Any]) -> str:
    packed = json.dumps(values, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


PLACES: Final = (
    "images:CREATED_AT",
    "CREATED_AT",
    "tags",
    "users",
    "teams",
    "search",
    "collections",
    "x",
)
forged = st.lists(
    st.one_of(st.none(), st.integers(-(2**70), 2**70), words, st.uuids().map(str), st.floats(), st.just([[]])),
    max_size=4,
)  # fmt: skip
cursors = st.one_of(
    words,
    st.builds(lambda name, rest: cursor([name, *rest]), st.sampled_from(PLACES) | words, forged),
    st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode()),
    st.just("GOOD"),
)
"""GOOD stands for a cursor of this very list, with its values changed or as it was."""


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the members, the others absent."""
    return st.fixed_dictionaries({}, optional=members)


names = st.lists(st.sampled_from(("red", "blue", "RED")) | words, max_size=6) | st.lists(
    words, min_size=48, max_size=52
)
many_ids = st.lists(ids, max_size=4) | st.integers(98, 102).map(lambda n: ["x"] * n)
spans = some(**{"from": maybe(dates), "to": maybe(dates)})
numbers = some(min=maybe(integers), max=maybe(integers))
filters = some(
    teamId=maybe(ids), ids=maybe(many_ids), tags=some(all=maybe(names), any=maybe(names), none=maybe(names)),
    collectionId=maybe(ids), uploadedById=maybe(ids), createdAt=spans, takenAt=spans, taggedAt=spans, width=numbers, height=numbers,
    formats=st.lists(st.sampled_from(("JPEG", "PNG", "x")), max_size=3), sizeBytes=numbers, text=maybe(words), trashed=maybe(st.booleans()),
    processing=st.lists(st.sampled_from(("PENDING", "READY")), max_size=2), damaged=maybe(st.booleans()),
)  # fmt: skip
orders = st.fixed_dictionaries(
    {"field": st.sampled_from(("CREATED_AT", "TAKEN_AT", "TITLE", "SIZE_BYTES", "WEIGHT"))},
    optional={"direction": st.sampled_from(("ASC", "DESC"))},
)
terms = st.lists(some(text=maybe(words), imageId=maybe(ids), weight=floats), max_size=11)
pages = {"first": maybe(integers), "after": maybe(cursors)}
both_ways = pages | {"last": maybe(integers), "before": maybe(cursors), "offset": maybe(integers)}

PAGE: Final = "nodes { id } pageInfo { endCursor hasPreviousPage }"
ARGUMENTS: Final = "$first: Int, $after: String"
LIST: Final = """query ($filter: ImageFilter, $orderBy: ImageOrder, $first: Int, $after: String, $last: Int, $before: String, $offset: Int) {
    images(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before, offset: $offset) { totalCount %s } }"""
CASES: Final[dict[str, tuple[str, st.SearchStrategy[dict[str, Any]]]]] = {
    "images": (LIST % PAGE, some(filter=filters, orderBy=orders, **both_ways)),
    "draws": (
        "query ($filter: ImageFilter, $count: Int! = 1) { randomImages(filter: $filter, count: $count) { id } }",
        some(filter=filters, count=integers),
    ),
    "nodes": (
        "query ($id: ID!, $ids: [ID!]!) { node(id: $id) { id } nodes(ids: $ids) { id } image(id: $id) { id } user(id: $id) { id } }",
        st.fixed_dictionaries({"id": ids, "ids": many_ids}),
    ),
    "search": (
        "query ($text: String!, $not: SearchQuery, $mode: SearchMode! = SEMANTIC, $filter: ImageFilter, $minScore: Float, $orderBy: ImageOrder,"
        " $more: [SearchTerm!], $less: [SearchTerm!], $diversity: Float, " + ARGUMENTS + ") {"
        " searchImages(query: {text: $text}, not: $not, more: $more, less: $less, mode: $mode, filter: $filter, minScore: $minScore,"
        " orderBy: $orderBy, diversity: $diversity, first: $first, after: $after)"
        " { nodes { id } pageInfo { endCursor } } }",
        st.fixed_dictionaries(
            {"text": words},
            optional={
                "not": some(text=words, imageId=ids), "mode": st.sampled_from(("SEMANTIC", "HYBRID")), "filter": filters,
                "minScore": maybe(floats), "orderBy": maybe(orders), "more": maybe(terms), "less": maybe(terms),
                "diversity": maybe(floats), **pages,
            },
        ),
    ),
    "tags": (
        "query ($search: String, $teamId: ID, $name: String, $offset: Int, " + ARGUMENTS + ") { tag(teamId: $teamId, name: $name) { id }"
        " tags(teamId: $teamId, search: $search, first: $first, after: $after, offset: $offset) { " + PAGE + " } }",
        some(search=maybe(words), teamId=maybe(ids), name=maybe(words), offset=maybe(integers), **pages),
    ),
    "people": (
        "query ($id: ID, $slug: String, $offset: Int, " + ARGUMENTS + ") { team(id: $id, slug: $slug) { id }"
        " users(teamId: $id, first: $first, after: $after, offset: $offset) { " + PAGE + " }"
        " teams(first: $first, offset: $offset) { nodes { members(first: $first, after: $after) { nodes { id } } } } }",
        some(id=maybe(ids), slug=maybe(words), offset=maybe(integers), **pages),
    ),
    "audit": (
        "query ($id: ID, $action: String, $at: DateTimeRange, " + ARGUMENTS + ") {"
        " auditEvents(teamId: $id, userId: $id, action: $action, at: $at, first: $first, after: $after) { " + PAGE + " } }",
        some(id=maybe(ids), action=maybe(words), at=maybe(spans), **pages),
    ),
    "addresses": (
        "query ($in: Int, $min: Float, $filter: ImageFilter, " + ARGUMENTS + ") { images(first: 1) { nodes { url(expiresIn: $in)"
        " similar(minScore: $min, filter: $filter, first: $first, after: $after) { nodes { id } } } } }",
        some(**{"in": maybe(integers)}, min=maybe(floats), filter=filters, **pages),
    ),
    "changes": (
        "mutation ($ids: [ID!]!, $id: ID!, $tags: [String!]!) { trashImages(ids: $ids) { id } addTags(imageIds: $ids, tags: $tags) { id }"
        " setTags(imageId: $id, tags: $tags) { id } mergeTags(sourceIds: $ids, targetId: $id) { id } deleteTag(id: $id) }",
        st.fixed_dictionaries({"ids": st.lists(ids, min_size=1, max_size=4), "id": ids, "tags": names}),
    ),
    "texts": (
        "mutation ($image: ID!, $title: String, $description: String, $takenAt: DateTime, $weight: Float, $tags: [String!]!) {"
        " updateImage(input: {id: $image, title: $title, description: $description, takenAt: $takenAt, weight: $weight})"
        " { title description takenAt weight } setTags(imageId: $image, tags: $tags) { tags { name } } }",
        st.fixed_dictionaries(
            {"image": st.just("REAL"), "tags": st.lists(words, max_size=3)},
            optional={"title": words, "description": words, "takenAt": maybe(dates), "weight": floats},
        ),
    ),
    "makings": (
        "mutation ($input: CreateCollectionInput!, $team: ID!, $name: String!, $user: CreateUserInput!, $key: CreateApiKeyInput!) {"
        " createCollection(input: $input) { id } createTag(teamId: $team, name: $name) { id } createUser(input: $user) { user { id } }"
        " createApiKey(input: $key) { apiKey { id } } }",
        st.fixed_dictionaries({
            "input": st.fixed_dictionaries({"teamId": ids, "name": words}, optional={"description": maybe(words)}),
            "team": st.just("TEAM") | ids, "name": words,
            "user": st.fixed_dictionaries({"teamId": ids, "name": words, "email": words}),
            "key": st.fixed_dictionaries({"teamId": ids, "name": words}, optional={"expiresAt": maybe(dates), "userId": ids}),
        }),
    ),
}  # fmt: skip


def real(target: Target, variables: dict[str, Any], good: str) -> dict[str, Any]:
    """The words that stand for something real put in their places."""
    named = {"GOOD": good, "REAL": target.images[2]["id"], "TEAM": target.team_id}
    return {
        key: named.get(one, one) if isinstance(one, str) else one for key, one in variables.items()
    }


@given(data=st.data())
@settings(max_examples=settings().max_examples * SHARE)
def test_hostile_values(target: Target, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(CASES)))
    query, strategy = CASES[name]
    variables = real(target, data.draw(strategy), good(target, query))
    answer = target.ask(query, variables)
    for code, found in zip(judge.body(answer), answer.get("errors", ()), strict=True):
        assert code in ("BAD_USER_INPUT", "NOT_FOUND", "CONFLICT", "FORBIDDEN"), found
        if code == "BAD_USER_INPUT":
            assert found["extensions"].get("field"), found


GOOD: dict[str, str] = {}


def good(target: Target, query: str) -> str:
    """A cursor that the server itself gave for this document's list; none where the list is empty."""
    if query not in GOOD:
        found = json.dumps(target.ask(query, {"text": "sun", "first": 1}))
        GOOD[query] = found.partition('"endCursor": "')[2].partition('"')[0]
    return GOOD[query]
