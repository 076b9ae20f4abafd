"""Which tests go together when several processes share them (`pytest -n 2`): a process starts what they share once."""

import importlib
import sys
from pathlib import Path
from typing import Final

from xdist.scheduler.loadscope import LoadScopeScheduling

TOGETHER: Final = ("tests/clients/", "tests/fuzz/")
"""Folders whose tests share one server, and packages that are installed once."""


FIRST: Final = (
    "tests/test_readme.py",
    "tests/clients/",
    "tests/services/test_listing.py",
    "tests/worker/",
    "tests/services/",
    "tests/fuzz/",
    "tests/cli/",
)
"""What takes minutes: begun last, it would leave the other processes idle."""


def longest_first(nodeid: str) -> int:
    """The place in FIRST, or after it: tests are sorted by this where several processes share them."""
    return next((n for n, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))


TESTS: Final = Path(__file__).parent


def compile_for_all(number: int, processes: int) -> None:
    """Imports this process's share of the modules before pytest does, and keeps what was compiled for the others.

    All processes collect all tests: each would rewrite the assertions of 180 modules by itself, for 10 seconds of a core.
    """
    modules = sorted(TESTS.rglob("test_*.py"), key=lambda path: path.stat().st_size)
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        for path in modules[number::processes]:
            importlib.import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))
    finally:
        sys.dont_write_bytecode = kept


class ByFile(LoadScopeScheduling):
    """A file at a time, or a whole folder that shares something dear, in the order in which they were found."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)
