# SPDX-License-Identifier: Apache-2.0
"""The serial EEPROM on its four pins, against the instruction table of the 93C46."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.nic.eeprom93c46 import ERASED, WORDS, Eeprom93C46


class Host:
    """Drives the pins as a driver does."""

    def __init__(self, *words: int) -> None:
        self.memory = Eeprom93C46(words)

    def tick(self, bit: int) -> int:
        self.memory.pins(1, 0, bit)
        self.memory.pins(1, 1, bit)
        return int(self.memory.data_out)

    def command(self, bits: str, data: str = "", zeros: int = 0) -> None:
        self.memory.pins(0, 0, 0)
        self.memory.pins(1, 0, 0)
        for bit in "0" * zeros + "1" + bits + data:
            self.tick(int(bit))

    def end(self) -> None:
        self.memory.pins(0, 0, 0)

    def read(self, address: int, zeros: int = 0) -> int:
        self.command(f"10{address:06b}", zeros=zeros)
        word = int("".join(str(self.tick(0)) for _ in range(16)), 2)
        self.end()
        return word

    def do(self, bits: str, data: int | None = None) -> None:
        self.command(bits, "" if data is None else f"{data:016b}")
        self.end()


@given(words=st.lists(st.integers(0, 0xFFFF), max_size=WORDS), address=st.integers(0, WORDS - 1), zeros=st.integers(0, 4))
def test_a_read_gives_the_word_at_its_address_whatever_zeros_come_before_the_start_bit(words: list[int], address: int, zeros: int) -> None:
    assert Host(*words).read(address, zeros) == (words + [ERASED] * WORDS)[address]


def test_a_read_that_goes_on_gives_the_next_words_around_the_end() -> None:
    host = Host(0x1111, *[0] * 62, 0x8001)
    host.command("10111111")
    assert host.memory.data_out == 0, "a zero comes before the first bit"
    assert int("".join(str(host.tick(0)) for _ in range(32)), 2) == 0x8001_1111


@pytest.mark.parametrize("enabled", [False, True])
def test_a_word_is_written_only_after_ewen_and_not_after_ewds(enabled: bool) -> None:
    host = Host(1, 2, 3)
    host.do("00110000")
    if not enabled:
        host.do("00000000")
    host.do("01000001", 0xBEEF)
    assert [host.read(at) for at in range(3)] == [1, 0xBEEF if enabled else 2, 3]


def test_erase_and_the_commands_for_all_words() -> None:
    host = Host(1, 2)
    host.do("00110000")
    host.do("11000000")
    assert (host.read(0), host.read(1)) == (ERASED, 2)
    host.do("00010000", 0x55AA)
    assert {host.read(at) for at in range(WORDS)} == {0x55AA}
    host.do("00100000")
    assert {host.read(at) for at in range(WORDS)} == {ERASED}


def test_a_write_that_is_cut_short_changes_nothing() -> None:
    host = Host(1)
    host.do("00110000")
    host.command("01000000", "101")
    host.end()
    assert host.read(0) == 1


def test_nothing_happens_while_chip_select_is_low() -> None:
    memory = Eeprom93C46([0])
    for bit in (1, 1, 0, *[0] * 30):
        memory.pins(0, 0, bit)
        memory.pins(0, 1, bit)
        assert memory.data_out == 1
