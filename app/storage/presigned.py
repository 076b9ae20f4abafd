"""Addresses at which anybody may put one object: Signature Version 4 in the query, with signed headers. No vendor.

minio's own client signs the host alone, which bounds neither size nor type of what is put.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlsplit

ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
"""Not every server takes a hash of the body in a presigned request; whoever reads the object checks it."""


@dataclass(frozen=True, slots=True)
class PresignedPut:
    """The address, and the headers that a PUT to it must carry, as they were signed."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for objects of a bucket at `endpoint` (`https://host[:port]`), path style."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str

    def put(
        self, key: str, headers: Mapping[str, str], *, lifetime: timedelta, now: datetime
    ) -> PresignedPut:
        """An address that is good for `lifetime` (at most a week) from `now`, for a PUT with these headers alone."""
        path = f"/{self.bucket}/{quote(key)}"
        query = self.query("PUT", path, headers, lifetime, now)
        return PresignedPut(f"{self.endpoint}{path}?{query}", dict(headers))

    def query(
        self, method: str, path: str, headers: Mapping[str, str], lifetime: timedelta, now: datetime
    ) -> str:
        """The query with the signature, as AWS describes it in "Authenticating Requests: Using Query Parameters"."""
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        signed = {name.lower(): value for name, value in headers.items()}
        signed = dict(sorted((signed | {"host": urlsplit(self.endpoint).netloc}).items()))
        names = ";".join(signed)
        parameters = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{self.access_key}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(int(lifetime.total_seconds())),
            "X-Amz-SignedHeaders": names,
        }
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        request = "\n".join((method, path, query, lines, names, UNSIGNED))
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join((ALGORITHM, stamp, scope, digest))
        return f"{query}&X-Amz-Signature={self._signature(stamp[:8], text)}"

    def _signature(self, day: str, text: str) -> str:
        """The signature of the text, by the key of that day, region and service."""
        key = f"AWS4{self.secret_key}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), hashlib.sha256)
        return hmac.digest(key, text.encode(), hashlib.sha256).hex()
