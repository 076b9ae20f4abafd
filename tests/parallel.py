"""Which tests go together when several processes share them (`pytest -n 2`): a process starts what they share once."""

from typing import Final

from xdist.scheduler.loadscope import LoadScopeScheduling

TOGETHER: Final = ("tests/clients/", "tests/fuzz/")
"""Folders whose tests share one server, and packages that are installed once."""


class ByFile(LoadScopeScheduling):
    """A file at a time, or a whole folder that shares something dear, in the order in which they were found."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)
