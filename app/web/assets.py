"""The static files of our pages."""

import os
import re
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.web.graphiql import CONTENT_SECURITY_POLICY

HASHED: Final = re.compile(r"-[A-Z0-9]{8}\.\w+$")
"""Names that a build gives to one version of a file and never again."""
FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "public, max-age=0, must-revalidate"


class Assets(StaticFiles):
    """Files with the page's own policy (a worker script brings its own), cached by the kind of their name."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["content-security-policy"] = CONTENT_SECURITY_POLICY
        lasting = HASHED.search(Path(full_path).name) is not None
        response.headers["cache-control"] = FOREVER if lasting else ASK_AGAIN
        return response
