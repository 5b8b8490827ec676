"""The requests that wait, by bucket, and whose turn it is."""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable, Iterable, Mapping, Sequence
from operator import attrgetter

from burnish.serve.ask import Ask
from burnish.serve.profile import Profile


class Queues:
    """A queue for every bucket that has requests, each sorted by deadline."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[Ask]] = {}
        self._used: dict[Hashable, float] = {}

    def __len__(self) -> int:
        """Requests in all queues."""
        return sum(map(len, self._waiting.values()))

    @property
    def buckets(self) -> Mapping[Hashable, Sequence[Ask]]:
        """The queues. `remove` replaces one, so what was read before stays as it was."""
        return self._waiting

    def add(self, ask: Ask) -> None:
        """Put a request into the queue of its bucket."""
        queue = self._waiting.get(ask.bucket)
        if queue is None:
            queue = self._open(ask.bucket)
        insort(queue, ask, key=attrgetter("deadline"))

    def remove(self, asks: Iterable[Ask]) -> None:
        """Take requests out."""
        gone: dict[Hashable, set[int]] = {}
        for ask in asks:
            gone.setdefault(ask.bucket, set()).add(ask.id)
        for bucket, ids in gone.items():
            left = [ask for ask in self._waiting[bucket] if ask.id not in ids]
            if left:
                self._waiting[bucket] = left
            else:
                del self._waiting[bucket]

    def take(self, ids: Iterable[int]) -> list[Ask]:
        """Take those of these requests out that wait."""
        wanted = set(ids)
        found = [ask for queue in self._waiting.values() for ask in queue if ask.id in wanted]
        self.remove(found)
        return found

    def take_expired(self, now: float) -> list[Ask]:
        """Take those out whose time is up."""
        found: list[Ask] = []
        for queue in self._waiting.values():
            for ask in queue:
                if ask.deadline > now:
                    break
                found.append(ask)
        self.remove(found)
        return found

    def used(self, bucket: Hashable, seconds: float) -> None:
        """A batch of that bucket has held a device that long."""
        self._used[bucket] = self._used.get(bucket, 0.0) + seconds

    def next(self, now: float, profile: Profile, held: set[Hashable]) -> Hashable | None:
        """The bucket whose turn it is: the earliest deadline; among those that cannot wait, who used least.

        Those that are `held` back are passed over.
        """
        open_ = [bucket for bucket in self._waiting if bucket not in held]
        if len(open_) < 2:
            return open_[0] if open_ else None
        cost = {b: profile.of(b).likely(sum(ask.rows for ask in self._waiting[b])) for b in open_}
        longest = max(cost.values())
        pressed = [b for b in open_ if self._waiting[b][0].deadline - cost[b] - now < longest]
        if pressed:
            return min(pressed, key=lambda b: self._used[b])
        return min(open_, key=lambda b: self._waiting[b][0].deadline)

    def _open(self, bucket: Hashable) -> list[Ask]:
        """A queue for a bucket; one that was away for long has no claim to all the time it did not use."""
        least = min((self._used[other] for other in self._waiting), default=0.0)
        self._used = {other: used for other, used in self._used.items() if other in self._waiting or used > least}
        self._used[bucket] = max(self._used.get(bucket, 0.0), least)
        self._waiting[bucket] = []
        return self._waiting[bucket]
