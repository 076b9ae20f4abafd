"""graphql-http's audits of a server, by the authors of the specification."""

from collections.abc import Callable


def test_every_audit_of_graphql_http_is_ok(node: Callable[..., str]) -> None:
    assert node("audit.mjs") == "61 of 61 ok\n"
