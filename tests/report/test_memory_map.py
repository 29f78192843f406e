# SPDX-License-Identifier: Apache-2.0
"""The address map: rows, folds, text, and the table of NICs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmabed.report import memory_map
from dmabed.report.memory_map import Fault
from verifier.address import Span

Run = dict[str, Any]
MIB, TIB = 1 << 20, 1 << 40


def small_map(**changes: Any) -> dict[str, Any]:
    return {"ranges": [{"start": 0, "length": 64 * MIB, "kind": "ram", "name": "RAM"}], "bus_offset": 0,
            "reach_last": 0xFFFFFF, "boundary": 0, "blocks": [], **changes}


def block(physical: int, length: int, name: str = "ring", **changes: Any) -> dict[str, Any]:
    made = {"name": name, "owner": name, "kind": "shared", "virtual": 0x90000000 + physical, "physical": physical,
            "logical": physical, "length": length, "state": "live", "where": "a.py:1", "freed_where": None}
    return {**made, **changes}


maps = st.builds(
    lambda blocks, offset, reach, boundary: small_map(
        blocks=[block(p, n, f"b{i}", state="live" if i % 3 else "freed") for i, (p, n) in enumerate(blocks)],
        bus_offset=offset, reach_last=reach, boundary=boundary),
    st.lists(st.tuples(st.integers(0, 65 * MIB), st.integers(1, 2 * MIB)), max_size=20),
    st.sampled_from([0, 0x40000000]), st.integers(0xFFFF, 2**32 - 1), st.sampled_from([0, 1 << 16, 1 << 20, 1 << 24]))


@given(maps)
@settings(max_examples=60)
def test_rows_cover_the_map_once_without_a_gap(map_: Run) -> None:
    rows = memory_map.build(map_).rows
    assert rows[0].span.start == 0
    assert all(a.span.end == b.span.start for a, b in pairwise(rows))
    assert rows[-1].span.end == max([64 * MIB, *(b["physical"] + b["length"] for b in map_["blocks"])])


@given(maps)
@settings(max_examples=60)
def test_no_row_is_half_a_block_or_half_reachable(map_: Run) -> None:
    built = memory_map.build(map_, max_rows=10**6)
    reach_end = map_["reach_last"] + 1 - map_["bus_offset"]
    for row in built.rows:
        assert row.reachable == (row.span.end <= reach_end)
        assert row.reachable or row.span.start >= reach_end
        for b in map_["blocks"]:
            span = Span(b["physical"], b["length"])
            assert span.contains(row.span) or not span.overlaps(row.span)


@given(maps, st.integers(60, 120))
@settings(max_examples=60)
def test_text_fits_the_width(map_: Run, width: int) -> None:
    assert max(map(len, memory_map.to_text(map_, width).splitlines())) <= width


@pytest.mark.parametrize(("last", "reachable"), [(0xFFFFFE, 1), (0xFFFFFF, 2), (0x1000000, 3)])
def test_end_of_the_reach_cuts_a_block_at_the_byte(last: int, reachable: int) -> None:
    rows = [r for r in memory_map.build(small_map(reach_last=last, blocks=[block(0xFFFFFE, 4)])).rows if r.block]
    assert [(r.span.size, r.reachable) for r in rows] == [(reachable, True), (4 - reachable, False)]
    assert [r.span.start for r in rows if r.reach_ends] == [last + 1]


def test_bus_offset_moves_reach_and_boundary() -> None:
    built = memory_map.build(small_map(bus_offset=0x40000000, reach_last=0x407FFFFF, boundary=0x1000000,
                                       blocks=[block(0xFFF000, 0x2000)]))
    assert [r.span.start for r in built.rows if r.reach_ends] == [0x800000]
    assert [r.span.start for r in built.rows if r.at_boundary and r.block] == [0x1000000]


def test_offset_beyond_the_reach_leaves_nothing_reachable() -> None:
    built = memory_map.build(small_map(bus_offset=0x40000000, reach_last=0xFFFFFF))
    assert not any(row.reachable for row in built.rows)


def test_block_is_cut_at_the_boundary_that_it_crosses() -> None:
    built = memory_map.build(small_map(boundary=0x1000000, blocks=[block(0xFFF000, 0x2000)]))
    assert [str(r.span) for r in built.rows if r.block] == [
        "0x00fff000..0x00ffffff (0x1000 bytes)", "0x01000000..0x01000fff (0x1000 bytes)"]


def test_live_block_is_named_before_the_freed_one_below_it() -> None:
    built = memory_map.build(small_map(blocks=[block(0x1000, 0x1000, "old", state="freed"), block(0x1000, 0x1000)]))
    row = next(r for r in built.rows if r.block)
    assert memory_map.describe(row) == "ring; before: old"


def test_fault_outside_all_memory_is_drawn_as_a_hole() -> None:
    built = memory_map.build(small_map(), [Fault(Span(1 << 33, 64), 1 << 33, "dma-width", 1)])
    assert [(r.kind, r.wrong) for r in built.rows if r.faults] == [("hole", ("dma-width",))]


def test_many_blocks_of_one_family_fold_and_faults_stay() -> None:
    blocks = [block(0x100000 + i * 0x2000, 0x1000, f"rx buffer {i}") for i in range(500)]
    fault = Fault(Span(0x100000 + 250 * 0x2000, 16), None, "dma-stray", 1)
    built = memory_map.build(small_map(blocks=[*blocks, block(0x10000, 64, "ring")]), [fault])
    folded = [r.folded for r in built.rows if r.folded]
    assert len(built.rows) <= memory_map.MAX_ROWS
    assert folded == ["250 blocks (1,000 KiB), rx buffer 0 to rx buffer 249",
                      "249 blocks (996 KiB), rx buffer 251 to rx buffer 499"]
    assert sum(bool(r.faults) for r in built.rows) == 1
    assert any(r.block and r.block.name == "ring" for r in built.rows)


def test_map_of_1_tib_is_as_long_as_one_of_16_mib() -> None:
    lengths = []
    for ram in (16 * MIB, TIB):
        ranges = [{"start": 0, "length": ram, "kind": "ram", "name": "RAM"}]
        lengths.append(len(memory_map.build(small_map(ranges=ranges, boundary=1 << 16, reach_last=0xFFFFF)).rows))
    assert lengths == [2, 2]


def test_registers_in_a_hole_are_shown_as_registers() -> None:
    ranges = [*small_map()["ranges"], {"start": 64 * MIB, "length": 64 * MIB, "kind": "hole", "name": "hole for devices"},
              {"start": 96 * MIB, "length": 4096, "kind": "mmio", "name": "nic0 registers"}]
    rows = memory_map.build(small_map(ranges=ranges)).rows
    assert [(row.kind, row.name) for row in rows if row.span.start >= 64 * MIB] == [
        ("hole", "hole for devices"), ("mmio", "nic0 registers"), ("hole", "hole for devices")]


def test_free_row_counts_its_boundaries() -> None:
    assert "ram, free; 3 boundaries inside" in memory_map.to_text(small_map(boundary=16 * MIB, reach_last=2**32 - 1))


def test_unplaced_blocks_and_ports_are_named_below() -> None:
    ranges = [*small_map()["ranges"], {"start": 0xC000, "length": 32, "kind": "ports", "name": "BAR 1"}]
    output = memory_map.to_text(small_map(ranges=ranges, blocks=[{**block(0, 64, "stack"), "physical": None}]))
    assert output.splitlines()[-2:] == ["I/O ports  0xc000..0xc01f BAR 1", "not drawn  stack"]


def test_empty_map_says_so() -> None:
    assert memory_map.to_text({"ranges": [], "blocks": []}) == "the map is empty\n"


def test_text_map_is_what_a_reader_expects() -> None:
    map_ = small_map(boundary=0x1000000, reach_last=0x1FFFFFF, blocks=[block(0xFFF000, 0x2000)])
    assert memory_map.to_text(map_) == """\
logical = physical   | = the NIC reaches it, up to 0x01ffffff   boundary 16 MiB
physical            size  nic  what
0x00000000    ~16.00 MiB   |   ram, free
0x00fff000         4 KiB   |   [ring] a.py:1
0x01000000  --- multiple of 0x1000000 ------------------------------------------
0x01000000         4 KiB   |   [ring, continued]
0x01001000    ~16.00 MiB   |   ram, free
0x02000000  === the NIC reaches no further =====================================
0x02000000        32 MiB       ram, free; 1 boundary inside
0x04000000  end
"""


def test_nics_table_fits_the_width() -> None:
    limits = {"name": "reference", "address_bits": 26, "boundary": 16 * MIB}
    nics = [{"name": "reference", "bus": "pci", "limits": limits,
             "description": "the bed's own bus-master NIC with descriptor rings, for teaching and for tests"},
            {"name": "e1000", "bus": "pci", "limits": "e1000", "description": "82540EM"}]
    for width in (60, 80, 100):
        output = memory_map.nics_table(nics, width)
        assert max(map(len, output.splitlines())) <= width
        assert "26 bit" in output and "16 MiB" in output
