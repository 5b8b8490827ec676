"""The next batches made ahead, by threads: NumPy, torch and Pillow let go of the interpreter's lock where they work.

What comes out, and in which order, does not depend on how many threads there are. Threads share the memory of the
run, so a batch is handed over without a copy; there is nothing to pickle, to name or to clean up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

_AHEAD = 2
"""Results per thread that wait to be fetched, or are being made."""


def ahead(jobs: Iterable[Callable[[], T]], workers: int) -> Generator[T, None, None]:
    """The result of each job, in order, `workers` of them at a time; 0 makes each one when it is asked for.

    An error of a job is raised where its result would come. When the iterator is closed, jobs not yet begun are
    dropped.
    """
    if workers == 0:
        for job in jobs:
            yield job()
        return
    todo = iter(jobs)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="burnish-rows")
    try:
        waiting: deque[Future[T]] = deque(pool.submit(job) for job in islice(todo, _AHEAD * workers))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(job) for job in islice(todo, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
