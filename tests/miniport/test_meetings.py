# SPDX-License-Identifier: Apache-2.0
"""When two accesses of handlers that have not returned count as a meeting, and what in between hands memory over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hw.processor_port import Access
from miniport.handlers import Handler
from miniport.meetings import Meetings
from verifier.address_book import Block, BlockKind
from verifier.events import Kind

BLOCK = Block(BlockKind.POOL, "pool memory #1", "the miniport", 0x1000, 64, virtual=0x8000)
Step = Callable[["Bench"], object]


class Noting(Meetings):
    """Notes what it finds."""

    __slots__ = ("found",)

    def _found(self, block: Any, offset: int, *rest: Any) -> None:
        self.found.append(offset)


class Bench:
    """A handler on processor 0 that has accessed eight bytes at offset 8, and one that comes."""

    def __init__(self, writes: bool = True) -> None:
        self.events: deque[tuple[int, Kind]] = deque(maxlen=100)
        self.port = SimpleNamespace(access=self.access(1), epoch=0, contexts=[])
        self.group = Handler.SEND
        lockset = SimpleNamespace(kind_of=lambda bit: SimpleNamespace(group=self.group))
        ndis = SimpleNamespace(port=self.port, machine=SimpleNamespace(events=SimpleNamespace(events=self.events)))
        self.watch = Noting(ndis, lockset)  # type: ignore[arg-type]
        self.watch.found = []
        self.watch.enter(0)
        self.watch.meet(BLOCK, 8, 8, writes)

    @staticmethod
    def access(bit: int) -> Access:
        access = Access(bit, False)
        access.read_rivals, access.write_rivals = 2 | 8, 15  # stores race with all, loads with stores
        return access

    def comes(self, at: int = 8, size: int = 8, writes: bool = True, processor: int = 1) -> bool:
        """Another handler accesses memory and returns; True if the two met."""
        self.watch.enter(processor)
        self.port.access, own = self.access(4), self.port.access
        self.watch.meet(BLOCK, at, size, writes)
        self.port.access = own
        self.watch.leave()
        return bool(self.watch.found)

    def event(self, kind: Kind) -> None:
        self.events.append((0, kind))

    def hand_over(self) -> None:
        self.port.epoch += 1


@pytest.mark.parametrize(("at", "size", "met"), [(0, 8, False), (0, 9, True), (15, 1, True), (16, 1, False), (8, 8, True), (0, 64, True)])
def test_the_bytes_have_to_be_the_same(at: int, size: int, met: bool) -> None:
    assert Bench().comes(at, size) == met


@pytest.mark.parametrize(("first", "second", "met"), [(True, True, True), (True, False, True), (False, True, True), (False, False, False)])
def test_one_of_the_two_stores(first: bool, second: bool, met: bool) -> None:
    assert Bench(first).comes(writes=second) == met


@pytest.mark.parametrize(("step", "met"), [
    (lambda bench: bench.hand_over(), False),
    (lambda bench: bench.event(Kind.ROUTINE), False),
    (lambda bench: bench.event(Kind.REGISTER_WRITE), False),
    (lambda bench: bench.event(Kind.REGISTER_READ), False),
    (lambda bench: bench.event(Kind.FAULT), True),
    (lambda bench: None, True),
])
def test_what_hands_memory_over_in_between(step: Step, met: bool) -> None:
    bench = Bench()
    step(bench)
    assert bench.comes() == met


def test_what_a_third_handler_does_meanwhile_hands_nothing_over() -> None:
    bench = Bench()
    bench.watch.enter(1)
    bench.event(Kind.REGISTER_WRITE)
    bench.hand_over()
    bench.watch.leave()
    assert bench.comes()


def test_after_its_return_a_handler_meets_nobody() -> None:
    bench = Bench()
    bench.watch.leave()
    bench.watch.enter(0)
    assert not bench.comes()


@pytest.mark.parametrize(("group", "met"), [(Handler.SEND, False), (Handler.HANDLE_INTERRUPT, False), (Handler.ISR, True)])
def test_on_one_processor_the_isr_alone_comes_in_between(group: Handler, met: bool) -> None:
    bench = Bench()
    bench.group = group
    assert bench.comes(processor=0) == met


def test_handlers_that_do_not_count_meet_nobody() -> None:
    bench = Bench()
    bench.watch.enter(1)
    bench.port.access = None
    bench.watch.meet(BLOCK, 8, 8, True)
    assert not bench.watch.found


def test_a_loop_over_much_memory_keeps_the_last_accesses() -> None:
    bench = Bench()
    for at in range(1000):
        bench.watch.meet(BLOCK, 100 + at, 1, True)
    assert not bench.comes(8) and bench.comes(1099, 1)
