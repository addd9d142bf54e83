"""Run a function over items on a thread pool, in order, with a bounded number in flight.

Kernels release the GIL, so threads use every core without copying a batch. The result does not
depend on the number of workers: same items, same order.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_work = threading.local()


def default_workers() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def stop_if_ended() -> None:
    """Raise CancelledError in a worker whose map was left early; for loops that take seconds and longer."""
    ended: threading.Event | None = getattr(_work, "ended", None)
    if ended is not None and ended.is_set():
        raise CancelledError


def _begin(ended: threading.Event) -> None:
    """Tell a worker where it reads that its map has ended."""
    _work.ended = ended


def ordered_map(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yield `function(item)` in the order of the items; at most `workers + 1` items are in flight."""
    if workers <= 1:
        yield from map(function, items)
        return
    ended = threading.Event()
    with ThreadPoolExecutor(workers, initializer=_begin, initargs=(ended,)) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            ended.set()
            for future in waiting:
                future.cancel()
