"""Signed, expiring addresses of bytes: an image's, a dataset's. Pure functions: no SQL, no request, no clock of their own."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.domain import Actor, ThumbnailSize
from app.errors import bad_input

MIN_LIFETIME_SECONDS: Final = 60
MAX_LIFETIME_SECONDS: Final = 7 * 24 * 3600
MIN_WINDOW_SECONDS: Final = 60
PURPOSE: Final = b"pictor: address of image bytes, version 1"
"""Keeps these signatures apart from whatever else the same secret signs."""
DATASET_PURPOSE: Final = b"pictor: address of dataset bytes, version 1"
ARCHIVE: Final = "archive.tar"
"""What stands in the address of a dataset with its originals, in the place of a file's name."""
EXPIRY_BYTES: Final = 5
ID_BYTES: Final = 16
MAC_BYTES: Final = 16


class Variant(StrEnum):
    """Which bytes of an image; the values are what stands in the address."""

    ORIGINAL = "original"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"

    @property
    def thumbnail(self) -> ThumbnailSize | None:
        """The derivative that this variant is; None for the original."""
        return None if self is Variant.ORIGINAL else ThumbnailSize[self.name]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a valid signature says: for whom the address was made, and until when (Unix seconds)."""

    user_id: UUID
    api_key_id: UUID | None
    expires_at: int

    def expired(self, now: float) -> bool:
        return now >= self.expires_at


def sign(
    key: bytes, *, image_id: UUID, variant: Variant, actor: Actor, expires_in: int, now: float
) -> str:
    """Path and query under which this actor may read the bytes for at least `expires_in` seconds.

    The expiry is rounded up to a quarter of the lifetime (at least a minute), so that the same address comes
    again and can be cached. BAD_USER_INPUT outside MIN_LIFETIME_SECONDS to MAX_LIFETIME_SECONDS.
    """
    claims = _claims(actor, expires_in, now)
    token = _encode(claims + _mac(key, PURPOSE, image_id, variant, claims))
    return f"/images/{image_id}/{variant}?token={token}"


def sign_dataset(
    key: bytes, *, dataset_id: UUID, file: str, actor: Actor, expires_in: int, now: float
) -> str:
    """As `sign`, for a dataset's file of this name, or its ARCHIVE."""
    claims = _claims(actor, expires_in, now)
    token = _encode(claims + _mac(key, DATASET_PURPOSE, dataset_id, file, claims))
    return f"/datasets/{dataset_id}/{file}?token={token}"


def _claims(actor: Actor, expires_in: int, now: float) -> bytes:
    if not MIN_LIFETIME_SECONDS <= expires_in <= MAX_LIFETIME_SECONDS:
        raise bad_input(
            "expiresIn",
            f"This lies between {MIN_LIFETIME_SECONDS} and {MAX_LIFETIME_SECONDS} seconds.",
        )
    window = max(expires_in // 4, MIN_WINDOW_SECONDS)
    expires_at = -(-(int(now) + expires_in) // window) * window
    claims = expires_at.to_bytes(EXPIRY_BYTES, "big") + actor.user_id.bytes
    if actor.api_key_id is not None:
        claims += actor.api_key_id.bytes
    return claims


def verify(key: bytes, *, image_id: UUID, variant: Variant, token: str) -> Claim | None:
    """What the token claims for these bytes; None unless it was signed for exactly them.

    An expired claim is still answered: the caller asks `Claim.expired`.
    """
    return _verified(key, PURPOSE, image_id, variant, token)


def verify_dataset(key: bytes, *, dataset_id: UUID, file: str, token: str) -> Claim | None:
    """As `verify`, for a dataset's file."""
    return _verified(key, DATASET_PURPOSE, dataset_id, file, token)


def _verified(key: bytes, purpose: bytes, id: UUID, name: str, token: str) -> Claim | None:
    raw = _decode(token)
    claims, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    lengths = (EXPIRY_BYTES + ID_BYTES, EXPIRY_BYTES + 2 * ID_BYTES)
    if len(claims) not in lengths or not hmac.compare_digest(
        mac, _mac(key, purpose, id, name, claims)
    ):
        return None
    ids = claims[EXPIRY_BYTES:]
    return Claim(
        user_id=UUID(bytes=ids[:ID_BYTES]),
        api_key_id=UUID(bytes=ids[ID_BYTES:]) if len(ids) > ID_BYTES else None,
        expires_at=int.from_bytes(claims[:EXPIRY_BYTES], "big"),
    )


def _mac(key: bytes, purpose: bytes, id: UUID, name: str, claims: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104), cut to 128 bits; every part but the last has a fixed or marked length."""
    own_key = hmac.digest(key, purpose, hashlib.sha256)
    named = id.bytes + name.encode() + b"\0"
    return hmac.digest(own_key, named + claims, hashlib.sha256)[:MAC_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(token: str) -> bytes:
    """The token's bytes; empty for anything but the one spelling that `_encode` gives them."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if _encode(raw) == token else b""
