"""`pictor schema`: the GraphQL schema, as schema.graphql holds it."""

import argparse

from app.graphql.schema import build_schema
from app.settings import Settings


def arguments(_parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


async def run(_settings: Settings, _asked: argparse.Namespace) -> int:
    print(build_schema().as_str())
    return 0
