# SPDX-License-Identifier: Apache-2.0
"""The address map as rows: every row is one run of bytes in which nothing changes. Text and SVG draw the same rows.

Addresses of rows are physical, ascending. What the device sees (reach, boundaries) is logical and is moved by the bus
offset: logical = physical + offset. Rows are cut where something begins or ends, and where a block or a faulty span
meets a boundary or the end of the reach. A long run of free memory stays one row that says how long it is and how many
boundaries lie in it, so that 16 MiB and 1 TiB of RAM give maps of the same length.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from dmabed.report.facts import Json, beside, clean, count, size_text
from verifier.address import Span, first_multiple_inside, hex_address

MAX_ROWS = 96
"""Longest map drawn; beyond it the longest uninteresting runs are folded into one row each."""
MAX_CUTS = 4
"""A block that meets more boundaries than this is not cut at them; its row says how many it holds."""
LEAST_WIDTH = 60
"""Narrowest text that still holds a row."""

_NOBODY = "nobody answers"


@dataclass(frozen=True, slots=True)
class Block:
    """One allocation on the map; *span* is physical."""

    span: Span
    name: str
    owner: str
    kind: str
    live: bool
    where: str | None
    freed_where: str | None
    virtual: int | None

    @property
    def title(self) -> str:
        """Name, and owner where it says more than the name."""
        return self.name if not self.owner or self.owner == self.name else f"{self.name} ({self.owner})"


@dataclass(frozen=True, slots=True)
class Fault:
    """A faulty span on the map, in physical addresses, and the first byte that goes wrong, where one does."""

    span: Span
    wrong_at: int | None
    rule: str
    number: int


@dataclass(frozen=True, slots=True)
class Row:
    """One run of bytes in which nothing changes. *blocks*: live before freed; *faults*: numbers of findings."""

    span: Span
    kind: str
    """``ram``, ``mmio`` or ``hole``."""
    name: str
    reachable: bool
    blocks: tuple[Block, ...] = ()
    faults: tuple[int, ...] = ()
    boundaries: int = 0
    """Multiples of the device's boundary inside, its first byte not counted."""
    at_boundary: bool = False
    """The first byte is a multiple of the boundary."""
    reach_ends: bool = False
    """The first byte is the first one that the device does not reach."""
    wrong: tuple[str, ...] = ()
    """Rules whose first wrong byte is the first byte of this row."""
    folded: str = ""
    """What was folded into this row; empty for an ordinary row."""

    @property
    def block(self) -> Block | None:
        """The block to name: the live one where there is one."""
        return self.blocks[0] if self.blocks else None

    @property
    def free(self) -> bool:
        """RAM that no live block covers."""
        return self.kind == "ram" and not self.folded and (not self.blocks or not self.blocks[0].live)


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """The whole map: *rows* by ascending physical address, without a gap between the first and the last."""

    rows: tuple[Row, ...]
    bus_offset: int
    reach_last: int | None
    """Last *logical* address that the device reaches."""
    boundary: int
    ports: tuple[tuple[Span, str], ...]
    elsewhere: tuple[str, ...]
    """Blocks that have no physical address to draw."""
    faults: tuple[Fault, ...]

    def logical(self, physical: int) -> int:
        """The address that the device uses for *physical*."""
        return physical + self.bus_offset


def build(map_: Json, faults: Sequence[Fault] = (), max_rows: int = MAX_ROWS) -> MemoryMap:
    """Lay out the ``map`` object of a run with the faulty spans on it."""
    offset, boundary = int(map_.get("bus_offset") or 0), int(map_.get("boundary") or 0)
    reach_last = map_.get("reach_last")
    reach_end = None if reach_last is None else int(reach_last) + 1 - offset
    ranges = sorted((Span(r["start"], r["length"]), str(r["kind"]), clean(r.get("name") or ""))
                    for r in map_.get("ranges", ()) if r["length"] > 0)
    memory = sorted((r for r in ranges if r[1] != "ports"), key=lambda r: r[1] == "hole")  # registers may lie in a hole
    blocks, elsewhere = _blocks(map_)
    rows: list[Row] = []
    cuts = _cuts(memory, blocks, faults, reach_end, boundary, offset)
    waiting, over = sorted(blocks, key=lambda b: b.span, reverse=True), list[Block]()
    for start, end in pairwise(cuts):
        span = Span(start, end - start)
        over = [b for b in over if b.span.end > start]
        while waiting and waiting[-1].span.start <= start:
            over.append(waiting.pop())
        kind, name = next(((k, n) for s, k, n in memory if s.contains(span)), ("hole", ""))
        inside = tuple(sorted(over, key=lambda b: (not b.live, b.span, b.name)))
        rows.append(Row(
            span, kind, name, reach_end is None or end <= reach_end, inside,
            tuple(f.number for f in faults if f.span.contains(span)),
            _multiples_inside(span, boundary, offset),
            bool(boundary) and (start + offset) % boundary == 0 and start + offset > 0,
            start == reach_end,
            tuple(dict.fromkeys(f.rule for f in faults if f.wrong_at == start))))
    return MemoryMap(tuple(_folded(rows, max_rows)), offset, reach_last, boundary,
                     tuple((s, n) for s, k, n in ranges if k == "ports"), elsewhere, tuple(faults))


def physical_span(span: Json, map_: Json) -> Span | None:
    """A finding's ``span`` object as physical bytes, or None where it names no byte that the map can show."""
    start, length = int(span["address"]), max(1, int(span["length"]))
    if span["space"] == "virtual":
        for block in map_.get("blocks", ()):
            virtual, physical = block.get("virtual"), block.get("physical")
            if virtual is not None and physical is not None and virtual <= start < virtual + block["length"]:
                return Span(physical + start - virtual, length)
        return None
    if span["space"] == "logical":
        start -= int(map_.get("bus_offset") or 0)
    return Span(start, length) if start >= 0 else None


def describe(row: Row) -> str:
    """What lies in a row, in one line."""
    if row.folded:
        return row.folded
    block = row.block
    if block is not None:
        state = "" if block.live else f", freed{f' at {block.freed_where}' if block.freed_where else ''}"
        earlier = "" if len(row.blocks) < 2 else f"; before: {row.blocks[1].title}"
        part = "" if row.span.start == block.span.start else ", continued"
        return f"{block.title}{part}{state}{earlier}"
    if row.kind == "ram":
        return "free"
    return row.name or (_NOBODY if row.kind == "hole" else "device registers")


def to_text(map_: Json, width: int = 80, faults: Sequence[Fault] = ()) -> str:
    """The map as text of at most *width* columns (60 at least), low addresses first, ending in a newline."""
    return "\n".join(lines(build(map_, faults), width)) + "\n"


def lines(map_: MemoryMap, width: int = 80) -> list[str]:
    """The lines of `to_text` for a map that is laid out already."""
    width = max(width, LEAST_WIDTH)
    if not map_.rows:
        return ["the map is empty"]
    out = _head(map_, width)
    left = f"{'physical':<{len(_addresses(replace(map_, bus_offset=0), 0))}}"
    if map_.bus_offset:
        left = f"{left}  logical".ljust(len(_addresses(map_, 0)))
    out.append(f"{left}  {'size':>12}  nic  what"[:width])
    for row in map_.rows:
        out += _edge_lines(map_, row, width)
        out += _row_lines(map_, row, width)
    end = map_.rows[-1].span.end
    out.append(f"{_addresses(map_, end)}  end")
    if map_.ports:
        ports = ", ".join(f"0x{s.start:04x}..0x{s.last:04x}{f' {n}' if n else ''}" for s, n in map_.ports)
        out += textwrap.wrap(f"I/O ports  {ports}", width, subsequent_indent="           ")
    if map_.elsewhere:
        out += textwrap.wrap("not drawn  " + ", ".join(map_.elsewhere), width, subsequent_indent="           ")
    return out


def nics_table(nics: Iterable[Json], width: int = 80) -> str:
    """The NIC models as a table of at most *width* columns (60 at least), ending in a newline."""
    width = max(width, LEAST_WIDTH)
    cells = [(clean(n["name"]), clean(n["bus"]), _limits_cell(n["limits"]), clean(n["description"])) for n in nics]
    table = [("name", "bus", "limits", "description"), *cells]
    first, second = (min(20, max(len(row[i]) for row in table)) for i in (0, 1))
    third = min(24, max(len(row[2]) for row in table))
    columns = (first, second, third, width - first - second - third - 6)
    out: list[str] = []
    for row in table:
        wrapped = [textwrap.wrap(cell, size, break_on_hyphens=False) or [""]
                   for cell, size in zip(row, columns, strict=True)]
        for i in range(max(map(len, wrapped))):
            parts = [f"{cell[i] if i < len(cell) else '':<{size}}" for cell, size in zip(wrapped, columns, strict=True)]
            out.append("  ".join(parts).rstrip())
    return "\n".join(out) + "\n"


def _limits_cell(limits: object) -> str:
    if not isinstance(limits, dict):
        return clean(limits)
    boundary = limits.get("boundary")
    parts = [clean(limits.get("name", "")), f"{limits.get('address_bits')} bit",
             f"boundary {size_text(boundary)}" if boundary else ""]
    return ", ".join(part for part in parts if part)


def _blocks(map_: Json) -> tuple[list[Block], tuple[str, ...]]:
    placed: list[Block] = []
    elsewhere: list[str] = []
    for b in map_.get("blocks", ()):
        name, length = clean(b.get("name") or b["owner"]), int(b["length"])
        if b.get("physical") is None or length <= 0:
            elsewhere.append(name)
            continue
        placed.append(Block(
            Span(b["physical"], length), name, clean(b.get("owner") or ""), str(b["kind"]), b.get("state") != "freed",
            None if b.get("where") is None else clean(b["where"]),
            None if b.get("freed_where") is None else clean(b["freed_where"]), b.get("virtual")))
    return placed, tuple(elsewhere)


def _cuts(
    memory: Sequence[tuple[Span, str, str]], blocks: Sequence[Block], faults: Sequence[Fault], reach_end: int | None,
    boundary: int, offset: int,
) -> list[int]:
    """Ascending addresses at which a row begins or ends."""
    spans = [*(m[0] for m in memory), *(b.span for b in blocks), *(f.span for f in faults)]
    if not spans:
        return []
    cuts = {edge for span in spans for edge in (span.start, span.end)}
    low, high = min(0, *cuts), max(cuts)
    cuts.add(low)
    cuts |= {f.wrong_at for f in faults if f.wrong_at is not None and low < f.wrong_at < high}
    if reach_end is not None and low < reach_end < high:
        cuts.add(reach_end)
    for span in (*(b.span for b in blocks), *(f.span for f in faults)):
        if 0 < _multiples_inside(span, boundary, offset) <= MAX_CUTS:
            first = first_multiple_inside(span.start + offset, span.size, boundary)
            assert first is not None
            cuts |= set(range(first - offset, span.end, boundary))
    return sorted(cuts)


def _multiples_inside(span: Span, boundary: int, offset: int) -> int:
    """How many multiples of *boundary* the logical bytes of *span* cross."""
    return (span.last + offset) // boundary - (span.start + offset) // boundary if boundary else 0


def _folded(rows: list[Row], max_rows: int) -> list[Row]:
    """Fold uninteresting RAM rows until at most *max_rows* are left, or nothing more can fold: first runs of blocks of
    one family (``rx buffer 1``, ``rx buffer 2``, …), then whatever lies together, the longest runs first."""
    for by_family in (True, False):
        excess, chosen = len(rows) - max_rows, []
        for run in sorted(_runs(rows, by_family), key=lambda r: (r[0] - r[1], r[0])):
            if excess <= 0:
                break
            chosen.append(run)
            excess -= run[1] - run[0] - 1
        out: list[Row] = []
        position = 0
        for first, end in sorted(chosen):
            out += [*rows[position:first], _fold(rows[first:end])]
            position = end
        rows = out + rows[position:]
    return rows


def _runs(rows: Sequence[Row], by_family: bool) -> list[tuple[int, int]]:
    """Runs of three rows and more that may fold: [first, end). Ends of the map and rows near a fault stay."""
    keep = {0, len(rows) - 1}
    for i, row in enumerate(rows):
        if row.faults or row.wrong or row.reach_ends:
            keep |= {i - 1, i, i + 1}
        if row.kind != "ram" or row.folded:
            keep.add(i)
    families = [_family(row) for row in rows]
    runs: list[tuple[int, int]] = []
    start = 0
    while start < len(rows):
        end, family = start, families[start]
        while end < len(rows) and end not in keep and rows[end].name == rows[start].name and (
                not by_family or (family is not None and families[end] in (family, None))):
            end += 1
        if by_family:
            while end > start and families[end - 1] is None:
                end -= 1
        if end - start >= 3:
            runs.append((start, end))
        start = max(end, start + 1)
    return runs


def _family(row: Row) -> tuple[str, str, str] | None:
    """Blocks whose names differ in their number only belong together; None for a row without a block."""
    block = row.block
    return None if block is None else (block.kind, block.owner.rstrip("0123456789"), block.name.rstrip("0123456789"))


def _fold(rows: Sequence[Row]) -> Row:
    span = Span(rows[0].span.start, rows[-1].span.end - rows[0].span.start)
    blocks = list(dict.fromkeys(b for row in rows for b in row.blocks))
    live = [b for b in blocks if b.live]
    families = {_family(row) for row in rows} - {None}
    names = f", {blocks[0].title} to {blocks[-1].title}" if len(families) == 1 else ", not drawn one by one"
    text = f"{count(len(live), 'block')} ({size_text(sum(b.span.size for b in live))}){names}"
    if len(blocks) > len(live):
        text += f"; {len(blocks) - len(live)} freed"
    boundaries = sum(row.boundaries for row in rows) + sum(row.at_boundary for row in rows[1:])
    return replace(rows[0], span=span, blocks=(), boundaries=boundaries, folded=text,
                   reachable=all(row.reachable for row in rows))


def _head(map_: MemoryMap, width: int) -> list[str]:
    parts = [f"logical = physical + 0x{map_.bus_offset:x}" if map_.bus_offset else "logical = physical"]
    if map_.reach_last is not None:
        parts.append(f"| = the NIC reaches it, up to {hex_address(map_.reach_last)}")
    parts.append(f"boundary {size_text(map_.boundary)}" if map_.boundary else "no boundary")
    return beside(parts, width)


def _addresses(map_: MemoryMap, address: int) -> str:
    """The address columns: physical, and logical where it differs; each as wide as its widest address."""
    top = map_.rows[-1].span.end
    columns = [(address, top), (map_.logical(address), map_.logical(top))][:2 if map_.bus_offset else 1]
    return "  ".join(f"{hex_address(a):<{len(hex_address(widest))}}" for a, widest in columns)


def _edge_lines(map_: MemoryMap, row: Row, width: int) -> list[str]:
    """The lines between rows: boundary, end of the reach, first wrong byte."""
    texts = [f"--- multiple of 0x{map_.boundary:x} "] if row.at_boundary and _worth_a_line(map_, row) else []
    if row.reach_ends:
        texts.append("=== the NIC reaches no further ")
    texts += [f"!!! {rule} goes wrong here " for rule in row.wrong]
    left = _addresses(map_, row.span.start) + "  "
    out: list[str] = []
    for text in texts:
        fill = text[0] * (width - len(left) - len(text))
        out += [left + text + fill] if len(left) + len(text) <= width else textwrap.wrap(left + text, width)
    return out


def _worth_a_line(map_: MemoryMap, row: Row) -> bool:
    """A boundary is drawn where a block or a fault touches it; between free rows it is only counted."""
    return row.block is not None or bool(row.faults) or any(
        b.span.end == row.span.start for r in map_.rows if r.span.end == row.span.start for b in r.blocks)


def _row_lines(map_: MemoryMap, row: Row, width: int) -> list[str]:
    reach = " | " if row.reachable and map_.reach_last is not None else "   "
    flag = "!" if row.faults else " "
    left = f"{_addresses(map_, row.span.start)}  {size_text(row.span.size):>12}  {reach} {flag}"
    what = describe(row)
    block = row.block
    if block is None or row.folded:
        what = f"{row.kind}, {what}"
        if row.boundaries and row.kind == "ram":
            what += f"; {count(row.boundaries, 'boundary', 'boundaries')} inside"
    else:
        what = f"[{what}]"
        if row.boundaries:
            what += f" crosses {count(row.boundaries, 'boundary', 'boundaries')}"
        if block.where and row.span.start == block.span.start:
            what += f" {block.where}"
    indent = " " * len(left)
    room = width - len(left)
    if room < 24:
        return [left.rstrip(), *textwrap.wrap(what, width, initial_indent="    ", subsequent_indent="    ")]
    return textwrap.wrap(what, width, initial_indent=left, subsequent_indent=indent) or [left.rstrip()]

