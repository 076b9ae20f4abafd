"""urql against a running server."""

from collections.abc import Callable

from tests.clients.conftest import Gallery


def test_urql_queries_uploads_and_subscribes(node: Callable[..., str], gallery: Gallery) -> None:
    node("urql.mjs", str(gallery.photo))
