"""Apollo Client against a running server."""

from collections.abc import Callable

from tests.clients.conftest import Gallery


def test_apollo_client_queries_pages_uploads_and_reads_errors(
    node: Callable[..., str], gallery: Gallery
) -> None:
    node("apollo.mjs", str(gallery.photo))
