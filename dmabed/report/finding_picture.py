# SPDX-License-Identifier: Apache-2.0
"""The picture of one faulty span: its bytes, the byte at which it goes wrong, why, and whose memory lies around it.

A picture never invents what the hardware does: where the limits say ``alias`` or ``wrap``, the next address comes from
the code that moves the bytes (`DmaLimits.pieces`); every other effect is only named. Limits of a device are logical
addresses, so its findings are drawn in logical ones.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from dmabed.report.facts import Json, boundary_of, clean, reach_last, size_text
from dmabed.report.memory_map import Fault, physical_span
from hw.limits import DmaLimits, Effect
from verifier.address import Span, first_multiple_inside, hex_address

_PART = 25
_EFFECTS = {
    "abort": "the bus aborts the access here",
    "elsewhere": "on the device's own bus these addresses are not the host's memory",
    "undefined": "no document says what the device does with it",
}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A block that shares bytes with the picture, in the address space of the picture."""

    span: Span
    title: str
    live: bool
    kind: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One faulty span. *wrong_at* lies in the span, or is None where the span as a whole is the point."""

    space: str
    span: Span
    wrong_at: int | None
    why: str
    """What happens at *wrong_at*, for a reader."""
    mark: str
    """A word or two for the line at *wrong_at*: ``multiple of 0x1000000``."""
    neighbours: tuple[Neighbour, ...]

    @property
    def parts(self) -> tuple[Span, ...]:
        """The span, cut at the byte that goes wrong."""
        if self.wrong_at is None or self.wrong_at == self.span.start:
            return (self.span,)
        right = Span(self.wrong_at, self.span.end - self.wrong_at)
        return Span(self.span.start, self.wrong_at - self.span.start), right


def picture(finding: Json, result: Json) -> Picture | None:
    """The picture of a finding, or None where it names no span."""
    raw = finding.get("span")
    if not raw or int(raw["length"]) < 1:
        return None
    space, span = str(raw["space"]), Span(int(raw["address"]), int(raw["length"]))
    neighbours = tuple(_neighbours(space, result))
    wrong_at, mark, why = _wrong(finding, space, span, neighbours, result)
    near = Span(max(0, span.start - span.size), 3 * span.size)
    close = tuple(n for n in neighbours if n.span.overlaps(near))
    return Picture(space, span, wrong_at, why, mark, close)


def map_fault(finding: Json, result: Json, number: int) -> Fault | None:
    """The same span for the memory map (physical addresses), or None where the map cannot show it."""
    shown, map_ = picture(finding, result), result.get("map") or {}
    if shown is None:
        return None
    span = physical_span(finding["span"], map_)
    if span is None:
        return None
    wrong_at = None if shown.wrong_at is None else span.start + shown.wrong_at - shown.span.start
    return Fault(span, wrong_at, clean(finding["rule"]), number)


def map_faults(result: Json) -> list[Fault]:
    """All findings that the memory map can show, numbered as the report numbers findings, from 1."""
    pairs = enumerate(result.get("findings", ()), 1)
    return [fault for number, finding in pairs if (fault := map_fault(finding, result, number)) is not None]


def lines(shown: Picture, width: int = 80, indent: int = 3) -> list[str]:
    """The picture as text: addresses, bar, and the byte that goes wrong; at most *width* columns."""
    edges = [hex_address(part.start) for part in shown.parts] + [hex_address(shown.span.end)]
    part_width = min(_PART, (width - indent - len(edges[-1])) // (len(edges) - 1))
    sizes = [f" 0x{part.size:x} " for part in shown.parts]
    fill = ["=" if shown.wrong_at is None or part.start < shown.wrong_at else "!" for part in shown.parts]
    bars = [f"{size:{char}^{part_width - 1}}" for size, char in zip(sizes, fill, strict=True)]
    left = " " * indent
    out = [left + "".join(f"{edge:<{part_width}}" for edge in edges).rstrip(), left + "|" + "|".join(bars) + "|"]
    if shown.wrong_at is not None:
        caret = indent + part_width * (len(shown.parts) - 1)
        out += textwrap.wrap(f"^ {shown.why}", width, initial_indent=" " * caret, subsequent_indent=" " * (caret + 2))
    elif shown.why:
        out += textwrap.wrap(shown.why, width, initial_indent=left, subsequent_indent=left)
    return out


def _neighbours(space: str, result: Json) -> Iterator[Neighbour]:
    map_ = result.get("map") or {}
    offset = int(map_.get("bus_offset") or 0)
    for block in map_.get("blocks", ()):
        start = block.get(space)
        if start is None and space == "logical" and block.get("physical") is not None:
            start = block["physical"] + offset
        if start is not None and int(block["length"]) > 0:
            name, owner = clean(block.get("name") or ""), clean(block.get("owner") or "")
            title = name if not owner or owner == name else f"{name} ({owner})" if name else owner
            yield Neighbour(Span(int(start), int(block["length"])), title, block.get("state") != "freed",
                            str(block["kind"]))


def _wrong(
    finding: Json, space: str, span: Span, neighbours: tuple[Neighbour, ...], result: Json,
) -> tuple[int | None, str, str]:
    """The byte that goes wrong, what lies there, and why, from the rule and the limits."""
    rules = {str(finding["rule"]), *map(str, finding.get("also", ()))}
    limits = result.get("limits") or {}
    given = finding.get("goes_wrong_at")
    if space == "logical":
        last, boundary = reach_last(result), boundary_of(result)
        if "dma-width" in rules and last is not None and span.last > last:
            at = max(span.start, last + 1)
            head = f"the last byte that the device reaches is {hex_address(last)}"
            mark = "end of the reach" if at == last + 1 else "beyond the reach"
            return at, mark, f"{head}; {_lands(span, at, limits, neighbours, result)}"
        crossing = first_multiple_inside(span.start, span.size, boundary)
        if "dma-boundary" in rules and crossing is not None:
            return crossing, f"multiple of 0x{boundary:x}", _lands(span, crossing, limits, neighbours, result)
        alignment, most = int(limits.get("alignment") or 1), int(limits.get("max_length") or 0)
        if "dma-alignment" in rules and span.start % alignment:
            return span.start, f"not a multiple of {alignment}", (
                f"the device starts at multiples of {alignment} only; this is {span.start % alignment} beyond one")
        if "dma-length" in rules and 0 < most < span.size:
            return span.start + most, f"after {most} bytes", f"the device moves at most {most} bytes in one piece"
    wrong_at = int(given) if isinstance(given, int) and span.start <= given < span.end else None
    return _against_blocks(span, wrong_at, neighbours)


def _lands(span: Span, at: int, limits: Json, neighbours: tuple[Neighbour, ...], result: Json) -> str:
    """What the device does with the byte at *at*, by the effect of its limits."""
    effect, bits = limits.get("effect"), int(limits.get("address_bits") or 0)
    if effect not in (Effect.ALIAS, Effect.WRAP) or not bits:
        return _EFFECTS.get(str(effect), _EFFECTS["undefined"])
    known = DmaLimits(str(limits.get("name")), bits, boundary=int(limits.get("boundary") or 0), effect=Effect(effect))
    passed = at - span.start
    for start, size in known.pieces(span.start, span.size):
        if passed < size:
            goes = start + passed
            how = "the device's counter wraps: its next byte" if at > span.start else (
                f"the device has no address bit above bit {bits - 1}: this byte")
            return f"{how} goes to {hex_address(goes)}{_victim(goes, neighbours, result)}"
        passed -= size
    return _EFFECTS["undefined"]


def _victim(address: int, neighbours: tuple[Neighbour, ...], result: Json) -> str:
    """Whose memory lies at a logical address."""
    byte = Span(address, 1)
    for live in (True, False):
        for neighbour in neighbours:
            if neighbour.live is live and neighbour.span.overlaps(byte):
                return f", {neighbour.title}" if live else f", freed memory of {neighbour.title}"
    map_ = result.get("map") or {}
    physical = address - int(map_.get("bus_offset") or 0)
    for place in map_.get("ranges", ()):
        if place["kind"] != "ports" and place["start"] <= physical < place["start"] + place["length"]:
            return {"ram": ", RAM of nobody on this map", "hole": ", where nobody answers"}.get(
                place["kind"], f", {clean(place.get('name') or 'device registers')}")
    return ""


def _against_blocks(span: Span, wrong_at: int | None, neighbours: tuple[Neighbour, ...]) -> tuple[int | None, str, str]:
    """A span that no limit of the device explains: hold it against the blocks."""
    live = sorted((n for n in neighbours if n.live and n.span.overlaps(span)), key=lambda n: n.span)
    around = next((n for n in live if n.span.contains(Span(span.start, 1))), None)
    if around is not None and around.span.end < span.end and wrong_at in (None, around.span.end):
        return around.span.end, f"end of {around.title}", (
            f"{around.title} ends here: {size_text(span.end - around.span.end)} too far")
    if wrong_at is not None:
        victim = next((n for n in live if n.span.contains(Span(wrong_at, 1))), None)
        return wrong_at, "goes wrong here", f"goes wrong here{f', in {victim.title}' if victim else ''}"
    if around is not None:
        into = f"inside {around.title}, at +0x{span.start - around.span.start:x}"
        return None, "", f"all of {around.title}" if around.span == span else into
    freed = next((n for n in neighbours if not n.live and n.span.overlaps(span)), None)
    if freed is not None:
        return None, "", f"freed memory: {freed.title} lay here"
    return None, "", ""
