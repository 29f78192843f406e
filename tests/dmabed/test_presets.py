# SPDX-License-Identifier: Apache-2.0
"""The reference miniport under every preset of limits, Windows version, life, placement, RAM map and bus offset.

It is clean, or it refuses because an allocation failed that an oracle says nobody could have met; nothing else.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import Any, NamedTuple

import pytest

from allocator.frames import Placement
from dmabed.load import find_miniport
from dmabed.result import verdict_of
from dmabed.spec import LIVES, WorldSpec
from dmabed.world import World, run_world
from hw.limits import PRESETS, DmaKind, DmaLimits
from hw.memory_layout import ram_ranges
from miniport.status import DMA_SIZE_BITS, NDIS_STATUS_SUCCESS
from miniport.versions import WINDOWS, ndis_of

KIB, MIB, GIB, TIB, PAGE = 1 << 10, 1 << 20, 1 << 30, 1 << 40, 4096
REFERENCE, BASE = find_miniport(None, "reference")
MASTERS = [name for name, limits in PRESETS.items() if limits.kind is DmaKind.MASTER]
PLACEMENTS = [p.value for p in Placement]
VERSIONS = [w for w in WINDOWS if ndis_of(w) >= min(REFERENCE.ndis_versions)]
Ranges = tuple[tuple[int, int], ...]


def pc(size: int) -> Ranges:
    return tuple((span.start, span.size) for span in ram_ranges(size))


def islands(count: int, size: int) -> Ranges:
    return tuple((n * MIB, size) for n in range(1, count + 1))


MAPS: dict[str, Ranges] = {
    "2 MiB": pc(2 * MIB), "16 MiB": pc(16 * MIB), "64 MiB": pc(64 * MIB), "256 MiB": pc(256 * MIB), "4 GiB": pc(4 * GIB),
    "64 GiB": pc(64 * GIB), "1 TiB": pc(TIB),
    "only above 16 MB": ((16 * MIB, 64 * MIB),),
    "only above 64 MB": ((64 * MIB, 64 * MIB),),
    "only above 1 GB": ((GIB, 64 * MIB),),
    "only above 4 GB": ((4 * GIB, 64 * MIB),),
    "only above 1 TB": ((TIB, 64 * MIB),),
    "a page each below 16 MB": (*islands(8, PAGE), (64 * MIB, 16 * MIB)),
    "four pages each below 16 MB": (*islands(8, 4 * PAGE), (64 * MIB, 16 * MIB)),
    "16 pages each below 16 MB": (*islands(8, 16 * PAGE), (64 * MIB, 16 * MIB)),
    "across 16 MB": ((16 * MIB - 32 * PAGE, 64 * PAGE), (64 * MIB, 16 * MIB)),
    "four pages on each side of 16 MB": ((16 * MIB - 4 * PAGE, 8 * PAGE), (64 * MIB, 16 * MIB)),
    "128 KiB in all": ((MIB, 128 * KIB),),
    "192 KiB in all": ((MIB, 192 * KIB),),
}
OFFSETS = (0, 0x4000_0000, 16 * MIB, -16 * MIB, PAGE, -PAGE, -4 * GIB)


# The oracle


class FreeRuns:
    """Which runs of pages are free, by looking at RAM map and live blocks alone."""

    def __init__(self, ranges: Ranges, taken: list[tuple[int, int]]) -> None:
        self.runs: list[tuple[int, int]] = []
        edges = sorted((start // PAGE, -(-(start + size) // PAGE)) for start, size in taken)
        for start, size in ranges:
            at, end = start // PAGE, (start + size) // PAGE
            for first, behind in edges:
                if at < first < end:
                    self.runs.append((at, first))
                if at < behind and first < end:
                    at = max(at, behind)
            if at < end:
                self.runs.append((at, end))

    def place(self, length: int, lowest: int, highest: int) -> int | None:
        """The lowest page-aligned address of *length* bytes within [lowest, highest], both inclusive; None if there is none."""
        for first, behind in self.runs:
            start = max(first, -(-max(lowest, 0) // PAGE)) * PAGE
            if start + -(-length // PAGE) * PAGE <= behind * PAGE and start + length - 1 <= highest:
                return start
        return None


class Call(NamedTuple):
    """One request for memory: what was asked, whether it was met, and whether the oracle found a place at that moment."""

    text: str
    met: bool
    possible: bool


class Witness:
    """Stands between initialize and the adapter, and judges each request for memory at the moment it is made."""

    def __init__(self, adapter: Any, ranges: Ranges, offset: int, calls: list[Call]) -> None:
        self._adapter, self._ranges, self._offset, self._calls = adapter, ranges, offset, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def _possible(self, length: int, lowest: int, highest: int) -> bool:
        taken = [(b.physical, b.size) for b in self._adapter._ndis.machine.book.made if b.live]
        return FreeRuns(self._ranges, taken).place(length, lowest, highest) is not None

    def _in_reach(self, length: int, bits: int) -> bool:
        return self._possible(length, -self._offset, (1 << bits) - 1 - self._offset)

    def allocate_memory_with_tag(self, length: int, tag: str) -> Any:
        possible = self._possible(length, 0, 1 << 64)
        result = self._adapter.allocate_memory_with_tag(length, tag)
        self._calls.append(Call(f"pool {length}", result[1] is not None, possible))
        return result

    def allocate_map_registers(self, channel: int, size: int, count: int, maximum: int) -> Any:
        bits, (start, length) = DMA_SIZE_BITS[size], self._ranges[-1]
        pages = count * (-(-maximum // PAGE) + 1)
        possible = start + length + self._offset <= 1 << bits or self._in_reach(pages * PAGE, bits)
        result = self._adapter.allocate_map_registers(channel, size, count, maximum)
        self._calls.append(Call(f"map registers {bits}", result == NDIS_STATUS_SUCCESS, possible))
        return result

    def allocate_shared_memory(self, length: int, cached: bool) -> Any:
        possible = self._in_reach(length, self._adapter.dma_bits)
        result = self._adapter.allocate_shared_memory(length, cached)
        self._calls.append(Call(f"shared {length}", result[0] is not None, possible))
        return result

    def mm_allocate_contiguous_memory_specify_cache(self, length: int, lowest: int, highest: int, boundary: int, cache: int) -> Any:
        assert boundary == 0
        possible = self._possible(length, lowest, highest)
        result = self._adapter.mm_allocate_contiguous_memory_specify_cache(length, lowest, highest, boundary, cache)
        self._calls.append(Call(f"contiguous {length}", result is not None, possible))
        return result


def witnessed(spec: WorldSpec) -> tuple[World, list[Call]]:
    """Run the reference miniport with a witness."""
    calls: list[Call] = []
    ranges = spec.ram_ranges or pc(spec.ram)

    class Witnessed(REFERENCE):  # type: ignore[valid-type, misc]
        def initialize(self, adapter: Any) -> int:
            status: int = super().initialize(Witness(adapter, ranges, spec.bus_offset, calls))
            return status

    return run_world(spec, Witnessed, BASE), calls


def misjudged(preset: str, ranges: Ranges, offset: int, placement: str, life: str = "halt") -> str:
    """What is wrong with a life; empty if nothing is."""
    spec = WorldSpec(limits=preset, ram_ranges=ranges, bus_offset=offset, placement=placement, frames=3, life=life)
    world, calls = witnessed(spec)
    wrong = [f"{f.rule.id}: {f.message}" for f in world.machine.findings.errors]
    wrong += [f"{call.text}: met {call.met}, possible {call.possible}" for call in calls if call.met != call.possible]
    if world.outcome != "ran":
        wrong.append(world.outcome)
    verdict = verdict_of(world)
    if verdict not in ("clean", "refused"):
        wrong.append(verdict)
    if verdict == "refused" and all(call.met for call in calls):
        wrong.append("refused although every request was met")
    if verdict == "clean" and (world.received, world.lost) != (3, 0):
        wrong.append(f"{world.received} received, {world.lost} lost")
    if verdict == "refused" and any(block.live and block.owner != "the protocol" for block in world.machine.book.made):
        wrong.append("a block is still live")
    return f"{preset} {placement} offset {offset:#x}: {'; '.join(wrong)}" if wrong else ""


# Presets, versions, lives, placements


def clean(preset: str, windows: str, life: str, placement: str) -> bool:
    world = run_world(WorldSpec(limits=preset, windows=windows, life=life, placement=placement, frames=3), REFERENCE, BASE)
    return verdict_of(world) == "clean" and world.outcome == "ran" and world.received == 3


def pairwise(*axes: list[str]) -> list[tuple[str, ...]]:
    """A greedy, deterministic choice out of the product in which each pair of values of two axes occurs."""
    wanted = {(i, a, j, b) for (i, one), (j, two) in combinations(enumerate(axes), 2) for a in one for b in two}
    rows = []
    every = list(product(*axes))
    while wanted:
        gains = [sum((i, row[i], j, row[j]) in wanted for i, j in combinations(range(len(axes)), 2)) for row in every]
        row = every[gains.index(max(gains))]
        wanted -= {(i, row[i], j, row[j]) for i, j in combinations(range(len(axes)), 2)}
        rows.append(row)
    return rows


AXES = (MASTERS, VERSIONS, list(LIVES), PLACEMENTS)


def test_the_sample_holds_each_pair_and_is_smaller_than_the_product() -> None:
    rows = pairwise(*AXES)
    for i, j in combinations(range(4), 2):
        assert {(row[i], row[j]) for row in rows} == set(product(AXES[i], AXES[j]))
    assert len(rows) < len(list(product(*AXES))) // 4


@pytest.mark.parametrize("row", pairwise(*AXES), ids="-".join)
def test_the_reference_miniport_is_clean_under_each_pair_of_conditions(row: tuple[str, str, str, str]) -> None:
    assert clean(*row)


@pytest.mark.long
@pytest.mark.parametrize("preset", MASTERS)
def test_the_reference_miniport_is_clean_under_every_combination_of_conditions(preset: str) -> None:
    assert [row for row in product([preset], *AXES[1:]) if not clean(*row)] == []


# RAM maps


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("name", MAPS)
def test_a_life_is_clean_or_refused_where_no_place_exists(name: str, placement: str) -> None:
    offset = OFFSETS[(list(MAPS).index(name) + PLACEMENTS.index(placement)) % len(OFFSETS)]
    for preset in MASTERS:
        for at in {0, offset}:
            assert misjudged(preset, MAPS[name], at, placement) == ""


@pytest.mark.long
@pytest.mark.parametrize("name", MAPS)
def test_a_life_is_clean_or_refused_where_no_place_exists_in_every_combination(name: str) -> None:
    wrong = [text for preset, offset, placement, life in product(MASTERS, OFFSETS, PLACEMENTS, LIVES)
             if (text := misjudged(preset, MAPS[name], offset, placement, life))]
    assert wrong == []


@pytest.mark.parametrize("bits", [24, 25, 26, 28, 30, 31, 32, 33, 40, 63, 64])
@pytest.mark.parametrize("boundary", [0, 64 * KIB, MIB, 16 * MIB, 4 * GIB])
def test_cards_between_the_widths_of_ndis_are_clean_on_a_large_machine(bits: int, boundary: int) -> None:
    for placement in PLACEMENTS:
        spec = WorldSpec(address_bits=bits, boundary=boundary, placement=placement, frames=1, ram=8 * GIB)
        assert verdict_of(run_world(spec, REFERENCE, BASE)) == "clean"


@pytest.mark.keeps("initialize-failed-without-fault")
@pytest.mark.parametrize("bits, verdict", [(23, "refused"), (24, "clean")])
def test_a_card_narrower_than_its_only_memory_refuses(bits: int, verdict: str) -> None:
    spec = WorldSpec(address_bits=bits, boundary=0, ram_ranges=((8 * MIB, 8 * MIB),), frames=1)
    assert verdict_of(run_world(spec, REFERENCE, BASE)) == verdict


def reachable(limits: DmaLimits, ranges: Ranges, offset: int) -> bool:
    """True if rings and buffers fit one behind the other where the card itself reaches, whatever NDIS can be told."""
    taken: list[tuple[int, int]] = []
    for length in (40 * KIB + 4 * KIB, PAGE, PAGE, PAGE):
        at = FreeRuns(ranges, taken).place(length, -offset, limits.last - offset)
        if at is None:
            return False
        taken.append((at, length))
    return True


@pytest.mark.parametrize("name", MAPS)
def test_low_placement_refuses_only_where_the_card_itself_reaches_no_memory(name: str) -> None:
    unmet = []
    for preset, offset in product(MASTERS, OFFSETS):
        spec = WorldSpec(limits=preset, ram_ranges=MAPS[name], bus_offset=offset, placement="low", frames=1)
        if verdict_of(run_world(spec, REFERENCE, BASE)) == "refused" and reachable(PRESETS[preset], MAPS[name], offset):
            unmet.append((preset, hex(offset)))
    assert unmet == []
