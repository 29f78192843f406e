# SPDX-License-Identifier: Apache-2.0
"""Virtual time in nanoseconds and the queue of what is due. Nothing sleeps and nothing reads the host's time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000

NEVER = 1 << 62
"""A time that no world reaches."""

Action = Callable[[], None]
Entry = tuple[int, int, Action]


class Clock:
    """Virtual time. Every action that takes time advances it; what falls due on the way runs in order of time, then of
    entry."""

    __slots__ = ("_background", "_heap", "_order", "_soon", "_soon_at", "due", "limit", "now", "on_limit")

    def __init__(self) -> None:
        self.now = 0
        self.due = NEVER
        """Time of the next entry in the queue; hot paths compare it instead of calling `advance`."""
        self.limit = NEVER
        """When the running handler has taken too long; whoever lets time pass in small steps compares it."""
        self.on_limit: Action | None = None
        self._heap: list[Entry] = []
        self._background: set[int] = set()
        self._order = 0
        self._soon: Action | None = None
        self._soon_at = NEVER

    def soon(self, delay_ns: int, action: Action) -> None:
        """As `at`, for the one action that is asked for and called off again and again: the drain of posted writes. There
        is one place for it; `call_off` empties it."""
        self._soon = action
        self._soon_at = when = self.now + delay_ns
        if when < self.due:
            self.due = when

    def call_off(self) -> None:
        """Forget what `soon` asked for."""
        if self._soon_at != NEVER:
            self._soon_at = NEVER
            self.due = self._heap[0][0] if self._heap else NEVER

    def at(self, delay_ns: int, action: Action, *, background: bool = False) -> Entry:
        """Run *action* when *delay_ns* have passed. Returns the entry, which `cancel` takes back. *background*: nobody waits
        for it, see `Scheduler.settle`."""
        self._order += 1
        when = self.now + delay_ns
        entry = when, self._order, action
        heappush(self._heap, entry)
        if background:
            self._background.add(self._order)
        if when < self.due:
            self.due = when
        return entry

    def cancel(self, entry: Entry) -> bool:
        """Take an entry out of the queue; False if it is not there any more."""
        heap = self._heap
        if entry not in heap:
            return False
        heap.remove(entry)
        heapify(heap)
        self._background.discard(entry[1])
        self.due = min(heap[0][0], self._soon_at) if heap else self._soon_at
        return True

    @property
    def awaited(self) -> bool:
        """True if something is due that is not background. The drain of posted writes, which is never long, does not count."""
        return len(self._heap) > len(self._background)

    @property
    def idle(self) -> bool:
        """True if there is something due, all of it background."""
        return bool(self._background) and len(self._heap) == len(self._background) and self._soon_at == NEVER

    def advance(self, ns: int) -> None:
        """Let *ns* nanoseconds pass and run what falls due."""
        target = self.now + ns
        while self.due <= target:
            self._run_next()
        if target > self.now:
            self.now = target
        if target > self.limit and self.on_limit is not None:
            self.on_limit()

    def run_next(self) -> bool:
        """Jump to the next entry and run it; False if the queue is empty."""
        if self.due == NEVER:
            return False
        self._run_next()
        return True

    def _run_next(self) -> None:
        heap = self._heap
        if self._soon_at == self.due and self._soon is not None:
            when, action = self._soon_at, self._soon
            self._soon_at = NEVER
        else:
            when, order, action = heappop(heap)
            if self._background:
                self._background.discard(order)
        if when > self.now:
            self.now = when
        self.due = min(heap[0][0], self._soon_at) if heap else self._soon_at
        action()
