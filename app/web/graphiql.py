"""The page of GraphiQL: our own build, filled with the address, the examples and, in a demo, the key."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.web.proxies import is_local

STATIC: Final = Path(__file__).parent / "static"
INDEX: Final = STATIC / "graphiql" / "index.html"
EXAMPLES: Final = Path(__file__).parent / "examples"
PLACEHOLDER: Final = '{"endpoint": "/graphql"}'
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "worker-src 'self'",
        # Of a WebSocket, too, it means this very host and port.
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


class Page:
    """index.html with its settings. A demo's key goes to browsers on this very machine only, and to no page: with
    PICTOR_CORS_ORIGINS those of other sites may read what they fetch, and then the browser names their origin.
    """

    def __init__(self, *, endpoint: str, demo_key: str | None = None) -> None:
        self._before, self._after = INDEX.read_text("utf-8").split(PLACEHOLDER)
        self._config = {"endpoint": endpoint, "queries": examples(EXAMPLES)}
        self._demo_key = demo_key

    def response(self, request: Request) -> Response:
        config = dict(self._config)
        asked_by_page = "origin" in request.headers
        if self._demo_key is not None and is_local(request) and not asked_by_page:
            config["apiKey"] = self._demo_key
        return Response(
            self._before + _embedded(config) + self._after,
            media_type="text/html",
            headers={
                "content-security-policy": CONTENT_SECURITY_POLICY,
                "cache-control": "private, no-store",
            },
        )


def _embedded(config: Mapping[str, object]) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(config, ensure_ascii=False).replace("<", "\\u003c")


def examples(folder: Path) -> list[dict[str, str]]:
    """Name (the first comment), text and variables of each `*.graphql` with the `*.json` beside it."""
    return [
        {
            "name": text.partition("\n")[0].lstrip("# "),
            "query": text,
            "variables": variables.read_text("utf-8") if variables.exists() else "",
        }
        for path in sorted(folder.glob("*.graphql"))
        for text, variables in [(path.read_text("utf-8"), path.with_suffix(".json"))]
    ]
