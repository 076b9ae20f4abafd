"""The Accept header: weights, wildcards, and which type wins."""

import pytest

from app.web import negotiation
from app.web.negotiation import GRAPHQL_RESPONSE
from app.web.problems import JSON, Refusal

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, "
    "text/event-stream, multipart/mixed"
)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("", JSON),
        (" ", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/json; charset=utf-8", JSON),
        ("application/graphql-response+json", GRAPHQL_RESPONSE),
        ("application/graphql-response+json; charset=utf-8", GRAPHQL_RESPONSE),
        ("application/graphql-response+json, application/json;q=0.9", GRAPHQL_RESPONSE),
        ("application/json, application/graphql-response+json;q=0.9", JSON),
        ("application/json;q=0.5, application/graphql-response+json;q=0.6", GRAPHQL_RESPONSE),
        ("application/json, application/graphql-response+json", GRAPHQL_RESPONSE),
        ("application/graphql-response+json;q=0, */*", JSON),
        ("application/json;q=0, */*", GRAPHQL_RESPONSE),
        ("application/json;q=nonsense, */*;q=0.1", GRAPHQL_RESPONSE),
        ("image/png, */*;q=0.1", JSON),
        (URQL, GRAPHQL_RESPONSE),
        (BROWSER, JSON),
    ],
)
def test_answer_has_the_type_that_weighs_most(accept: str | None, media_type: str) -> None:
    assert negotiation.choose(accept) == media_type


@pytest.mark.parametrize(
    "accept",
    ["image/png", "text/html", "*/*;q=0", "application/json;q=0", "application/xml", "nonsense"],
)
def test_neither_type_is_acceptable(accept: str) -> None:
    with pytest.raises(Refusal) as refused:
        negotiation.choose(accept)
    assert refused.value.status == 406


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("text/html, application/json", True),
        ("application/json, text/html;q=0.9", False),
        ("text/html;q=0", False),
        ("text/*", False),
        ("*/*", False),
        (None, False),
        (URQL, False),
    ],
)
def test_only_who_names_html_gets_the_page(accept: str | None, page: bool) -> None:
    assert negotiation.prefers_page(accept) is page
