"""Progress bars of long commands: on a terminal only."""

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from app.worker.progress import Advance


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Advance]:
    with tqdm(total=total, desc=what, unit="", unit_scale=True, disable=None) as shown:
        yield shown.update
