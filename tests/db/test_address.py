"""What PICTOR_DATABASE_URL may say."""

import pytest
from sqlalchemy import make_url

from app.db.address import DatabaseSettingError, sqlalchemy_url


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_each_scheme_means_the_same_driver(scheme: str) -> None:
    url = make_url(sqlalchemy_url(f"{scheme}://pictor:p%40s%2Fs@db.example.org:5433/pictor"))
    assert url.drivername == "postgresql+asyncpg"
    assert (url.username, url.password) == ("pictor", "p@s/s")
    assert (url.host, url.port, url.database) == ("db.example.org", 5433, "pictor")


def test_what_the_driver_is_told_is_kept() -> None:
    text = "postgresql://u@/d?host=a:1&host=b:2&target_session_attrs=read-write&ssl=verify-full\n"
    assert dict(make_url(sqlalchemy_url(text)).query) == {
        "host": ("a:1", "b:2"),
        "target_session_attrs": "read-write",
        "ssl": "verify-full",
    }


def test_an_address_as_providers_hand_it_out() -> None:
    url = make_url(sqlalchemy_url("postgresql://u:p@db.example.org/d?sslmode=require"))
    assert dict(url.query) == {"ssl": "require"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (" ", "postgresql://"),
        ("nonsense", "postgresql://"),
        ("mysql://u:canary@h/d", "postgresql://"),
        ("postgresql+psycopg2://u:canary@h/d", "postgresql://"),
        ("sqlite:///canary.db", "postgresql://"),
        ("postgresql://u:canary@h:port/d", "user:password@host:port"),
        ("postgresql://u:canary@[::1/d", "user:password@host:port"),
        ("postgresql://u:canary@h1:1,h2:2/d", "user:password@host:port"),
        ("postgresql://u:canary@h/d?sslcert=x&aplication_name=y", "aplication_name, sslcert"),
    ],
)
def test_anything_else_is_refused_by_the_setting_s_name_and_without_its_secret(
    text: str, said: str
) -> None:
    with pytest.raises(DatabaseSettingError) as refusal:
        sqlalchemy_url(text)
    assert str(refusal.value).startswith("PICTOR_DATABASE_URL: ")
    assert said in str(refusal.value)
    assert "canary" not in str(refusal.value)
    assert refusal.value.__cause__ is None
