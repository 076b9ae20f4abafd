"""How long work tells how far it is. What shows it is the caller's; in the background nothing does."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

Advance: TypeAlias = Callable[[int], object]
Progress: TypeAlias = Callable[[str, int | None], AbstractContextManager[Advance]]
"""Opens a bar with a name and, where it is known, a total; what it yields moves it on."""


@contextmanager
def silent(_what: str, _total: int | None) -> Iterator[Advance]:
    yield lambda _count: None
