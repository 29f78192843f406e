# SPDX-License-Identifier: Apache-2.0
"""ELF files: what the linker made becomes an image that names its lines; what cannot run on the card is refused with the reason."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.elf import pack
from firmware.image import ImageError, SourceLine, parse
from firmware.target import RAM_BASE

SOURCE = Path(__file__).resolve().parents[1] / "data" / "firmware"
PROGRAM = (SOURCE / "count.elf").read_bytes()
EI_CLASS, EI_DATA, E_TYPE, E_MACHINE, E_ENTRY, E_FLAGS = 4, 5, 16, 18, 24, 36
FIRST_SEGMENT, SEGMENT_BYTES = 52, 32
P_TYPE, P_OFFSET, P_VADDR, P_PADDR, P_FILESZ, P_MEMSZ, P_FLAGS = range(0, 28, 4)


def with_bytes(at: int, data: bytes) -> bytes:
    return PROGRAM[:at] + data + PROGRAM[at + len(data):]


def with_word(segment: int, field: int, value: int) -> bytes:
    return with_bytes(FIRST_SEGMENT + segment * SEGMENT_BYTES + field, struct.pack("<I", value))


def reason(elf: bytes) -> str:
    with pytest.raises(ImageError) as refused:
        pack(elf, (1, 0, 0))
    return refused.value.reason


def line_of(text: str, file: str = "count.c") -> int:
    return next(n for n, line in enumerate((SOURCE / file).read_text(encoding="utf-8").splitlines(), 1) if text in line)


def test_segments_entry_and_version_of_a_program() -> None:
    image = parse(pack(PROGRAM, (1, 2, 3)))
    code, state = image.segments
    assert image.version == (1, 2, 3) and image.entry == struct.unpack_from("<I", PROGRAM, E_ENTRY)[0]
    assert (code.address, code.executable, code.writable, len(code.data)) == (RAM_BASE, True, False, code.memory_length)
    assert (state.executable, state.writable, state.data) == (False, True, struct.pack("<5I", 9, 8, 7, 0, 0))
    assert state.memory_length == len(state.data) + 4, "the counter is zeroed, not stored"


def test_lines_of_a_program() -> None:
    image = parse(pack(PROGRAM, (1, 0, 0)))
    assert image.lines is not None
    assert image.lines.where(image.entry) == SourceLine("_start", "count.c", line_of("work(5)") - 1)
    places = [image.lines.where(pc) for pc in range(RAM_BASE, RAM_BASE + len(image.segments[0].data), 4)]
    assert SourceLine("work", "twice.h", line_of("return", "twice.h")) in places
    assert SourceLine("work", "count.c", line_of("values[1]++")) in places
    assert SourceLine("_start", "count.c", line_of("        counter++;")) in places
    assert None in places, "what follows the code are constants"


def test_same_program_gives_the_same_bytes() -> None:
    assert pack(PROGRAM, (1, 0, 0)) == pack(bytes(bytearray(PROGRAM)), (1, 0, 0))


@pytest.mark.parametrize(("path", "shown"), [
    (b"/a.c\0\0\0", "a.c"), (b"C:\\a.c\0", "a.c"), (b"./b/a.c", "b/a.c"), (b"count.c", "count.c")])
def test_no_absolute_path_comes_into_the_image(path: bytes, shown: str) -> None:
    assert len(path) == len(b"count.c") and PROGRAM.count(b"count.c\0") >= 1
    image = parse(pack(PROGRAM.replace(b"count.c\0", path + b"\0"), (1, 0, 0)))
    assert image.lines is not None and {row.file for row in image.lines.rows} == {shown, "twice.h", ""}


def test_program_without_sections_has_no_lines() -> None:
    stripped = PROGRAM[:32] + bytes(4) + PROGRAM[36:48] + bytes(4) + PROGRAM[52:]  # e_shoff, e_shnum and e_shstrndx
    assert parse(pack(stripped, (1, 0, 0))).lines is None


@pytest.mark.parametrize(("elf", "text"), [
    (b"", "this is no ELF file: it begins with nothing"),
    (b"\x7fELG" + PROGRAM[4:], "this is no ELF file: it begins with 7f 45 4c 47"),
    (PROGRAM[:20], "the ELF file is broken"),
    (PROGRAM[:60], "the ELF file is broken"),
    (with_bytes(EI_CLASS, b"\x02"), "class ELFCLASS64"),
    (with_bytes(EI_CLASS, b"\x07"), "the ELF file is broken"),
    (with_bytes(E_MACHINE, b"\x28\x00"), "machine EM_ARM; EM_RISCV is due"),
    (with_bytes(E_MACHINE, b"\x7f\x7f"), "machine 32639; EM_RISCV is due"),
    (with_bytes(E_TYPE, b"\x01\x00"), "type ET_REL; ET_EXEC is due"),
    (with_bytes(E_TYPE, b"\x03\x00"), "type ET_DYN; ET_EXEC is due"),
    (with_bytes(E_FLAGS, b"\x01"), "compressed instructions"),
    (with_bytes(E_FLAGS, b"\x04"), "a floating-point ABI"),
    (with_bytes(E_FLAGS, b"\x08"), "the RV32E base"),
    (with_bytes(E_ENTRY, struct.pack("<I", RAM_BASE + 0x200)), "lies in no executable segment"),
    (with_bytes(E_ENTRY, struct.pack("<I", RAM_BASE + 2)), "no multiple of 4"),
    (with_word(0, P_TYPE, 0), "lies in no executable segment"),
    (with_word(0, P_TYPE, 2), "linked dynamically (PT_DYNAMIC)"),
    (with_word(0, P_TYPE, 3), "linked dynamically (PT_INTERP)"),
    (with_word(0, P_PADDR, 0), "is linked for 0x10000000 and to be loaded at 0x0"),
    (with_word(0, P_FILESZ, 0x7FFFFFFF), "of them are in the ELF file"),
    (with_word(0, P_OFFSET, 0x7FFFFFFF), "of them are in the ELF file"),
    (with_word(0, P_MEMSZ, 4), "has 136 bytes and room for 4"),
    (with_word(1, P_MEMSZ, 0xFFFFFFF0), "the RAM of smart is"),
    (with_word(1, P_MEMSZ, 0xFFFFFFFF), "4294967296 bytes is not within 32 bits"),
    (with_word(0, P_FLAGS, 6), "lies in no executable segment"),
])
def test_what_cannot_run_on_the_card_is_refused(elf: bytes, text: str) -> None:
    assert text in reason(elf)


def both_addresses(segment: int, address: int) -> bytes:
    elf = bytearray(PROGRAM)
    struct.pack_into("<II", elf, FIRST_SEGMENT + segment * SEGMENT_BYTES + P_VADDR, address, address)
    return bytes(elf)


def test_segments_that_overlap_or_lie_outside_are_refused() -> None:
    assert "segments 0 and 1 overlap" in reason(both_addresses(1, RAM_BASE + 0x80))
    assert "the RAM of smart is" in reason(both_addresses(1, 0))
    assert "whole aligned words" in reason(both_addresses(1, RAM_BASE + 0x92))


def test_big_endian_is_refused() -> None:
    header = struct.pack(">4sBBBBB7xHHIIIIIHHHHHH", b"\x7fELF", 1, 2, 1, 0, 0, 2, 243, 1, RAM_BASE, 52, 0, 0, 52, 32, 0, 40, 0, 0)
    assert "big endian" in reason(header)


def test_program_without_a_segment_is_refused() -> None:
    assert reason(PROGRAM[:44] + bytes(2) + PROGRAM[46:]) == "the program has no segment to be loaded"


def survives(elf: bytes) -> None:
    try:
        parse(pack(elf, (1, 0, 0)))
    except ImageError as refused:
        assert refused.reason and refused.remedy


@given(at=st.integers(0, len(PROGRAM) - 1), data=st.binary(min_size=1, max_size=8))
def test_damaged_program_is_packed_or_refused(at: int, data: bytes) -> None:
    survives(with_bytes(at, data)[:len(PROGRAM)])


@given(length=st.integers(0, len(PROGRAM)))
def test_truncated_program_is_packed_or_refused(length: int) -> None:
    survives(PROGRAM[:length])
