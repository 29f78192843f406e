# SPDX-License-Identifier: Apache-2.0
"""A world leaves nothing behind: the memory file and the frame tree that worlds share are the same after any history."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.frames import FrameTree
from dmabed import pool
from dmabed.spec import WorldSpec
from dmabed.world import run_world
from hw.backing import ChunkedMemory, MemoryFile
from hw.ram import Ram
from miniport.reference import ReferenceMiniport
from miniport.status import NDIS_STATUS_SUCCESS
from verifier.errors import UsageError

BASE = Path(__file__).parent
MIB, GIB = 1 << 20, 1 << 30
MAPS: tuple[dict[str, Any], ...] = (
    {"ram": 2 * MIB}, {"ram": 256 * MIB}, {"ram": 6 * GIB}, {"ram_ranges": ((16 * MIB - 0x20000, 0x40000), (4 * GIB, 16 * MIB))})


class Leaking(ReferenceMiniport):
    """Frees nothing."""

    def halt(self, adapter: Any) -> None:
        pass


class Crashing(ReferenceMiniport):
    """Raises in the middle of the traffic, with a lock held."""

    def send(self, adapter: Any, packet: Any, flags: int) -> int:
        adapter.acquire_spin_lock(adapter.context.lock)
        raise RuntimeError("by hand")


class Scribbling(ReferenceMiniport):
    """Writes all over the memory of others, for a frame, and returns everything in disorder."""

    def initialize(self, adapter: Any) -> int:
        status = super().initialize(adapter)
        if status == NDIS_STATUS_SUCCESS:
            for block in adapter._ndis.machine.book.made:
                adapter._ndis.ram.write_tagged(block.physical, b"\xee" * min(block.size, 5000), 3)
        return status


class Hoarding(ReferenceMiniport):
    """Takes memory of many sizes and frees every other block."""

    def initialize(self, adapter: Any) -> int:
        for n in range(20):
            block = adapter.mm_allocate_contiguous_memory((n + 1) * 3000, (1 << 64) - 1)
            if block is not None:
                block.fill(0, 100)
                if n % 2:
                    adapter.mm_free_contiguous_memory(block)
        return super().initialize(adapter)


class BreakingOff(ReferenceMiniport):
    """The world ends with an exception of the bed."""

    def query_information(self, adapter: Any, oid: int, length: int) -> Any:
        raise UsageError("the world ends in the middle", "nothing")


worlds = st.fixed_dictionaries({
    "miniport": st.sampled_from([ReferenceMiniport, Leaking, Crashing, Scribbling, Hoarding, BreakingOff]),
    "map": st.integers(0, len(MAPS) - 1),
    "life": st.sampled_from(["halt", "power-off", "bug-check", "surprise"]),
    "placement": st.sampled_from(["low", "high", "random", "hostile"]),
    "frames": st.integers(0, 10), "seed": st.integers(0, 3), "silicon": st.booleans(), "stop": st.booleans(),
    "faults": st.sampled_from([(), ("NdisMAllocateSharedMemory#3",), ("register-write:CTRL#3=lost",), ("dma-write#5",)]),
})


@pytest.fixture(autouse=True)
def empty_pool() -> Iterator[None]:
    pool.drop()
    yield
    pool.drop()


def fresh() -> dict[Any, tuple[str, str]]:
    """What the pool says of machines that nobody used, made apart from it."""
    empty = hashlib.sha256().hexdigest()
    ranges = [WorldSpec(**options).ranges() for options in MAPS]
    return {r: (empty, FrameTree([(span.start // 4096, span.size // 4096) for span in r]).digest()) for r in ranges}


FRESH = fresh()


def live(world: dict[str, Any]) -> None:
    options = dict(world)
    miniport, where = options.pop("miniport"), MAPS[options.pop("map")]
    try:
        run_world(WorldSpec(**options, **where), miniport, BASE)
    except UsageError as error:
        assert "in the middle" in error.message or "no memory left" in error.message


def dirty() -> list[str]:
    """Shared machines that differ from fresh ones."""
    return [f"{ranges}: {state} instead of {FRESH[ranges]}" for ranges, state in pool.digests().items() if state != FRESH[ranges]]


@settings(max_examples=25)
@given(st.lists(worlds, min_size=1, max_size=4))
def test_no_history_of_worlds_leaves_anything_behind(history: list[dict[str, Any]]) -> None:
    for world in history:
        live(world)
    assert pool.digests() and dirty() == []


@pytest.mark.parametrize("miniport", [ReferenceMiniport, Leaking, Crashing, Scribbling, Hoarding, BreakingOff])
@pytest.mark.parametrize("options", MAPS)
def test_each_kind_of_world_leaves_nothing_behind(miniport: Any, options: dict[str, Any]) -> None:
    live({"miniport": miniport, "map": MAPS.index(options), "frames": 6})
    assert dirty() == []


def test_the_same_file_and_tree_serve_the_next_world_of_the_map() -> None:
    run_world(WorldSpec(), ReferenceMiniport, BASE)
    [before] = pool._kept.values()
    run_world(WorldSpec(seed=2), ReferenceMiniport, BASE)
    [after] = pool._kept.values()
    assert before[0] is after[0] and before[1] is after[1]


@pytest.mark.parametrize("count", [pool.MAPS_KEPT - 1, pool.MAPS_KEPT, pool.MAPS_KEPT + 1])
def test_a_few_maps_are_kept_and_the_oldest_goes_first(count: int) -> None:
    sizes = [(n + 2) * MIB for n in range(count)]
    for size in sizes:
        run_world(WorldSpec(ram=size, frames=0), ReferenceMiniport, BASE)
    kept = [sum(span.size for span in ranges) for ranges in pool.digests()]
    assert len(kept) == min(count, pool.MAPS_KEPT)
    assert kept == [sum(span.size for span in WorldSpec(ram=size).ranges()) for size in sizes][-pool.MAPS_KEPT:]


def test_two_worlds_of_one_map_at_once_share_nothing() -> None:
    ranges = WorldSpec().ranges()
    with pool.lend(ranges) as (one, first, _), pool.lend(ranges) as (two, second, _):
        assert one is not two and first is not second
    assert dirty() == []


# The hashes see what they have to see


@pytest.mark.parametrize("kind", [MemoryFile, ChunkedMemory])
def test_what_a_backing_holds_is_found_by_content_alone(kind: Any) -> None:
    with kind(6 * GIB) as backing:
        assert list(backing.stored()) == []
        for address in (0, 4095, 2 * MIB - 1, 5 * GIB + 4096):
            backing.cells[address:address + 1] = b"x"
        assert [page for page, _ in backing.stored()] == [0, 511, 5 * GIB // 4096 + 1]
        assert dict(backing.stored())[0] == b"x" + bytes(4094) + b"x"
        backing.zero([0, 511])
        assert [page for page, _ in backing.stored()] == [5 * GIB // 4096 + 1]


@pytest.mark.parametrize("address", [0, 255 * MIB, 256 * MIB - 1])
def test_one_byte_that_is_left_behind_changes_the_hash(address: int) -> None:
    run_world(WorldSpec(), ReferenceMiniport, BASE)
    [(backing, _)] = pool._kept.values()
    assert dirty() == []
    backing.cells[address:address + 1] = b"\x01"
    assert len(dirty()) == 1


def test_one_frame_that_is_left_taken_changes_the_hash() -> None:
    run_world(WorldSpec(), ReferenceMiniport, BASE)
    [(_, tree)] = pool._kept.values()
    assert tree.take(1234, 1)
    assert len(dirty()) == 1


# Breaking the reset on purpose: the tests above have to see it.


def nothing(*arguments: Any) -> None:
    pass


@pytest.mark.parametrize("owner, name", [(Ram, "reset"), (FrameTree, "rollback")])
@pytest.mark.parametrize("miniport", [ReferenceMiniport, Leaking])
def test_a_reset_that_does_nothing_goes_red(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, miniport: Any) -> None:
    monkeypatch.setattr(owner, name, nothing)
    live({"miniport": miniport, "map": 1, "frames": 3})
    live({"miniport": miniport, "map": 1, "frames": 3})
    assert dirty() != []
    monkeypatch.undo()
    pool.drop()


@pytest.mark.parametrize("forgotten", ["zero", "written", "taint"])
def test_a_reset_that_forgets_one_thing_goes_red_or_is_harmless(monkeypatch: pytest.MonkeyPatch, forgotten: str) -> None:
    def zero(self: Ram) -> None:
        self._written.clear()
        self._taint.clear()

    def written(self: Ram) -> None:
        self.backing.zero(self.touched()[1:])

    def taint(self: Ram) -> None:
        self.backing.zero(self.touched())
        self._written.clear()

    resets: dict[str, Callable[[Ram], None]] = {"zero": zero, "written": written, "taint": taint}
    monkeypatch.setattr(Ram, "reset", resets[forgotten])
    live({"miniport": ReferenceMiniport, "map": 1, "frames": 3})
    # What is written and for whom belongs to the `Ram` of one world, which is made anew; only the file lives on.
    assert (dirty() != []) == (forgotten != "taint")
    monkeypatch.undo()
    pool.drop()
