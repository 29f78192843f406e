# SPDX-License-Identifier: Apache-2.0
"""What the system says of itself: virtual time, processors, names, device objects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from miniport import status as s
from miniport.adapter import Adapter
from miniport.library.system import START


def test_worlds_begin_on_the_first_of_january_2001() -> None:
    assert datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=START // 10) == datetime(2001, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("microseconds, units, milliseconds", [(0, 0, 0), (999, 9_990, 0), (1000, 10_000, 1), (1001, 10_010, 1)])
def test_time_is_virtual(live: Any, bare: Any, broken: Any, microseconds: int, units: int, milliseconds: int) -> None:
    def initialize(adapter: Adapter) -> None:
        assert adapter.get_current_system_time() == START
        adapter.stall_execution(microseconds)
        assert adapter.get_current_system_time() == START + units
        assert adapter.get_system_up_time() == milliseconds
        assert adapter.get_current_processor_counts() == (units, units, 0)

    assert broken(live(bare(initialize))) == []


@pytest.mark.parametrize("processors", [1, 2, 4])
def test_the_number_of_processors_is_that_of_the_world(live: Any, bare: Any, broken: Any, processors: int) -> None:
    def initialize(adapter: Adapter) -> None:
        assert adapter.system_processor_count() == processors

    assert broken(live(bare(initialize), processors=processors)) == []


def test_a_cache_line_has_a_power_of_two_of_bytes(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        size = adapter.get_cache_fill_size()
        assert size >= 32 and size & (size - 1) == 0

    assert broken(live(bare(initialize))) == []


def test_flushing_a_buffer_changes_nothing(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        memory = adapter.allocate_memory_with_tag(64, "Flsh")[1]
        memory.fill(0, 64, 7)
        buffer = adapter.allocate_buffer(None, memory, 64)[1]
        for write_to_device in (True, False):
            assert adapter.flush_buffer(buffer, write_to_device) is None
        adapter.free_buffer(buffer)
        assert memory.read(0, 64) == b"\x07" * 64
        adapter.free_memory(memory, 64)

    world = live(bare(initialize))
    assert broken(world) == []
    assert sum(event[3] == "NdisFlushBuffer" for event in world.machine.events.events if event[1] == 2) == 2


def test_the_name_of_the_adapter_is_memory_of_the_miniport(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        status, name = adapter.query_adapter_instance_name()
        assert status == s.NDIS_STATUS_SUCCESS and name.text == f"{adapter.nic.name} Ethernet adapter"
        adapter.free_memory(name.buffer, name.maximum_length)

    assert broken(live(bare(initialize))) == []
    assert broken(live(bare(lambda adapter: adapter.query_adapter_instance_name() and None))) == ["halt-undo-all"]


def test_the_name_may_not_be_had(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        assert adapter.query_adapter_instance_name() == (s.NDIS_STATUS_RESOURCES, None)

    assert broken(live(bare(initialize), faults=("NdisMQueryAdapterInstanceName#1",))) == []


def test_device_objects_are_opaque_and_resources_are_those_of_the_adapter(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        device = adapter.get_device_property()
        assert len({device.physical_device, device.functional_device}) == 2
        assert device.allocated_resources == device.allocated_resources_translated == adapter.query_adapter_resources()[1]

    assert broken(live(bare(initialize))) == []


def test_a_miniport_may_ask_for_its_removal(live: Any, bare: Any, broken: Any) -> None:
    said: list[int] = []
    world = live(bare(lambda adapter: said.append(adapter.remove_miniport())))
    assert broken(world) == [] and said == [s.NDIS_STATUS_SUCCESS]
    assert world.ndis.log == [f"{world.nic.name}: the miniport asks for its removal"]
    world = live(bare(lambda adapter: said.append(adapter.remove_miniport())), faults=("NdisMRemoveMiniport#1",))
    assert broken(world) == [] and said[-1] == s.NDIS_STATUS_FAILURE and world.ndis.log == []
