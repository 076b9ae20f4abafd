"""Whose tries a meter counts."""

import pytest

from app.services.people import throttle


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("203.0.113.5", "::ffff:203.0.113.5"),
        ("::ffff:cb00:7105", "::ffff:203.0.113.5"),
        ("2001:db8::1", "2001:db8::ffff:2"),
    ],
)
def test_a_client_has_one_meter_however_its_address_is_written(one: str, other: str) -> None:
    assert len(throttle.client(one)) == 1
    assert throttle.client(one) == throttle.client(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("203.0.113.5", "203.0.113.6"),
        ("::ffff:203.0.113.5", "::ffff:198.51.100.7"),
        ("2001:db8::1", "2001:db8:0:1::1"),
    ],
)
def test_clients_have_a_meter_each(one: str, other: str) -> None:
    assert throttle.client(one) != throttle.client(other)


def test_what_is_no_address_has_none() -> None:
    for address in (None, "", "testclient", "203.0.113.5:80", "::ffff:203.0.113.5.1"):
        assert throttle.client(address) == []
