# SPDX-License-Identifier: Apache-2.0
"""SVG pictures of the HTML report: the address map and the close view of one faulty span.

Nothing overlaps by construction: every row of the map is at least as high as the lines of text that belong to it, and
every text is cut to its column (the full text is its tooltip). Colours are CSS classes, which the page defines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from math import log2

from dmabed.report.facts import count, size_text
from dmabed.report.finding_picture import Neighbour, Picture
from dmabed.report.memory_map import Block, MemoryMap, Row, describe
from verifier.address import hex_address

WIDTH = 960
_STRIP, _LINE = 220, 15
_TORN = 1 << 20
"""Empty rows from this size on are drawn torn."""
_SANS, _BOLD, _MONO = 6.5, 7.7, 7.4
"""Upper bounds for the mean width of a character at 12 px, in px; the texts drawn are mostly lower case and digits."""
_BOLD_STYLES = ("inside", "wrongtext", "reachendtext")
_CONTEXT, _PART_LEAST = 110, 210


def address_map(map_: MemoryMap) -> str:
    """The whole map, low addresses on top. The height of a row grows with the logarithm of its size."""
    heights = [_height(map_, row) for row in map_.rows]
    tops = [34.0]
    for height in heights:
        tops.append(tops[-1] + height)
    columns = _columns(map_)
    strip = columns[-1] + 26
    out = [_text(x, 16, head, "dim", "end") for x, head in zip(columns, ("physical", "logical"), strict=False)]
    out.append(_text(strip + _STRIP / 2, 16, "memory", "dim", "middle"))
    for row, y, height in zip(map_.rows, tops, heights, strict=False):
        out += _ground(map_, row, strip, y, height)
    out += _blocks(map_, tops, strip)
    for row, y, height in zip(map_.rows, tops, heights, strict=False):
        out += _labels(map_, row, strip, y, height)
    if map_.rows:
        out += _address_labels(map_, map_.rows[-1].span.end, tops[-1])
    return _svg("".join(out), tops[-1] + 14, "Address map: low addresses on top; every row names its size")


def zoom(picture: Picture, reach_last: int | None) -> str:
    """The faulty span from its first to its last byte, cut where it goes wrong, over the blocks that lie there."""
    parts = picture.parts
    room = WIDTH - 2 * _CONTEXT
    total = picture.span.size
    widths = [max(_PART_LEAST, room * part.size / total) for part in parts]
    excess = sum(widths) - room
    widths = [w if w <= _PART_LEAST else w - excess for w in widths]
    to_scale = excess <= 0
    around = max(1, total // 4)
    low = max(0, picture.span.start - around)
    scale = [(low, 0.0)] if low < picture.span.start else []
    x = float(_CONTEXT)
    for part, width in zip(parts, widths, strict=True):
        scale.append((part.start, x))
        x += width
    scale += [(picture.span.end, x), (picture.span.end + around, float(WIDTH))]
    freed = [n for n in picture.neighbours if not n.live]
    bottom = 124 + (26 if freed else 0)
    out = _zoom_ground(scale, reach_last if picture.space == "logical" else None)
    for part, (_, left), width in zip(parts, scale[-len(parts) - 2:], widths, strict=False):
        bad = picture.wrong_at is None or part.start >= picture.wrong_at
        out.append(f'<rect class="{"bad" if bad else "span"}" x="{left:.1f}" y="34" width="{width:.1f}" height="34"/>')
        out.append(_text(left + width / 2, 55, f"0x{part.size:x} bytes", "inside", "middle", width))
    for lane, blocks in enumerate(([n for n in picture.neighbours if n.live], freed)):
        for block in sorted(blocks, key=lambda n: (n.span, n.title)):
            out += _zoom_block(block, scale, 80 + 26 * lane)
    for edge in (*(part.start for part in parts), picture.span.end):
        at = _place(edge, scale)
        wrong = edge == picture.wrong_at
        out.append(f'<line class="{"wrong" if wrong else "tick"}" x1="{at:.1f}" x2="{at:.1f}" y1="24" '
                   f'y2="{bottom - 12 if wrong else 68}"/>')
        out.append(_text(at, 18, hex_address(edge), "mono wrongtext" if wrong else "mono", "middle"))
    if picture.wrong_at is not None:
        at = _place(picture.wrong_at, scale)
        out.append(_text(at, bottom + 2, f"▲ {picture.mark}", "wrongtext", "middle"))
    note = "to scale" if to_scale else "not to scale: the short part is widened"
    out.append(_text(WIDTH - 4, bottom + 20, f"{picture.space} addresses, {note}", "dim", "end"))
    label = f"{picture.space} {picture.span}" + ("" if picture.wrong_at is None else
                                                  f", goes wrong at {hex_address(picture.wrong_at)}")
    return _svg("".join(out), bottom + 28, label)


def _svg(body: str, height: float, label: str) -> str:
    hatch = ('<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" '
             'patternTransform="rotate(45)"><line class="hatch" x1="0" x2="0" y1="0" y2="7"/></pattern></defs>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
            f'aria-label="{escape(label)}">{hatch if "hatched" in body else ""}{body}</svg>')


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start", room: float = 0) -> str:
    """*text* at a point, cut to *room* px (0: not cut)."""
    shown = text
    each = _MONO if "mono" in style else _BOLD if style.startswith(_BOLD_STYLES) else _SANS
    if room and len(text) * each > room:
        shown = text[:max(0, int(room / each) - 1)].rstrip() + "…"
        if len(shown) < 4:
            return ""
    title = f"<title>{escape(text)}</title>" if shown != text else ""
    attributes = (f' class="{style}"' if style else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{title}{escape(shown)}</text>'


def _height(map_: MemoryMap, row: Row) -> float:
    lines = max(len(_details(map_, row)), len(_edges(map_, row)))
    return max(10 + _LINE * lines, 8 + 2 * log2(row.span.size))


def _columns(map_: MemoryMap) -> list[float]:
    """The right edges of the address columns: physical, and logical where it differs."""
    top = map_.rows[-1].span.end if map_.rows else 0
    edges, x = [], 0.0
    for address in (top, map_.logical(top))[:2 if map_.bus_offset else 1]:
        x += 18 + _MONO * len(hex_address(address))
        edges.append(x)
    return edges


def _ground(map_: MemoryMap, row: Row, strip: float, y: float, height: float) -> list[str]:
    reach = row.reachable and map_.reach_last is not None
    style = {"ram": "ram", "mmio": "mmio"}.get(row.kind, "hole") + (" reach" if reach else "")
    out = [f'<rect class="{style}" x="{strip:.1f}" y="{y:.1f}" width="{_STRIP}" height="{height:.1f}">'
           f"<title>{escape(f'{row.span}: {row.kind}, {describe(row)}')}</title></rect>"]
    if reach:
        out.append(f'<rect class="reachbar" x="{strip - 11:.1f}" y="{y:.1f}" width="6" height="{height:.1f}"/>')
    if row.folded:
        out.append(f'<rect class="folded" x="{strip:.1f}" y="{y:.1f}" width="{_STRIP}" height="{height:.1f}"/>')
    if (row.block is None and row.span.size >= _TORN) or row.folded:
        out.append(_torn(strip, y + height / 2))
    return out


def _torn(strip: float, y: float) -> str:
    """A torn edge across the strip: here the drawing is shorter than the memory."""
    xs = [strip - 3 + i * (_STRIP + 6) / 24 for i in range(25)]
    upper = " ".join(f"{x:.1f},{y - 4 + (4 if i % 2 else 0):.1f}" for i, x in enumerate(xs))
    lower = " ".join(f"{x:.1f},{y + 1 + (4 if i % 2 else 0):.1f}" for i, x in reversed(list(enumerate(xs))))
    return f'<polygon class="torn" points="{upper} {lower}"/>'


def _blocks(map_: MemoryMap, tops: Sequence[float], strip: float) -> Iterator[str]:
    """One rectangle per run of rows that show the same block; the faulty part is hatched."""
    first = 0
    rows = map_.rows
    for i, row in enumerate(rows):
        if row.faults:
            yield (f'<rect class="fault" x="{strip - 2:.1f}" y="{tops[i]:.1f}" width="{_STRIP + 4}" '
                   f'height="{tops[i + 1] - tops[i]:.1f}"/>')
        if i + 1 < len(rows) and row.block is not None and rows[i + 1].block is row.block:
            continue
        block, faulty = row.block, any(r.faults for r in rows[first:i + 1])
        if block is not None:
            yield _block(block, strip, tops[first], tops[i + 1] - tops[first])
            for j in range(first, i + 1):
                if rows[j].faults:
                    yield (f'<rect class="hatched" fill="url(#hatch)" x="{strip + 6:.1f}" y="{tops[j]:.1f}" '
                           f'width="{_STRIP - 12}" height="{tops[j + 1] - tops[j]:.1f}"/>')
            style = "inside plate" if faulty else "inside"
            yield _text(strip + 14, tops[first] + 16, block.title, style, room=_STRIP - 24)
        first = i + 1


def _block(block: Block, strip: float, y: float, height: float) -> str:
    kind = block.kind if block.kind in ("shared", "contiguous", "pool", "image") else "other"
    style = f"block {kind}" if block.live else "block freed"
    return (f'<rect class="{style}" x="{strip + 6:.1f}" y="{y + 1:.1f}" width="{_STRIP - 12}" '
            f'height="{height - 2:.1f}" rx="3"><title>{escape(f"{block.title}: {block.span}")}</title></rect>')


def _labels(map_: MemoryMap, row: Row, strip: float, y: float, height: float) -> list[str]:
    out = _address_labels(map_, row.span.start, y)
    right = strip + _STRIP
    edges = _edges(map_, row)
    if edges:
        worst = edges[-1][1]
        out.append(f'<line class="{worst}" x1="{strip - 14:.1f}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
    details = _details(map_, row)
    in_middle = not edges and row.block is None
    first = y + (max(13.0, (height - _LINE * len(details)) / 2 + 11) if in_middle else 16)
    split = right + 16 + (WIDTH - right - 16) * 0.46
    for i, text in enumerate(details):
        style = "wrongtext" if text.startswith("finding") else "dim" if i or row.block is None else ""
        out.append(_text(right + 16, first + i * _LINE, text, style, room=(split if edges else WIDTH) - right - 22))
    for i, (text, style) in enumerate(edges):
        out.append(_text(split, y + 16 + i * _LINE, text, f"{style}text", room=WIDTH - split - 2))
    return out


def _address_labels(map_: MemoryMap, address: int, y: float) -> list[str]:
    return [_text(x, y + 4, hex_address(shown), "mono", "end")
            for x, shown in zip(_columns(map_), (address, map_.logical(address)), strict=False)]


def _details(map_: MemoryMap, row: Row) -> list[str]:
    """The lines that stand to the right of a row."""
    size, block = size_text(row.span.size), row.block
    if row.folded:
        lines = [row.folded]
    elif block is not None:
        part = "" if row.span == block.span else f" of {size_text(block.span.size)}"
        state = "" if block.live else ", freed"
        lines = [f"{size}{part}{state}" + (f" · {block.where}" if block.where and row.span.start == block.span.start
                                           else "")]
        if row.span.start == block.span.start and len(block.title) * _BOLD > _STRIP - 24:
            lines.insert(0, block.title)
        if not block.live and block.freed_where:
            lines.append(f"freed at {block.freed_where}")
        lines += [f"before: {earlier.title}, freed" for earlier in row.blocks[1:2]]
    else:
        lines = [f"{size} · {describe(row)}"]
        if row.boundaries and row.kind == "ram" and map_.boundary:
            lines[0] += f"; {count(row.boundaries, 'boundary', 'boundaries')}"
    if row.faults:
        lines.append(("finding " if len(row.faults) == 1 else "findings ") + ", ".join(map(str, row.faults)))
    return lines


def _edges(map_: MemoryMap, row: Row) -> list[tuple[str, str]]:
    """What is to be said about the upper edge of a row, the worst last: (text, class)."""
    out = []
    if row.at_boundary and (row.block is not None or row.faults):
        out.append((f"multiple of 0x{map_.boundary:x}", "boundary"))
    if row.reach_ends:
        out.append(("the NIC reaches no further", "reachend"))
    return out + [(f"{rule} goes wrong here", "wrong") for rule in row.wrong]


def _place(address: int, scale: Sequence[tuple[int, float]]) -> float:
    """The x of *address*, linear between the points of *scale*, clipped at its ends."""
    if address <= scale[0][0]:
        return scale[0][1]
    for (a, x), (b, z) in pairwise(scale):
        if address <= b:
            return x + (z - x) * (address - a) / (b - a)
    return scale[-1][1]


def _zoom_ground(scale: Sequence[tuple[int, float]], reach_last: int | None) -> list[str]:
    left, right = scale[0][1], scale[-1][1]
    out = [f'<rect class="ram" x="{left:.1f}" y="34" width="{right - left:.1f}" height="34"/>']
    if reach_last is not None and reach_last >= scale[0][0]:
        end = _place(reach_last + 1, scale)
        out.append(f'<rect class="ram reach" x="{left:.1f}" y="34" width="{end - left:.1f}" height="34"/>')
        out.append(f'<rect class="reachbar" x="{left:.1f}" y="28" width="{end - left:.1f}" height="4"/>')
    return out


def _zoom_block(block: Neighbour, scale: Sequence[tuple[int, float]], y: int) -> Iterator[str]:
    left, right = _place(block.span.start, scale), _place(block.span.end, scale)
    if right - left < 1:
        return
    kind = block.kind if block.kind in ("shared", "contiguous", "pool", "image") else "other"
    yield (f'<rect class="block {kind if block.live else "freed"}" x="{left:.1f}" y="{y}" width="{right - left:.1f}" '
           f'height="22" rx="3"><title>{escape(f"{block.title}: {block.span}")}</title></rect>')
    yield _text(left + 10, y + 15, block.title, "inside", room=right - left - 14)
