# SPDX-License-Identifier: Apache-2.0
"""Functions and source lines of a program, from the symbols and the DWARF line programs of its ELF file.

Paths come out relative: below the folder of the compilation as they are, elsewhere the file's name alone.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from firmware.errors import ImageError
from firmware.lines import Function, Lines, Row

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile


def lines_of(file: ELFFile, executable: Sequence[tuple[int, int]]) -> Lines | None:
    """What is known of the code in *executable* (address ranges, the end excluded); None if nothing is."""
    functions, rows = tuple(_functions(file, executable)), tuple(_rows(file, executable))
    return Lines(functions, rows) if functions or rows else None


def _functions(file: ELFFile, executable: Sequence[tuple[int, int]]) -> Iterator[Function]:
    """One function for each address. A label of assembly has no length: it goes up to the next one, or to the end of its segment."""
    table: Any = file.get_section_by_name(".symtab")
    named: dict[int, tuple[tuple[bool, bool, str], int, str]] = {}
    for symbol in table.iter_symbols() if table is not None else ():
        kind, address, name = symbol["st_info"]["type"], symbol["st_value"], symbol.name
        label = kind == "STT_NOTYPE"
        if kind not in ("STT_FUNC", "STT_NOTYPE") or not name or name[0] in "$." or symbol["st_shndx"] in ("SHN_UNDEF", "SHN_ABS"):
            continue
        if _end_of(address, executable) is None:
            continue
        # Of several names of one address: a function before a label, a global one before a local one, then by name.
        rank = (label, symbol["st_info"]["bind"] != "STB_GLOBAL", name)
        if address not in named or rank < named[address][0]:
            named[address] = rank, symbol["st_size"], name
    starts = sorted(named)
    for number, address in enumerate(starts):
        _, length, name = named[address]
        if not length:
            end = _end_of(address, executable)
            assert end is not None
            length = min([end, *starts[number + 1:number + 2]]) - address
        yield Function(address, length, name)


def _rows(file: ELFFile, executable: Sequence[tuple[int, int]]) -> Iterator[Row]:
    """Where the line changes. Of several lines at one address the last counts, as for a debugger."""
    known: dict[int, tuple[str, int]] = {}
    ends: set[int] = set()
    ranges_end = {end for _, end in executable}
    if file.has_dwarf_info():
        dwarf = file.get_dwarf_info()
        for unit in dwarf.iter_CUs():
            program = dwarf.line_program_for_CU(unit)
            if program is None:
                continue
            names = _names(unit, program)
            for entry in program.get_entries():
                state = entry.state
                if state is None:
                    continue
                inside = _end_of(state.address, executable) is not None
                if state.end_sequence and (inside or state.address in ranges_end):
                    ends.add(state.address)
                elif inside:
                    if not 0 <= state.line < 1 << 32:
                        raise ImageError(f"the code at 0x{state.address:x} has line {state.line}")
                    known[state.address] = names[state.file], state.line
    last = ("", 0)
    for address in sorted(known.keys() | ends):
        place = known.get(address, ("", 0))
        if place != last:
            yield Row(address, *place)
        last = place


def _names(unit: Any, program: Any) -> dict[int, str]:
    """The path of each file of a line program by its number: from 0 on in DWARF 5, from 1 on before."""
    attributes = unit.get_top_DIE().attributes
    folder = _text(attributes["DW_AT_comp_dir"].value) if "DW_AT_comp_dir" in attributes else ""
    header = program.header
    since_5 = header["version"] >= 5
    folders = [_text(one) for one in header["include_directory"]]
    if not since_5:
        folders.insert(0, folder)
    return {number: _relative(posixpath.join(folder, folders[entry.dir_index], _text(entry.name)), folder)
            for number, entry in enumerate(header["file_entry"], 0 if since_5 else 1)}


def _relative(path: str, folder: str) -> str:
    path, folder = posixpath.normpath(path), posixpath.normpath(folder) if folder else ""
    if folder and path.startswith(folder.rstrip("/") + "/"):
        return path[len(folder.rstrip("/")) + 1:]
    # A path of another system has its drive in front and may have backslashes.
    return posixpath.basename(path.replace("\\", "/")) if path.startswith("/") or path[1:2] == ":" else path


def _text(name: bytes | str) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "replace")


def _end_of(address: int, executable: Sequence[tuple[int, int]]) -> int | None:
    """The end of the range that holds *address*; None if none does."""
    return next((end for start, end in executable if start <= address < end), None)
