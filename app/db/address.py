"""The database's address: from a setting's text to the one that SQLAlchemy takes. Nothing connects here."""

from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.errors import UsageError

SETTING: Final = "PICTOR_DATABASE_URL"
DIRECT_SETTING: Final = "PICTOR_DATABASE_DIRECT_URL"
SCHEMES: Final = ("postgres", "postgresql", "postgresql+asyncpg")
DRIVER: Final = "postgresql+asyncpg"
OPTIONS: Final = frozenset(
    {
        "host",
        "port",
        "ssl",
        "target_session_attrs",
        "passfile",
        "service",
        "servicefile",
        "krbsrvname",
        "gsslib",
        "prepared_statement_cache_size",
    }
)
"""Of asyncpg's and SQLAlchemy's, those that an address may set."""
AS_LIBPQ_SAYS: Final = {"sslmode": "ssl"}
"""Providers hand out addresses as PostgreSQL's own library reads them; the driver has other names for the same."""


class DatabaseSettingError(UsageError):
    """The setting cannot be used; the message names it and holds no secret."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting}: {problem}")


def sqlalchemy_url(text: str, setting: str = SETTING) -> str:
    """For the driver that is used; DatabaseSettingError, which names the setting, for what is no address of PostgreSQL."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator or scheme not in SCHEMES:
        raise DatabaseSettingError(setting, "it begins with postgresql://")
    try:
        url = make_url(f"{DRIVER}://{rest}")
    except (ArgumentError, ValueError):
        # The cause may print parts of the address, with its secret.
        raise DatabaseSettingError(
            setting,
            "an address is written postgresql://user:password@host:port/database,"
            " with %40, %2F, %3A … for signs within a part",
        ) from None
    return _driver_options(url, setting).render_as_string(hide_password=False)


def _driver_options(url: URL, setting: str) -> URL:
    query = {AS_LIBPQ_SAYS.get(name, name): value for name, value in url.query.items()}
    if unknown := sorted(set(query) - OPTIONS):
        raise DatabaseSettingError(setting, f"there is no option {', '.join(unknown)}")
    return url.set(query=query)
