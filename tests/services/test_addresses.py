"""Signed addresses: what they name, how long they hold, and that nothing in them can be changed."""

from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from app.domain import Actor, ThumbnailSize
from app.errors import AppError, ErrorCode
from app.services.people import addresses
from app.services.people.addresses import Claim, Variant

KEY = b"a secret of the installation"
IMAGE = UUID(int=7)
MEMBER = Actor(user_id=UUID(int=1), roles={})
BY_KEY = Actor(user_id=UUID(int=1), roles={}, api_key_id=UUID(int=2))
NOW = 1_800_000_123.5


def signed(actor: Actor = BY_KEY, *, expires_in: int = 3600, now: float = NOW) -> str:
    return addresses.sign(
        KEY,
        image_id=IMAGE,
        variant=Variant.ORIGINAL,
        actor=actor,
        expires_in=expires_in,
        now=now,
    )


def token_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["token"][0]


def claim(
    token: str, *, key: bytes = KEY, image: UUID = IMAGE, variant: Variant = Variant.ORIGINAL
) -> Claim | None:
    return addresses.verify(key, image_id=image, variant=variant, token=token)


def test_address_names_image_variant_and_actor() -> None:
    address = signed()
    assert urlsplit(address).path == f"/images/{IMAGE}/original"
    found = claim(token_of(address))
    assert found is not None
    assert (found.user_id, found.api_key_id) == (BY_KEY.user_id, BY_KEY.api_key_id)
    assert claim(token_of(signed(MEMBER))) == Claim(MEMBER.user_id, None, found.expires_at)


@pytest.mark.parametrize("lifetime", [60, 61, 3600, 86_400, 604_800])
def test_expiry_is_rounded_up_to_a_window_and_repeats(lifetime: int) -> None:
    window = max(lifetime // 4, 60)
    found = claim(token_of(signed(expires_in=lifetime)))
    assert found is not None
    assert found.expires_at % window == 0
    assert NOW + lifetime - 1 < found.expires_at <= NOW + lifetime + window
    assert not found.expired(found.expires_at - 1)
    assert found.expired(found.expires_at)


def test_same_address_comes_again_inside_a_window() -> None:
    start = 900.0 * 2_000_000
    assert len({signed(now=start + second) for second in range(1, 900, 7)}) == 1
    assert signed(now=start + 1) != signed(now=start + 901)


@pytest.mark.parametrize("lifetime", [-1, 0, 59, 604_801])
def test_lifetime_outside_its_bounds_is_refused(lifetime: int) -> None:
    with pytest.raises(AppError) as refused:
        signed(expires_in=lifetime)
    assert (refused.value.code, refused.value.field) == (ErrorCode.BAD_USER_INPUT, "expiresIn")


def test_any_change_breaks_the_signature() -> None:
    token = token_of(signed())
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place, letter in enumerate(token):
        other = letters[(letters.index(letter) + 1) % len(letters)]
        assert claim(token[:place] + other + token[place + 1 :]) is None
    assert claim(token, image=UUID(int=8)) is None
    assert claim(token, variant=Variant.SMALL) is None
    assert claim(token, key=b"another secret") is None


@pytest.mark.parametrize("token", ["", "=", "a", "ä", "AAAA", "A" * 10_000, "a b", "\0"])
def test_nonsense_is_no_claim(token: str) -> None:
    assert claim(token) is None


def test_variants_name_their_thumbnails() -> None:
    assert [one.thumbnail for one in Variant] == [None, *ThumbnailSize]
