# SPDX-License-Identifier: Apache-2.0
"""DMA channels: registration, transfers between set-up and completion, shared memory of slave cards, and each rule on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hw.i8237_registers import Service
from hw.processor import FIRST_DIRQL
from miniport import status as s
from miniport.library.slave_dma import WIDTH_8_BITS, WIDTH_16_BITS, DmaDescription
from miniport.nulls import POISON_ADDRESS
from miniport.slave import SlaveMiniport
from miniport.versions import WINDOWS
from miniport.view import View
from verifier.address_book import BlockKind

BYTE_CHANNEL, WORD_CHANNEL = 1, 5
OLD = [w for w in WINDOWS if WINDOWS.index(w) < WINDOWS.index("xp-sp1")]


def register(adapter: Any, channel: int = BYTE_CHANNEL, maximum: int = 4096, **options: Any) -> tuple[int, Any]:
    width = WIDTH_16_BITS if channel > 3 else WIDTH_8_BITS
    result: tuple[int, Any] = adapter.register_dma_channel(channel, False, DmaDescription(dma_width=width, **options), maximum)
    return result


def buffer_of(adapter: Any, length: int = 4096, fill: int | None = 0x5A) -> tuple[Any, Any]:
    """A buffer descriptor for fresh pool memory, and what gives both back."""
    _, pool = adapter.allocate_buffer_pool(1)
    _, memory = adapter.allocate_memory_with_tag(length, "Test")
    if fill is not None:
        memory.fill(0, length, fill)
    _, buffer = adapter.allocate_buffer(pool, memory, length)

    def give_back() -> None:
        adapter.free_buffer(buffer)
        adapter.free_memory(memory, length)
        adapter.free_buffer_pool(pool)

    return buffer, give_back


@pytest.fixture
def slave(live: Any, bare: Any) -> Callable[..., Any]:
    """Live with *step* as the initialize of a slave card's miniport."""

    def run(step: Any, *, attributes: int = 0, nic: str = "isa-slave", interface: int = s.NDIS_INTERFACE_ISA, **options: Any) -> Any:
        def initialize(adapter: Any) -> Any:
            adapter.set_attributes_ex(None, 0, attributes, interface)
            return step(adapter)

        return live(bare(initialize, attributes=None), nic=nic, **options)

    return run


@pytest.fixture
def with_channel(slave: Any) -> Callable[..., Any]:
    """Live with *step(adapter, handle)* between registration and deregistration of the card's channel."""

    def run(step: Any, *, maximum: int = 4096, nic: str = "isa-slave", description: dict[str, Any] | None = None, **options: Any) -> Any:
        def initialize(adapter: Any) -> None:
            status, handle = register(adapter, WORD_CHANNEL if nic == "isa-slave-16" else BYTE_CHANNEL, maximum, **description or {})
            assert status == s.NDIS_STATUS_SUCCESS
            step(adapter, handle)
            adapter.deregister_dma_channel(handle)

        return slave(initialize, nic=nic, **options)

    return run


def channel_of(adapter: Any, number: int = BYTE_CHANNEL) -> Any:
    return adapter._ndis.machine.dma_controllers.channels[number]


# Registration


@pytest.mark.keeps("slave-register-init-only", "slave-register-status")
@pytest.mark.parametrize("channel, status", [
    (-1, s.NDIS_STATUS_RESOURCE_CONFLICT), (0, s.NDIS_STATUS_SUCCESS), (3, s.NDIS_STATUS_SUCCESS),
    (4, s.NDIS_STATUS_RESOURCE_CONFLICT), (5, s.NDIS_STATUS_SUCCESS), (7, s.NDIS_STATUS_SUCCESS),
    (8, s.NDIS_STATUS_RESOURCE_CONFLICT)])
def test_a_channel_that_a_card_can_have_is_given_and_the_cascade_is_not(slave: Any, broken: Any, channel: int, status: int) -> None:
    def step(adapter: Any) -> None:
        got, handle = register(adapter, channel)
        assert (got, handle is not None) == (status, status == s.NDIS_STATUS_SUCCESS)
        if handle is not None:
            adapter.deregister_dma_channel(handle)

    assert broken(slave(step)) == []


@pytest.mark.keeps("slave-deregister")
def test_a_channel_is_given_once_and_again_after_it_was_given_back(slave: Any, broken: Any) -> None:
    def step(adapter: Any) -> None:
        _, first = register(adapter)
        assert register(adapter) == (s.NDIS_STATUS_RESOURCE_CONFLICT, None)
        adapter.deregister_dma_channel(first)
        status, second = register(adapter)
        assert status == s.NDIS_STATUS_SUCCESS
        adapter.deregister_dma_channel(second)

    assert broken(slave(step)) == []


def test_the_description_names_the_channel_where_it_specifies_one(slave: Any, broken: Any) -> None:
    def step(adapter: Any) -> None:
        _, handle = register(adapter, 0, dma_channel_specified=True, dma_channel=3)
        assert handle.channel.number == 3
        adapter.deregister_dma_channel(handle)

    assert broken(slave(step)) == []


@pytest.mark.parametrize("channel, width, maximum", [(1, WIDTH_16_BITS, 100), (5, WIDTH_8_BITS, 100), (1, WIDTH_8_BITS, 0)])
def test_a_width_that_the_channel_lacks_and_no_length_are_refused(slave: Any, broken: Any, channel: int, width: int, maximum: int) -> None:
    def step(adapter: Any) -> None:
        description = DmaDescription(dma_width=width)
        assert adapter.register_dma_channel(channel, False, description, maximum) == (s.NDIS_STATUS_RESOURCES, None)

    assert broken(slave(step)) == []


def test_there_is_no_channel_where_no_memory_is_in_reach(slave: Any, broken: Any) -> None:
    def step(adapter: Any) -> None:
        assert register(adapter) == (s.NDIS_STATUS_RESOURCES, None)

    assert broken(slave(step, bus_offset=64 << 20)) == []


@pytest.mark.breaks("slave-register-status", "attr5-adapter-type")
@pytest.mark.parametrize("nic, interface", [("reference", s.NDIS_INTERFACE_PCI), ("reference", s.NDIS_INTERFACE_ISA),
                                            ("isa-slave", s.NDIS_INTERFACE_PCI)])
def test_only_an_isa_card_has_a_channel(slave: Any, broken: Any, nic: str, interface: int) -> None:
    def step(adapter: Any) -> None:
        assert register(adapter) == (s.NDIS_STATUS_FAILURE, None)

    other_bus = (nic == "isa-slave") != (interface == s.NDIS_INTERFACE_ISA)
    assert broken(slave(step, nic=nic, interface=interface)) == ["attr5-adapter-type"] * other_bus + ["slave-register-status"]


@pytest.mark.breaks("slave-register-init-only")
def test_registration_before_the_attributes_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        register(adapter)

    assert "slave-register-init-only" in broken(live(bare(initialize, attributes=None), nic="isa-slave"))


def test_an_isa_bus_master_gets_the_cascade_and_no_transfers(slave: Any, broken: Any) -> None:
    def step(adapter: Any) -> None:
        controllers = adapter._ndis.machine.dma_controllers
        assert not controllers.bus_master_granted(5)
        _, handle = register(adapter, 5)
        assert controllers.bus_master_granted(5) and channel_of(adapter, 5).service is Service.CASCADE
        buffer, give_back = buffer_of(adapter)
        assert adapter.setup_dma_transfer(handle, buffer, 0, 64, True) == s.NDIS_STATUS_RESOURCES
        give_back()
        adapter.deregister_dma_channel(handle)
        assert not controllers.bus_master_granted(5)

    assert broken(slave(step, attributes=s.NDIS_ATTRIBUTE_BUS_MASTER)) == []


@pytest.mark.breaks("halt-undo-all", "slave-deregister")
def test_a_channel_that_is_kept_is_a_leak_and_one_given_back_twice_is_a_finding(slave: Any, broken: Any) -> None:
    world = slave(lambda adapter: register(adapter) and None)
    assert broken(world) == ["halt-undo-all"]
    assert "slave-deregister" in world.machine.findings.errors[0].also

    def twice(adapter: Any) -> None:
        _, handle = register(adapter)
        adapter.deregister_dma_channel(handle)
        adapter.deregister_dma_channel(handle)

    assert broken(slave(twice)) == ["slave-deregister"]


# Transfers


@pytest.mark.keeps("slave-one-transfer", "slave-setup-irql")
@pytest.mark.parametrize("nic", ["isa-slave", "isa-slave-16"])
def test_what_the_card_reads_was_copied_below_16_mb_and_inside_a_window(with_channel: Any, broken: Any, nic: str) -> None:
    def step(adapter: Any, handle: Any) -> None:
        buffer, give_back = buffer_of(adapter)
        buffer.view.write(10, b"hello isa.")
        assert adapter.setup_dma_transfer(handle, buffer, 10, 10, True) == s.NDIS_STATUS_SUCCESS
        channel = handle.channel
        assert channel.limits.legal(channel.bus_address, 10) and channel.bus_address != buffer.view.block.physical
        assert adapter._ndis.ram.read(channel.bus_address, 10) == b"hello isa."
        assert adapter.read_dma_counter(handle) == 10
        assert adapter.complete_dma_transfer(handle, buffer, 10, 10, True) == s.NDIS_STATUS_SUCCESS
        assert channel.masked
        give_back()

    assert broken(with_channel(step, nic=nic)) == []


@pytest.mark.keeps("slave-complete-before-read", "slave-complete-match")
@pytest.mark.parametrize("moved", [0, 1, 99, 100])
def test_what_the_card_wrote_is_in_the_buffer_after_completion_and_the_rest_is_as_it_was(with_channel: Any, broken: Any,
                                                                                         moved: int) -> None:
    def step(adapter: Any, handle: Any) -> None:
        buffer, give_back = buffer_of(adapter)
        adapter.setup_dma_transfer(handle, buffer, 0, 100, False)
        nic = adapter.nic
        assert handle.channel.write(nic.dma, b"\x77" * moved, "test data").length == moved
        assert adapter.read_dma_counter(handle) == 100 - moved
        adapter.complete_dma_transfer(handle, buffer, 0, 100, False)
        assert buffer.view.read(0, 101) == b"\x77" * moved + b"\x5a" * (101 - moved)
        give_back()

    assert broken(with_channel(step)) == []


@pytest.mark.keeps("slave-counter")
@pytest.mark.parametrize("moved", [0, 1, 65535, 65536])
def test_a_transfer_of_the_whole_window_tells_none_from_all(with_channel: Any, broken: Any, moved: int) -> None:
    def step(adapter: Any, handle: Any) -> None:
        buffer, give_back = buffer_of(adapter, 65536)
        adapter.setup_dma_transfer(handle, buffer, 0, 65536, False)
        handle.channel.write(adapter.nic.dma, b"\x77" * moved, "test data")
        adapter.complete_dma_transfer(handle, buffer, 0, 65536, False)
        assert buffer.view.read(0, 65536) == b"\x77" * moved + b"\x5a" * (65536 - moved)
        give_back()

    assert broken(with_channel(step, maximum=65536)) == []


@pytest.mark.parametrize("nic, length, status", [
    ("isa-slave", 0, s.NDIS_STATUS_RESOURCES), ("isa-slave", 1, s.NDIS_STATUS_SUCCESS), ("isa-slave", 128, s.NDIS_STATUS_SUCCESS),
    ("isa-slave", 129, s.NDIS_STATUS_RESOURCES), ("isa-slave-16", 1, s.NDIS_STATUS_RESOURCES),
    ("isa-slave-16", 2, s.NDIS_STATUS_SUCCESS), ("isa-slave-16", 3, s.NDIS_STATUS_RESOURCES)])
def test_a_length_that_the_channel_cannot_move_gives_resources(with_channel: Any, broken: Any, nic: str, length: int, status: int) -> None:
    def step(adapter: Any, handle: Any) -> None:
        buffer, give_back = buffer_of(adapter)
        assert adapter.setup_dma_transfer(handle, buffer, 0, length, True) == status
        if status == s.NDIS_STATUS_SUCCESS:
            adapter.complete_dma_transfer(handle, buffer, 0, length, True)
        give_back()

    assert broken(with_channel(step, nic=nic, maximum=128)) == []


@pytest.mark.breaks("slave-one-transfer")
def test_a_second_transfer_on_a_busy_channel_gets_resources_and_is_a_finding(with_channel: Any, broken: Any) -> None:
    def step(adapter: Any, handle: Any) -> None:
        buffer, give_back = buffer_of(adapter)
        adapter.setup_dma_transfer(handle, buffer, 0, 64, True)
        assert adapter.setup_dma_transfer(handle, buffer, 64, 64, True) == s.NDIS_STATUS_RESOURCES
        adapter.complete_dma_transfer(handle, buffer, 0, 64, True)
        give_back()

    assert broken(with_channel(step)) == ["slave-one-transfer"]


@pytest.mark.breaks("slave-subrange")
@pytest.mark.keeps("slave-subrange")
@pytest.mark.parametrize("offset, length, rule", [
    (0, 100, []), (1, 99, []), (1, 100, ["slave-subrange"]), (-1, 10, ["slave-subrange"]), (100, 1, ["slave-subrange"])])
def test_a_transfer_stays_inside_its_buffer(with_channel: Any, broken: Any, offset: int, length: int, rule: list[str]) -> None:
    def step(adapter: Any, handle: Any) -> None:
        buffer, give_back = buffer_of(adapter, 100)
        status = adapter.setup_dma_transfer(handle, buffer, offset, length, True)
        assert status == (s.NDIS_STATUS_RESOURCES if rule else s.NDIS_STATUS_SUCCESS)
        if not rule:
            adapter.complete_dma_transfer(handle, buffer, offset, length, True)
        give_back()

    assert broken(with_channel(step)) == rule


@pytest.mark.breaks("slave-complete-match")
@pytest.mark.parametrize("change", [{"offset": 1}, {"length": 63}, {"to_device": False}, {"other": True}])
def test_a_completion_repeats_the_set_up(with_channel: Any, broken: Any, told: Any, change: dict[str, Any]) -> None:
    def step(adapter: Any, handle: Any) -> None:
        buffer, give_back = buffer_of(adapter)
        other, give_other_back = buffer_of(adapter)
        adapter.setup_dma_transfer(handle, buffer, 0, 64, True)
        adapter.complete_dma_transfer(handle, other if change.get("other") else buffer, change.get("offset", 0),
                                      change.get("length", 64), change.get("to_device", True))
        give_other_back()
        give_back()

    world = with_channel(step)
    assert broken(world) == ["slave-complete-match"]
    assert "DMA channel 1" in told(world, "slave-complete-match")


@pytest.mark.breaks("slave-complete-match")
def test_a_completion_without_a_set_up_is_a_finding(with_channel: Any, broken: Any) -> None:
    def step(adapter: Any, handle: Any) -> None:
        buffer, give_back = buffer_of(adapter)
        assert adapter.complete_dma_transfer(handle, buffer, 0, 64, True) == s.NDIS_STATUS_RESOURCES
        give_back()

    assert broken(with_channel(step)) == ["slave-complete-match"]


@pytest.mark.breaks("slave-complete-before-read")
def test_data_that_are_read_before_completion_are_a_finding_and_stale(with_channel: Any, broken: Any) -> None:
    def step(adapter: Any, handle: Any) -> None:
        buffer, give_back = buffer_of(adapter)
        adapter.setup_dma_transfer(handle, buffer, 0, 64, False)
        handle.channel.write(adapter.nic.dma, b"\x77" * 64, "test data")
        assert buffer.view.read(64, 4) == b"\x5a" * 4  # behind the transfer
        assert buffer.view.read(60, 4) != b"\x77" * 4
        adapter.complete_dma_transfer(handle, buffer, 0, 64, False)
        assert buffer.view.read(60, 4) == b"\x77" * 4
        give_back()

    assert broken(with_channel(step)) == ["slave-complete-before-read"]


@pytest.mark.breaks("slave-counter")
def test_the_counter_is_read_only_while_a_transfer_is_set_up(with_channel: Any, broken: Any) -> None:
    def step(adapter: Any, handle: Any) -> None:
        assert adapter.read_dma_counter(handle) == 0

    assert broken(with_channel(step)) == ["slave-counter"]


@pytest.mark.breaks("slave-deregister")
def test_a_channel_with_a_transfer_on_it_is_not_given_back(slave: Any, broken: Any) -> None:
    def step(adapter: Any) -> None:
        _, handle = register(adapter)
        buffer, give_back = buffer_of(adapter)
        adapter.setup_dma_transfer(handle, buffer, 0, 64, True)
        adapter.deregister_dma_channel(handle)
        give_back()

    assert broken(slave(step)) == ["slave-deregister"]


def test_bytes_that_were_never_written_do_not_go_to_the_card(with_channel: Any, broken: Any) -> None:
    def step(adapter: Any, handle: Any) -> None:
        buffer, give_back = buffer_of(adapter, fill=None)
        adapter.setup_dma_transfer(handle, buffer, 0, 64, True)
        adapter.complete_dma_transfer(handle, buffer, 0, 64, True)
        give_back()

    assert broken(with_channel(step)) == ["shared-init-value"]


@pytest.mark.breaks("slave-setup-irql")
def test_a_set_up_above_dispatch_level_is_a_finding(with_channel: Any, broken: Any) -> None:
    def step(adapter: Any, handle: Any) -> None:
        buffer, give_back = buffer_of(adapter)
        before = adapter._ndis.scheduler.raise_irql(FIRST_DIRQL)
        adapter.setup_dma_transfer(handle, buffer, 0, 64, True)
        adapter._ndis.scheduler.lower_irql(before)
        adapter.complete_dma_transfer(handle, buffer, 0, 64, True)
        give_back()

    assert broken(with_channel(step)) == ["slave-setup-irql"]


def test_a_channel_that_starts_over_works_on_shared_memory_itself(with_channel: Any, broken: Any) -> None:
    def step(adapter: Any, handle: Any) -> None:
        view, address = adapter.allocate_shared_memory(64, False)
        _, pool = adapter.allocate_buffer_pool(1)
        _, buffer = adapter.allocate_buffer(pool, view, 64)
        assert adapter.setup_dma_transfer(handle, buffer, 0, 64, False) == s.NDIS_STATUS_SUCCESS
        assert (handle.channel.bus_address, handle.channel.auto_initializes) == (address, True)
        handle.channel.write(adapter.nic.dma, b"\x77" * 48, "test data")
        assert adapter.read_dma_counter(handle) == 16
        assert view.read(0, 48) == b"\x77" * 48
        handle.channel.write(adapter.nic.dma, b"\x88" * 32, "test data")
        assert adapter.read_dma_counter(handle) == 48 and view.read_uchar(0) == 0x88
        adapter.complete_dma_transfer(handle, buffer, 0, 64, False)
        adapter.free_buffer(buffer)
        adapter.free_buffer_pool(pool)
        adapter.free_shared_memory(64, False, view, address)

    assert broken(with_channel(step, description={"auto_initialize": True})) == []


# Shared memory of slave cards


@pytest.mark.breaks("shared-alloc-slave-old")
@pytest.mark.keeps("shared-alloc-slave-old")
@pytest.mark.parametrize("windows", WINDOWS)
def test_shared_memory_of_a_slave_card_came_with_xp_sp1(with_channel: Any, broken: Any, windows: str) -> None:
    def step(adapter: Any, handle: Any) -> None:
        view, address = adapter.allocate_shared_memory(4096, False)
        assert (view is None) == (windows in OLD)
        if view is None:
            assert address == POISON_ADDRESS
        else:
            assert address + 4096 <= 1 << 24 and address >> 16 == address + 4095 >> 16
            adapter.free_shared_memory(4096, False, view, address)

    world = with_channel(step, windows=windows)
    assert broken(world) == []
    assert [n.rule.id for n in world.machine.findings.notices] == (["shared-alloc-slave-old"] if windows in OLD else [])


@pytest.mark.parametrize("length, given", [(65535, True), (65536, True), (65537, False)])
def test_shared_memory_of_a_slave_card_lies_inside_64_kb(with_channel: Any, broken: Any, length: int, given: bool) -> None:
    def step(adapter: Any, handle: Any) -> None:
        view, address = adapter.allocate_shared_memory(length, False)
        assert (view is not None) == given
        if view is not None:
            assert address >> 16 == address + length - 1 >> 16
            adapter.free_shared_memory(length, False, view, address)

    assert broken(with_channel(step, nic="isa-slave-16")) == []


@pytest.mark.breaks("shared-alloc-after-dma-ndis5")
def test_shared_memory_of_a_slave_card_needs_its_channel(slave: Any, broken: Any) -> None:
    def step(adapter: Any) -> None:
        assert adapter.allocate_shared_memory(4096, False)[0] is None

    assert broken(slave(step)) == ["shared-alloc-after-dma-ndis5"]


@pytest.mark.breaks("shared-free-foreign", "shared-free-slave")
@pytest.mark.keeps("shared-free-foreign", "shared-free-slave")
@pytest.mark.parametrize("windows", ["2000", "2003"])
def test_a_slave_card_frees_shared_memory_only_where_it_is_given_some(with_channel: Any, broken: Any, windows: str) -> None:
    def step(adapter: Any, handle: Any) -> None:
        _, memory = adapter.allocate_memory_with_tag(64, "Test")
        adapter.free_shared_memory(64, False, memory, 0)
        adapter.free_memory(memory, 64)

    assert broken(with_channel(step, windows=windows)) == (["shared-free-slave"] if windows == "2000" else ["shared-free-foreign"])


def test_the_slave_miniport_needs_no_shared_memory(live: Any) -> None:
    world = live(SlaveMiniport, nic="isa-slave", frames=4)
    assert world.received == 4
    assert not [block for block in world.machine.book.made if block.kind is BlockKind.SHARED]


@pytest.mark.parametrize("write_to_device", [True, False])
@pytest.mark.parametrize("offset", [0, 4000, 4096])
def test_a_buffer_over_scattered_pages_goes_through_the_buffer_of_the_hal(with_channel: Any, broken: Any, offset: int,
                                                                          write_to_device: bool) -> None:
    length = 200

    def step(adapter: Any, handle: Any) -> None:
        ndis = adapter._ndis
        block = ndis.memory.allocate_spread(BlockKind.OTHER, "test", "spread", 2, adapter=adapter.number)
        view = View(ndis.port, block)
        content = bytes(n % 251 for n in range(2 * 4096))
        view.write(0, content)
        _, buffer = adapter.allocate_buffer(None, view, 2 * 4096)
        assert adapter.setup_dma_transfer(handle, buffer, offset, length, write_to_device) == s.NDIS_STATUS_SUCCESS
        if write_to_device:
            assert ndis.ram.read(handle.bounce.physical, length) == content[offset:offset + length]
        assert adapter.complete_dma_transfer(handle, buffer, offset, length, write_to_device) == s.NDIS_STATUS_SUCCESS
        assert view.read(0, 2 * 4096) == content
        adapter.free_buffer(buffer)

    assert broken(with_channel(step)) == []
