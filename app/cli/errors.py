"""`pictor errors`: every code that an answer can have, as docs/errors.md holds it."""

import argparse

from app.settings import Settings
from app.web import errors_page


def arguments(_parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


async def run(_settings: Settings, _asked: argparse.Namespace) -> int:
    print(errors_page.page(), end="")
    return 0
