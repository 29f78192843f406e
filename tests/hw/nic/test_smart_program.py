# SPDX-License-Identifier: Apache-2.0
"""What the smart NIC does for a program, and with one that goes wrong. Programs are a few instructions, instruction N in line N."""

from __future__ import annotations

from importlib.util import find_spec
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.image import Segment, build
from hw.clock import MS
from hw.nic.smart import SmartNic
from hw.nic.smart_core import INSTRUCTION_NS, SLICE, WATCHDOG_NS
from hw.nic.smart_registers import BootError, State
from hw.nic.smart_wire import internet_sum
from hw.rv32.engine import TrapCause
from hw.wire import loopback
from tests.hw.nic.smart_rig import (
    ASSERT,
    CHECKSUM,
    DMA,
    FOREVER,
    HOST,
    IMAGE,
    READY,
    REST,
    SYSTEM,
    WIRE,
    SmartRig,
    copy,
    program,
    put,
)
from tests.hw.rv32.assembler import asm, li
from tests.hw.rv32.conftest import WITHOUT_UNICORN
from verifier.errors import UsageError
from verifier.events import Event, Kind
from verifier.where import place

RAM = 0x1000_0000
SEEN = HOST + 0x4C
"""TX_HEAD: where a program shows the test a word."""


def run(*words: int, ready: bool = True) -> SmartRig:
    """A card that runs these instructions, behind READY."""
    rig = SmartRig(boot=False)
    rig.boot(program(*(READY if ready else []), *words))
    rig.settle()
    return rig


def outcome(rig: SmartRig) -> tuple[State, BootError]:
    return rig.nic.state, BootError(rig.read("BOOT_ERROR"))


def line(rig: SmartRig) -> str | None:
    return place(rig.errors[0].where)


# Programs that go wrong


@pytest.mark.breaks("firmware-trap")
@pytest.mark.parametrize("words, cause, at", [
    ([asm("lw", rd=1)], TrapCause.LOAD_ACCESS, 1),
    ([*li(1, 0x1004_0000), asm("lw", rd=2, rs1=1)], TrapCause.LOAD_ACCESS, 3),
    ([*li(1, 0x1003_FFFF), asm("sw", rs1=1)], TrapCause.STORE_MISALIGNED, 3),
    ([*li(1, 0x4000_5000), asm("sw", rs1=1)], TrapCause.STORE_ACCESS, 3),
    ([0], TrapCause.ILLEGAL, 1),
    ([asm("ebreak")], TrapCause.BREAKPOINT, 1),
    ([asm("ecall")], TrapCause.ENVIRONMENT_CALL, 1),
    ([*li(1, 0x4001_0000), asm("sw", rs1=1)], TrapCause.STORE_ACCESS, 3),
], ids=["null", "behind the RAM", "misaligned", "no device", "illegal", "ebreak", "ecall", "window"])
def test_a_trap_kills_the_program_and_names_its_line(words: list[int], cause: TrapCause, at: int) -> None:
    rig = run(*words, *REST)
    assert outcome(rig) == (State.DEAD, BootError.TRAP)
    assert rig.rules == ["firmware-trap"]
    assert line(rig) == f"mini.c:{len(READY) + at}"
    assert f"in mini (mini.c:{len(READY) + at})" in rig.errors[0].message
    assert cause.name in rig.errors[0].message
    assert (rig.read("TRAP_PC"), rig.read("TRAP_CAUSE")) == (RAM + 4 * (len(READY) + at - 1), cause.value)


@pytest.mark.keeps("firmware-trap", "firmware-hang", "firmware-assert")
@pytest.mark.parametrize("words", [
    [*li(1, 0x1003_FFFC), asm("sw", rs1=1), asm("lw", rd=2, rs1=1)], [*li(1, 0x1003_FFFF), asm("lb", rd=2, rs1=1)],
    [*li(1, 0x4001_0FFC), asm("lw", rd=2, rs1=1)]], ids=["last word", "last byte", "end of the window"])
def test_the_last_byte_of_a_memory_is_there(words: list[int]) -> None:
    rig = run(*words, *REST)
    assert outcome(rig) == (State.READY, BootError.NONE)
    assert rig.rules == []


@pytest.mark.breaks("firmware-trap")
@pytest.mark.parametrize("register", [SYSTEM + 0x00, SYSTEM + 0x14, DMA + 0x14, CHECKSUM + 0x0C, WIRE + 0x0C, HOST + 0x00, HOST + 0xA4])
def test_a_write_to_a_read_only_register_traps(register: int) -> None:
    rig = run(*put(register, 0), *REST)
    assert rig.rules == ["firmware-trap"]
    assert rig.read("TRAP_CAUSE") == TrapCause.STORE_ACCESS.value


@pytest.mark.breaks("firmware-trap")
@pytest.mark.parametrize("register", [SYSTEM + 0x0C, SYSTEM + 0x20, DMA + 0x10, CHECKSUM + 0x08, WIRE + 0x08, WIRE + 0x18])
def test_a_read_of_a_write_only_register_traps(register: int) -> None:
    rig = run(*copy(register, SEEN), *REST)
    assert rig.rules == ["firmware-trap"]
    assert rig.read("TRAP_CAUSE") == TrapCause.LOAD_ACCESS.value


@pytest.mark.breaks("firmware-trap")
@pytest.mark.parametrize("name", ["lb", "lh", "sb", "sh"])
def test_devices_take_words_alone(name: str) -> None:
    rig = run(*li(5, SYSTEM), asm(name, rs1=5), *REST)
    assert rig.rules == ["firmware-trap"]


@pytest.mark.breaks("firmware-trap")
def test_a_program_without_source_lines_is_named_by_its_address() -> None:
    body = asm("ebreak").to_bytes(4, "little")
    rig = SmartRig(boot=False)
    rig.boot(build((1, 0, 0), RAM, [Segment(RAM, body, 4, True, False)]))
    assert rig.rules == ["firmware-trap"]
    assert line(rig) == "<firmware at 0x10000000>:1"


@pytest.mark.breaks("firmware-hang")
def test_a_program_that_never_sleeps_is_found_after_a_millisecond() -> None:
    rig = run(*FOREVER)
    assert outcome(rig) == (State.DEAD, BootError.HANG)
    assert rig.rules == ["firmware-hang"]
    assert line(rig) == f"mini.c:{len(READY) + 1}"
    assert rig.read("WATCHDOG") == 1
    assert WATCHDOG_NS < rig.errors[0].time_ns < 2 * WATCHDOG_NS


@pytest.mark.breaks("firmware-hang")
def test_a_program_that_hangs_before_it_reports_is_dead_at_boot() -> None:
    rig = run(*FOREVER, ready=False)
    assert outcome(rig) == (State.DEAD, BootError.HANG)
    assert rig.rules == ["firmware-hang"]


@pytest.mark.keeps("firmware-hang")
@pytest.mark.parametrize("register, value", [(SYSTEM + 0x1C, 1), (SYSTEM + 0x0C, 4)])
def test_a_heartbeat_or_a_sleep_that_ends_at_once_feeds_the_watchdog(register: int, value: int) -> None:
    loop = put(register, value)
    rig = SmartRig(boot=False)
    rig.boot(program(*READY, *loop, asm("jal", imm=-4 * len(loop))))
    rig.machine.clock.advance(3 * MS)
    assert rig.nic.state is State.READY
    assert rig.rules == []
    beats = rig.read("HEARTBEAT")
    assert (beats > 3 * MS // INSTRUCTION_NS // (len(loop) + 1) // 2) is (register == SYSTEM + 0x1C)


@pytest.mark.keeps("firmware-hang")
def test_a_program_that_polls_for_ever_lets_the_machine_settle() -> None:
    loop = [*put(SYSTEM + 0x1C, 1), *copy(SYSTEM, SEEN)]
    rig = SmartRig(boot=False)
    rig.boot(program(*READY, *loop, asm("jal", imm=-4 * len(loop))))
    rig.settle()
    then = rig.machine.clock.now
    rig.machine.wire.set_link(False)
    rig.machine.clock.advance(MS)
    assert rig.nic.tx.head & 16
    assert (rig.nic.state, rig.rules, then < 2 * MS) == (State.READY, [], True)


@pytest.mark.breaks("firmware-assert")
def test_an_assertion_reports_file_and_line_to_host_and_bed() -> None:
    rig = run(*put(ASSERT, 7 << 16 | 123), *FOREVER)
    assert outcome(rig) == (State.DEAD, BootError.ASSERTION)
    assert rig.rules == ["firmware-assert"]
    assert line(rig) == f"mini.c:{len(READY) + 5}"
    assert rig.read("ASSERTION") == 7 << 16 | 123


def test_a_dead_program_hears_no_doorbell_and_causes_no_interrupt() -> None:
    rig = run(asm("ebreak"))
    rig.write("MASK", 0x3F)
    rig.program("TX", 0x10_0000, 8)
    rig.write("CTRL", 2)
    rig.write("TX_TAIL", 1)
    rig.machine.wire.set_link(False)
    rig.settle()
    assert (rig.read("CAUSE"), rig.read("TX_HEAD"), rig.read("STATUS")) == (0, 0, 4)
    assert not rig.nic.interrupting
    rig.write("CTRL", 1)
    rig.settle()
    assert rig.boot() is State.READY


def test_a_slice_ends_so_that_time_passes() -> None:
    rig = SmartRig(boot=False)
    rig.boot(program(*READY, *FOREVER))
    core = rig.nic.core
    assert core is not None
    before, then = core.engine.executed, rig.machine.clock.now
    rig.machine.clock.advance(10 * SLICE * INSTRUCTION_NS)
    assert abs(core.engine.executed - before - (rig.machine.clock.now - then) // INSTRUCTION_NS) <= SLICE


# Host registers from inside


@pytest.mark.parametrize("offset, name, first, second, shown", [
    (0x0C, "CAUSE", 0x01, 0x12, 0x13), (0x90, "STAT_TX", 3, 4, 7), (0x98, "STAT_MISSED", 0xFFFF_FFFF, 2, 1), (0x4C, "TX_HEAD", 3, 4, 4),
    (0x80, "DMA_ERROR_LO", 5, 6, 6), (0x84, "DMA_ERROR_HI", 5, 6, 6), (0x08, "STATUS", 0xFFFF_FFFF, 0xFFFF_FFFF, 0xD)])
def test_a_write_of_the_program_to_a_host_register_is_an_action(offset: int, name: str, first: int, second: int, shown: int) -> None:
    rig = run(*put(HOST + offset, first), *put(HOST + offset, second), *REST)
    assert rig.read(name) == shown


def test_the_program_clears_enable_bits_that_the_host_set() -> None:
    wait = put(SYSTEM + 0x0C, 1)
    rig = SmartRig(boot=False)
    rig.boot(program(*READY, *wait, *put(HOST + 0x04, 2), *REST))
    rig.write("CTRL", 0xE)
    rig.settle()
    assert rig.read("CTRL") == 0xC


def test_mailbox_words_come_in_order_and_one_doorbell_is_one_word() -> None:
    words = [word for number in range(5) for word in
             [*copy(SYSTEM + 0x04, RAM + 0x2000 + 8 * number), *copy(SYSTEM + 0x08, RAM + 0x2004 + 8 * number)]]
    rig = SmartRig(boot=False)
    rig.boot(program(*READY, *put(SYSTEM + 0x0C, 2), *words, *REST))
    for name, value in (("TX_TAIL", 1), ("TX_TAIL", 2), ("RX_TAIL", 3), ("TX_TAIL", 4), ("FILTER", 1), ("CTRL", 4), ("CTRL", 4)):
        rig.write(name, value)
    rig.settle()
    rig.receive(bytes(60))
    core = rig.nic.core
    assert core is not None
    found = [int.from_bytes(core.memory.ram[0x2000 + 4 * at:0x2004 + 4 * at], "little") for at in range(10)]
    assert found == [0x50, 2, 0x70, 3, 0x50, 4, 0x04, 4, 0x04, 4]


# Time


def test_the_timer_wakes_the_core_when_it_ran_out() -> None:
    words = [*put(SYSTEM + 0x18, 500_000), *put(SYSTEM + 0x0C, 8), *copy(SYSTEM + 0x14, RAM + 0x2000), *copy(SYSTEM + 0x00, RAM + 0x2004),
             *put(SYSTEM + 0x24, 8), *copy(SYSTEM + 0x00, RAM + 0x2008), *REST]
    rig = run(*words)
    core = rig.nic.core
    assert core is not None
    time, events, after = (int.from_bytes(core.memory.ram[at:at + 4], "little") for at in (0x2000, 0x2004, 0x2008))
    assert 500_000 < time < 502_000
    assert (events & 8, after & 8) == (8, 0)


def test_a_timer_that_was_taken_back_does_not_run_out() -> None:
    rig = run(*put(SYSTEM + 0x18, 500), *put(SYSTEM + 0x18, 0), *put(SYSTEM + 0x0C, 8), *put(SEEN, 9), *REST)
    assert rig.read("TX_HEAD") == 0


# Checksums


@given(data=st.binary(max_size=300))
def test_the_internet_sum_of_data_and_its_complement_is_all_ones(data: bytes) -> None:
    total = internet_sum(data)
    data += b"\0" * (len(data) % 2)
    assert internet_sum(data + (~total & 0xFFFF).to_bytes(2, "big")) == 0xFFFF


@pytest.mark.parametrize("kind, expected", [(1, internet_sum(bytes(range(1, 8)))), (2, crc32(bytes(range(1, 8))))])
def test_the_checksum_block_sums_the_cards_memory(kind: int, expected: int) -> None:
    rig = run(*put(RAM + 0x2000, 0x04030201), *put(RAM + 0x2004, 0x00070605), *put(CHECKSUM, RAM + 0x2000), *put(CHECKSUM + 4, 7),
              *put(CHECKSUM + 8, kind), *copy(CHECKSUM + 12, RAM + 0x2008), *REST)
    core = rig.nic.core
    assert core is not None
    assert int.from_bytes(core.memory.ram[0x2008:0x200C], "little") == expected


@pytest.mark.breaks("firmware-trap")
@pytest.mark.parametrize("address, length, kind, traps", [
    (RAM + 0x3_F000, 4096, 1, False), (RAM + 0x3_F001, 4096, 1, True), (RAM, 4097, 1, True), (RAM, 4, 0, True), (RAM, 4, 3, True)])
def test_the_checksum_block_stays_in_memory(address: int, length: int, kind: int, traps: bool) -> None:
    rig = run(*put(CHECKSUM, address), *put(CHECKSUM + 4, length), *put(CHECKSUM + 8, kind), *REST)
    assert rig.rules == ["firmware-trap"] * traps


# The DMA engine


@pytest.mark.breaks("firmware-trap")
@pytest.mark.parametrize("local, length, traps", [
    (RAM + 0x3_FFF0, 16, False), (RAM + 0x3_FFF0, 17, True), (RAM - 1, 16, True), (0x4001_0000, 16, True), (0, 16, True)])
def test_a_transfer_into_the_card_ends_in_its_ram(local: int, length: int, traps: bool) -> None:
    rig = SmartRig(boot=False)
    rig.boot(program(*READY, *put(SYSTEM + 0x0C, 1), *put(DMA, 0x20_0000), *put(DMA + 8, local), *put(DMA + 12, length), *put(DMA + 16, 1),
                     *copy(DMA + 20, SEEN), *REST))
    rig.processor.store(rig.block("data", 0x20_0000, 0x1000), 0, bytes(0x1000))
    rig.program("TX", 0x20_0000, 16)
    rig.write("CTRL", 2)
    rig.settle()
    assert rig.rules == ["firmware-trap"] * traps
    assert rig.nic.tx.head == (0 if traps else 1)


@pytest.mark.parametrize("enable, control, status", [(2, 1, 1), (2, 5, 4), (4, 1, 4), (4, 5, 1), (6, 0, 0)])
def test_the_gate_of_a_channel_is_its_enable_bit(enable: int, control: int, status: int) -> None:
    rig = SmartRig(boot=False)
    rig.boot(program(*READY, *put(SYSTEM + 0x0C, 1), *put(DMA, 0x20_0000), *put(DMA + 8, RAM + 0x8000), *put(DMA + 12, 16),
                     *put(DMA + 16, control), *copy(DMA + 20, SEEN), *REST))
    rig.processor.store(rig.block("data", 0x20_0000, 0x1000), 0, bytes(0x1000))
    rig.program("TX", 0x20_0000, 16)
    rig.program("RX", 0x20_0000, 16)
    rig.write("CTRL", enable)
    rig.settle()
    assert rig.nic.tx.head == status
    reads = [row for row in rig.machine.events.as_dicts() if row["kind"] == "dma_read" and row["logical"] == 0x20_0000]
    assert len(reads) == int(status == 1)


# The image that comes with the card


def test_the_program_reports_within_20_us() -> None:
    rig = SmartRig(boot=False)
    rig.boot(IMAGE)
    times = {event[4]: event[0] for event in rig.machine.events.events if event[1] == Kind.FIRMWARE}
    assert 0 < times["READY"] - times["STARTING"] < 20_000


def busy_life(rig: SmartRig) -> list[Event]:
    """Frames of every kind in both directions; all that happened."""
    rig.start_rx()
    rig.start_tx(ctrl=8)
    rig.machine.wire.far_end = loopback
    index = 0
    for length in (1, 14, 59, 60, 61, 777, 1514, 1515):
        index = rig.send(bytes(at % 251 for at in range(length)), first=index)
    rig.machine.wire.set_link(False)
    rig.send(bytes(60), first=index)
    return list(rig.machine.events.events)


def test_both_engines_give_the_same_life_event_by_event(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("unicorn") is None:
        pytest.skip(WITHOUT_UNICORN)
    lives = []
    for engine in ("python", "unicorn"):
        monkeypatch.setattr(SmartNic, "engine", engine)
        lives.append(busy_life(SmartRig()))
    assert lives[0] == lives[1]
    assert sum(event[1] == Kind.FRAME_OUT for event in lives[0]) == 7


def test_an_unknown_engine_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SmartNic, "engine", "verilog")
    with pytest.raises(UsageError, match="verilog"):
        SmartRig()
