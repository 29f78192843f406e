# SPDX-License-Identifier: Apache-2.0
"""The adapter context: fields in emulated memory, watched for life and bounds; nothing undeclared passes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.frames import FrameTree
from allocator.memory_manager import MemoryManager
from hw.machine import Machine
from hw.processor_port import ProcessorPort
from miniport.context import AdapterContext, Array, Pointer, Ulong, Ulonglong
from miniport.view import View
from verifier.address import Span
from verifier.address_book import BlockKind


class Sample(AdapterContext):
    flags = Ulong()
    address = Ulonglong()
    ring = Pointer()
    count = Ulong()
    table = Array(Ulong(), 3)
    packets = Array(Pointer(), 2)


class Longer(Sample):
    last = Ulong()


class Empty(AdapterContext):
    pass


def place(size: int, cls: type[AdapterContext] = Sample) -> tuple[Any, Machine, MemoryManager]:
    machine = Machine((Span(0, 1 << 20),))
    memory = MemoryManager(machine, FrameTree([(0, 256)]))
    block = memory.allocate(BlockKind.POOL, "NdisAllocateMemoryWithTag", "pool memory #1", size)
    assert block is not None
    return cls(View(ProcessorPort(machine), block)), machine, memory


def broken(machine: Machine) -> list[str]:
    return [f.rule.id for first in machine.findings.errors for f in (first, *first.consequences)]


def test_fields_lie_one_behind_the_other_on_their_own_alignment() -> None:
    assert [(name, field.offset) for name, field in Sample._fields.items()] == [
        ("flags", 0), ("address", 8), ("ring", 16), ("count", 24), ("table", 28), ("packets", 40)]
    assert (Sample.SIZE, Longer.SIZE, Empty.SIZE) == (56, 64, 8)
    assert isinstance(Sample.flags, Ulong) and Longer.last.offset == 56


def test_a_fresh_context_is_zero_and_points_nowhere() -> None:
    context, machine, _ = place(Sample.SIZE)
    assert (context.flags, context.address, context.count, list(context.table)) == (0, 0, 0, [0, 0, 0])
    assert context.ring is None and list(context.packets) == [None, None] and len(context.table) == 3
    assert broken(machine) == []


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["flags", "address", "count", "table0", "table1", "table2"]),
                          st.integers(-(1 << 65), 1 << 65)), max_size=12))
def test_each_field_keeps_its_number_modulo_its_width_and_touches_no_other(stores: list[tuple[str, int]]) -> None:
    context, machine, _ = place(Sample.SIZE)
    expected = dict.fromkeys(["flags", "address", "count", "table0", "table1", "table2"], 0)
    for name, value in stores:
        if name.startswith("table"):
            context.table[int(name[-1])] = value
        else:
            setattr(context, name, value)
        expected[name] = value & (1 << (64 if name == "address" else 32)) - 1
    assert {"flags": context.flags, "address": context.address, "count": context.count,
            **{f"table{i}": context.table[i] for i in range(3)}} == expected
    assert broken(machine) == []


def test_numbers_are_bytes_in_memory_little_endian() -> None:
    context, machine, _ = place(Sample.SIZE)
    context.flags, context.address = 0x01020304, 0x1112131415161718
    at = context.view.block.physical
    assert machine.ram.read(at, 4) == bytes.fromhex("04030201")
    assert machine.ram.read(at + 8, 8) == bytes.fromhex("1817161514131211")
    machine.ram.write(at + 24, (77).to_bytes(4, "little"))
    assert context.count == 77


@pytest.mark.parametrize("offset, foreign", [(-1, True), (0, False), (3, False), (4, True)])
def test_a_number_is_stored_for_no_frame_whatever_lay_there(offset: int, foreign: bool) -> None:
    context, machine, _ = place(Sample.SIZE)
    at = context.view.block.physical + Sample.count.offset
    machine.ram.write_tagged(at + offset, b"\x01", 7)
    machine.ram.tag = 9
    context.count = 5
    assert context.count == 5 and machine.ram.tag == 9
    assert machine.ram.first_tag(at - 1, 6) == (7 if foreign else 0)


def test_pointers_are_kept_as_they_are() -> None:
    context, _, _ = place(Sample.SIZE)
    thing = object()
    context.ring = thing
    context.packets[1] = thing
    assert context.ring is thing and context.packets[1] is thing and context.packets[0] is None
    context.ring = None
    assert context.ring is None


@pytest.mark.parametrize("index, fine", [(-1, False), (0, True), (2, True), (3, False)])
def test_an_array_has_its_elements_and_no_more(index: int, fine: bool) -> None:
    context, _, _ = place(Sample.SIZE)
    if fine:
        context.table[index] = 5
        assert context.table[index] == 5
    else:
        with pytest.raises(IndexError, match=r"table\[-?\d\]: the array has 3 elements"):
            context.table[index] = 5
        with pytest.raises(IndexError):
            context.table[index]


def test_an_array_is_not_assigned_as_a_whole() -> None:
    context, _, _ = place(Sample.SIZE)
    with pytest.raises(AttributeError, match="table is an array"):
        context.table = [1, 2, 3]


def test_an_attribute_that_nobody_declared_cannot_be_assigned() -> None:
    for cls in (Sample, Longer, Empty):
        context, _, _ = place(cls.SIZE, cls)
        with pytest.raises(AttributeError):
            context.undeclared = 1


@pytest.mark.parametrize("short", [0, 1, 8])
def test_a_context_that_is_larger_than_its_memory_is_a_finding(short: int) -> None:
    _, machine, _ = place(Sample.SIZE - short)
    assert broken(machine) == (["shared-bounds"] if short else [])


@pytest.mark.parametrize("missing", [0, 1, 4])
@pytest.mark.parametrize("write", [False, True])
def test_a_field_of_which_a_byte_is_missing_is_noticed_at_its_own_access(missing: int, write: bool) -> None:
    context, machine, _ = place(60 - missing, Longer)
    [finding] = machine.findings.errors
    before = finding.times
    if write:
        context.last = 1
    else:
        assert context.last == 0
    assert finding.times == before + bool(missing)


@pytest.mark.breaks("contig-no-use-after-free")
@pytest.mark.parametrize("name", ["flags", "address", "ring"])
@pytest.mark.parametrize("write", [False, True])
def test_a_freed_context_is_noticed_at_each_kind_of_field(name: str, write: bool) -> None:
    context, machine, memory = place(Sample.SIZE)
    memory.free(context.view.block, "NdisFreeMemory")
    if write:
        setattr(context, name, 1)
    else:
        getattr(context, name)
    assert broken(machine) == ["contig-no-use-after-free"]


@pytest.mark.breaks("contig-no-use-after-free")
@pytest.mark.parametrize("write", [False, True])
def test_a_freed_context_is_noticed_at_an_array(write: bool) -> None:
    for name in ("table", "packets"):
        context, machine, memory = place(Sample.SIZE)
        memory.free(context.view.block, "NdisFreeMemory")
        array = getattr(context, name)
        if write:
            array[0] = 1
        else:
            array[0]
        assert broken(machine) == ["contig-no-use-after-free"]


def test_two_contexts_of_one_class_share_nothing() -> None:
    one, _, _ = place(Sample.SIZE)
    two, _, _ = place(Sample.SIZE)
    one.flags, one.ring = 1, "a"
    assert two.flags == 0 and two.ring is None


# State outside the context


@pytest.mark.breaks("miniport-state-undeclared")
def test_an_attribute_of_the_miniport_that_is_assigned_in_a_handler_is_a_finding(live: Any, hooked: Any, told: Any) -> None:
    def make(self: Any, adapter: Any) -> Any:
        self.ring_index = 5
        return base.initialize(self, adapter)

    base = hooked()
    world = live(type("Stateful", (base,), {"initialize": make}))
    assert told(world, "miniport-state-undeclared").startswith("self.ring_index is assigned after construction")


@pytest.mark.keeps("miniport-state-undeclared")
def test_an_attribute_that_is_made_in_the_constructor_is_none(live: Any, hooked: Any, broken: Any) -> None:
    def construct(self: Any) -> None:
        self.name = "made before any world"

    assert broken(live(type("Constructed", (hooked(),), {"__init__": construct}))) == []
