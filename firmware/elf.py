# SPDX-License-Identifier: Apache-2.0
"""From a linked program to an image: `pack` takes the loadable segments of an ELF file, and its symbols and lines."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from firmware.debug_lines import lines_of
from firmware.errors import PACK_AGAIN, ImageError
from firmware.image import Segment, build
from firmware.target import TARGET_SMART

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

MAGIC = b"\x7fELF"
MAX_ELF_BYTES = 64 << 20
REMEDY = "link it as docs/firmware.md shows: -march=rv32im -mabi=ilp32 -nostdlib -static, with the linker script of the card"
_RVC, _FLOAT, _RVE = 1, 6, 8
"""Bits of e_flags (RISC-V ELF psABI, "File Header")."""
_EXECUTABLE, _WRITABLE = 1, 2
"""PF_X and PF_W of p_flags."""


def pack(elf: bytes, version: tuple[int, int, int], target: int = TARGET_SMART) -> bytes:
    """The image of a program: a static ELF file of 32 bits for RISC-V. *version* is major, minor, patch, each 0 to 65535. Whatever
    cannot run on the card is an `ImageError` with the reason. Same bytes in, same bytes out; no path of the machine that built it."""
    if elf[:4] != MAGIC:
        raise ImageError(f"this is no ELF file: it begins with {elf[:4].hex(' ') or 'nothing'}", REMEDY)
    if len(elf) > MAX_ELF_BYTES:
        raise ImageError(f"the ELF file has {len(elf)} bytes; {MAX_ELF_BYTES} are read at most", REMEDY)
    from elftools.elf.elffile import ELFFile

    try:
        file = ELFFile(BytesIO(elf))
        _check_kind(file)
        segments = _segments(file)
        executable = [(one.address, one.address + len(one.data)) for one in segments if one.executable]
        lines = lines_of(file, executable)
        entry = int(file["e_entry"])
    except ImageError:
        raise
    except Exception as problem:  # pyelftools reads a broken file until something in it breaks, and no list names what it raises then
        text = str(problem).strip() or type(problem).__name__
        raise ImageError(f"the ELF file is broken: {text}", REMEDY) from None
    try:
        return build(version, entry, segments, lines, target)
    except ImageError as problem:
        raise ImageError(problem.reason, REMEDY if problem.remedy == PACK_AGAIN else problem.remedy) from None


def _check_kind(file: ELFFile) -> None:
    """Class, byte order, machine and type that the card can run."""
    if file.elfclass != 32:
        raise ImageError(f"the ELF file has class ELFCLASS{file.elfclass}; the card runs 32 bits", REMEDY)
    if not file.little_endian:
        raise ImageError("the ELF file is big endian; the card is little endian", REMEDY)
    for field, due, what in (("e_machine", "EM_RISCV", "machine"), ("e_type", "ET_EXEC", "type")):
        if file[field] != due:
            raise ImageError(f"the ELF file has {what} {file[field]}; {due} is due", REMEDY)
    for bits, what in ((_RVC, "compressed instructions"), (_FLOAT, "a floating-point ABI"), (_RVE, "the RV32E base")):
        if file["e_flags"] & bits:
            raise ImageError(f"the program uses {what}; the card runs RV32IM", REMEDY)


def _segments(file: ELFFile) -> list[Segment]:
    """The loadable segments, each filled up to whole words with zeros."""
    found: list[Segment] = []
    for one in file.iter_segments():
        kind = one["p_type"]
        if kind in ("PT_INTERP", "PT_DYNAMIC"):
            raise ImageError(f"the program is linked dynamically ({kind})", REMEDY)
        if kind != "PT_LOAD" or not one["p_memsz"]:
            continue
        found.append(_segment(one, len(found)))
    if not found:
        raise ImageError("the program has no segment to be loaded", REMEDY)
    return found


def _segment(one: Any, number: int) -> Segment:
    data = one.data()
    if len(data) != one["p_filesz"]:
        raise ImageError(f"segment {number} has {one['p_filesz']} bytes; {len(data)} of them are in the ELF file", REMEDY)
    if one["p_memsz"] < len(data):
        raise ImageError(f"segment {number} has {len(data)} bytes and room for {one['p_memsz']}", REMEDY)
    if one["p_paddr"] != one["p_vaddr"]:
        raise ImageError(f"segment {number} is linked for 0x{one['p_vaddr']:x} and to be loaded at 0x{one['p_paddr']:x}; the boot ROM "
                         "puts it where it runs", REMEDY)
    return Segment(one["p_vaddr"], data + bytes(-len(data) % 4), -(-one["p_memsz"] // 4) * 4, bool(one["p_flags"] & _EXECUTABLE),
                   bool(one["p_flags"] & _WRITABLE))
