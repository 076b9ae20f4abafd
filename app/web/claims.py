"""What a signed address claims, and what of it still holds at the moment of its use."""

import time

from app.domain import Actor
from app.errors import forbidden, not_found
from app.resources import Resources
from app.services.people import api_keys, sessions
from app.services.people.addresses import Claim


def good(claim: Claim | None, what: str) -> tuple[Claim, dict[str, str]]:
    """The claim, and the headers under which its bytes may be cached until it ends.

    NOT_FOUND for a wrong signature as for what is not there; FORBIDDEN once it has expired.
    """
    now = time.time()
    if claim is None:
        raise not_found(what)
    if claim.expired(now):
        raise forbidden("This address has expired: ask for a new one.")
    max_age = max(int(claim.expires_at - now), 0)
    return claim, {"cache-control": f"private, max-age={max_age}"}


def claimant(claim: Claim | None) -> Actor | None:
    """For whom the address was made, as far as it says so."""
    return Actor(claim.user_id, {}, api_key_id=claim.api_key_id) if claim else None


async def holder(resources: Resources, claim: Claim) -> Actor | None:
    """The same with the roles that they have now; None for a key that has ended."""
    async with resources.db.login.transaction() as session:
        if claim.api_key_id is not None:
            return await api_keys.actor_of(session, claim.api_key_id)
        return await sessions.actor_of(session, claim.user_id)
