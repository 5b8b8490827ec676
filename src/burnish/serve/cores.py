"""Which processor cores a worker runs on, when several services share a machine.

The plan: a worker gets as many cores as it has threads, those that the fewest threads of other workers were given
so far, and its threads stay there. As long as the threads of all workers are no more than the
cores, nobody disturbs anybody; beyond that the load is spread evenly. The process that talks to the clients is
not bound: it takes what is left. A plan is of one process: two services on a machine get their cores from outside
(`taskset`, a container), and this one only divides what it was given. A plan without cores binds nobody.
"""

from __future__ import annotations

import os
from collections.abc import Sequence


class Cores:
    """The cores of this process, and how many worker threads were put on each."""

    def __init__(self, cores: Sequence[int]) -> None:
        self._threads = dict.fromkeys(sorted(cores), 0)

    @classmethod
    def of_machine(cls) -> Cores:
        """Those that this process may use."""
        return cls(sorted(os.sched_getaffinity(0)))

    def take(self, threads: int) -> tuple[int, ...]:
        """Cores for a worker with that many threads, at most all there are. Give them back in the end."""
        chosen = sorted(self._threads, key=lambda core: (self._threads[core], core))[: max(1, threads)]
        for core in chosen:
            self._threads[core] += 1
        return tuple(sorted(chosen))

    def give_back(self, cores: Sequence[int]) -> None:
        """The worker is gone."""
        for core in cores:
            self._threads[core] -= 1

    @property
    def crowded(self) -> bool:
        """Whether some core has threads of several workers."""
        return any(count > 1 for count in self._threads.values())
