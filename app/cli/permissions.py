"""`pictor permissions`: who may do what, as docs/permissions.md holds it."""

import argparse

from app.graphql import permissions
from app.settings import Settings


def arguments(_parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


async def run(_settings: Settings, _asked: argparse.Namespace) -> int:
    print(permissions.page(), end="")
    return 0
