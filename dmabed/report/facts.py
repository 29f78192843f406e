# SPDX-License-Identifier: Apache-2.0
"""What text and HTML both say about one result: sizes, verdicts, options, allocations against limits, source lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verifier.address import Span, hex_address

Json = Mapping[str, Any]
"""One JSON object, as ``json.loads`` gives it."""
Sources = Mapping[str, Sequence[str]]
"""File name as findings spell it -> its lines, without line ends."""

NOTHING = "–"
TIMELINE_SHOWN = 400
"""How many events of the timeline a report shows."""
FINDINGS_SHOWN = 100
"""How many findings, notices, and consequences of one finding a report lists; JSON holds all."""

_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_OPTIONS = ("ram", "windows", "ndis", "limits", "address_bits", "boundary", "placement", "processors", "bus_offset",
            "iommu", "incoherent", "msi", "frames", "pcap", "life", "seed", "faults", "deny", "allow",
            "silicon", "stop")
_SIZES = frozenset({"ram", "boundary", "bus_offset"})
_MEANING = {
    "clean": "No rule was broken in this run. What it did not exercise is listed too.",
    "findings": "The miniport broke rules. Each finding says where, why, and how to see it again.",
    "refused": "The miniport refused to initialize; no rule was broken on the way.",
    "not-proven": "A fault was armed and did not fire, so this run proves nothing about it.",
    "incomplete": "The run was cut short; what was done until then is shown.",
    "unchecked": "Checks were switched off (--silicon): this is what the hardware would do, not a verdict.",
    "error": "The run did not take place.",
}


@dataclass(frozen=True, slots=True)
class Allocation:
    """One allocation, held against the limits of the device; None where the result does not say."""

    owner: str
    routine: str
    length: int
    cached: bool | None
    virtual: int | None
    physical: int | None
    logical: int | None
    reach_ok: bool | None
    boundary_ok: bool | None
    freed_in: str | None
    where: str | None


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of a source excerpt."""

    number: int
    text: str
    marked: bool


def size_text(size: int) -> str:
    """*size* bytes for a reader: ``4 KiB``, ``15.99 MiB``, ``60 bytes``; ``~`` stands before a rounded figure."""
    for unit, name in _UNITS:
        if size >= unit:
            whole, rest = divmod(size, unit)
            if not rest:
                return f"{whole:,} {name}"
            text = f"{size / unit:.2f}"
            exact = int(text.replace(".", "")) * unit == size * 100
            return f"{'' if exact else '~'}{text} {name}"
    return "1 byte" if size == 1 else f"{size} bytes"


def clean(text: object) -> str:
    """*text* on one line with nothing in it that a terminal would obey: control characters become ``\\x1b``."""
    string = str(text).replace("\t", "    ")
    if string.isprintable():
        return string
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in string)


def verdict_line(result: Json) -> str:
    """``clean``, ``2 findings``, ``refused (NDIS_STATUS_RESOURCES)``, ``clean, 1 allowed``, …: the verdict as the last line says it."""
    verdict, status = str(result["verdict"]), result.get("status")
    text = f"{verdict} ({clean(status)})" if verdict == "refused" and status else verdict
    if verdict == "findings":
        text = count(len(result.get("findings", ())), "finding")
    allowed = len(result.get("allowed", ()))
    return f"{text}, {allowed:,} allowed" if allowed else text


def verdict_meaning(result: Json) -> str:
    """One sentence that tells a newcomer what the verdict means."""
    return _MEANING.get(str(result["verdict"]), "")


def count(number: int, thing: str, things: str = "") -> str:
    """``1 finding``, ``2 findings``; *things* is the plural where it is not made by an s."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def beside(parts: Iterable[str], width: int, hang: str = "") -> list[str]:
    """*parts* side by side, three blanks between them, broken between parts; a part too long is broken inside."""
    out: list[str] = []
    for part in parts:
        if out and len(out[-1]) + 3 + len(part) <= width:
            out[-1] += f"   {part}"
        else:
            indent = hang if out else ""
            out += textwrap.wrap(part, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return out


def options(result: Json) -> list[tuple[str, str]]:
    """The options of the world but miniport and NIC, spelled for a reader, in a fixed order; unset ones left out."""
    world = result.get("world", {})
    return [(name.replace("_", " "), option_text(name, world[name])) for name in _OPTIONS
            if _is_set(world.get(name)) and not (name in _SIZES and world[name] == 0)]


def option_text(name: str, value: object) -> str:
    """The value of one option for a reader; sizes given as a number get their unit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name in _SIZES:
        return size_text(value)
    if isinstance(value, list | tuple):
        return ", ".join(clean(v) for v in value)
    return clean(value)


def allocations(result: Json) -> list[Allocation]:
    """All allocations of the result, each checked byte by byte (the last one included) against reach and boundary."""
    return [_allocation(a, result) for a in result.get("allocations", ())]


def boundary_of(result: Json) -> int:
    """The boundary that a block of this device must not cross, in bytes; 0 means none."""
    return int(result.get("limits", {}).get("boundary") or result.get("map", {}).get("boundary") or 0)


def reach_last(result: Json) -> int | None:
    """Last logical address that the device can put on its bus, or None where the result does not say."""
    last = result.get("map", {}).get("reach_last")
    if last is not None:
        return int(last)
    bits = result.get("limits", {}).get("address_bits")
    return (1 << bits) - 1 if bits else None


def limits_text(result: Json) -> list[tuple[str, str]]:
    """The limits of the device as name and value, for a reader."""
    limits = result.get("limits", {})
    last = reach_last(result)
    bits = limits.get("address_bits")
    rows = [("address bits", f"{bits}: last reachable byte {hex_address(last)}" if bits and last is not None else None),
            ("boundary", f"no block may cross a multiple of {_hex(limits.get('boundary'))}"),
            ("window", f"all blocks lie in one window of {_hex(limits.get('window'))} bytes"),
            ("alignment", f"blocks start at a multiple of {limits.get('alignment')} bytes"),
            ("max length", f"{limits.get('max_length')} bytes in one piece"),
            ("max segments", f"{limits.get('max_segments')} pieces per frame"),
            ("kind", limits.get("kind")),
            ("beyond the limits", limits.get("effect")),
            ("source", limits.get("source"))]
    keys = ("address_bits", "boundary", "window", "alignment", "max_length", "max_segments", "kind", "effect", "source")
    return [(name, clean(text)) for key, (name, text) in zip(keys, rows, strict=True) if limits.get(key) and text]


def excerpt(where: str | None, sources: Sources | None, around: int = 2) -> list[SourceLine]:
    """The line *where* (``file:line``) with *around* lines on both sides; empty where the source is not at hand."""
    if not where or not sources:
        return []
    file, _, digits = where.rpartition(":")
    lines = sources.get(file)
    if lines is None or not digits.isdecimal() or not 1 <= int(digits) <= len(lines):
        return []
    line = int(digits)
    numbers = range(max(1, line - around), min(len(lines), line + around) + 1)
    return [SourceLine(n, clean(lines[n - 1].rstrip()), n == line) for n in numbers]


def frames_text(result: Json) -> str:
    """``8 sent, 8 received, 0 lost, 3 padded``."""
    frames = result.get("frames") or {}
    return ", ".join(f"{frames[key]} {key}" for key in ("sent", "received", "lost", "padded") if key in frames)


def time_text(time_ns: int) -> str:
    """Virtual time for a reader, exact to the nanosecond: ``61.2 us``."""
    for unit, name in ((10**9, "s"), (10**6, "ms"), (10**3, "us")):
        if time_ns >= unit:
            return f"{time_ns // unit}.{time_ns % unit:0{len(str(unit)) - 1}d}".rstrip("0").rstrip(".") + f" {name}"
    return f"{time_ns} ns"


def when_text(finding: Json) -> str:
    """When the rule was broken first, and how often after that: ``61.2 us, and 3 more times``; empty where neither is known."""
    time_ns, more = finding.get("time_ns"), int(finding.get("times", 1)) - 1
    parts = [time_text(time_ns)] if time_ns is not None else []
    return ", ".join([*parts, *([f"and {more:,} more time{'s' if more > 1 else ''}"] if more > 0 else [])])


def left_out_text(total: int, thing: str) -> str:
    """``23 more findings are not listed; --json holds all``, or nothing where all of them are listed."""
    more = total - FINDINGS_SHOWN
    return f"{count(more, f'more {thing}')} {'is' if more == 1 else 'are'} not listed; --json holds all" if more > 0 else ""


def _hex(value: object) -> str:
    return f"0x{value:x}" if isinstance(value, int) else str(value)


def _is_set(value: object) -> bool:
    return value is not None and value is not False and value not in ("", [], ())


def _allocation(entry: Json, result: Json) -> Allocation:
    logical, length = entry.get("logical"), int(entry["length"])
    last, boundary = reach_last(result), boundary_of(result)
    reach_ok = boundary_ok = None
    if logical is not None and length > 0:
        span = Span(logical, length)
        reach_ok = None if last is None else span.last <= last
        boundary_ok = not span.crosses(boundary)
    return Allocation(
        clean(entry.get("owner") or entry["routine"]), clean(entry["routine"]), length, entry.get("cached"),
        entry.get("virtual"), entry.get("physical"), logical, reach_ok, boundary_ok,
        None if entry.get("freed_in") is None else clean(entry["freed_in"]),
        None if entry.get("where") is None else clean(entry["where"]))


def line_ranges(places: Sequence[str]) -> list[str]:
    """``file:line`` and ``file:first-last`` places, folded by file: ``driver.py:96, 104-108, 121``."""
    by_file: dict[str, list[tuple[int, int]]] = {}
    odd = []
    for place in places:
        name, _, numbers = place.rpartition(":")
        first, _, last = numbers.partition("-")
        if name and first.isdigit() and (last or first).isdigit():
            by_file.setdefault(name, []).append((int(first), int(last or first)))
        else:
            odd.append(place)
    folded = []
    for name, found in by_file.items():
        runs: list[tuple[int, int]] = []
        for first_line, last_line in sorted(found):
            if runs and first_line <= runs[-1][1] + 1:
                runs[-1] = runs[-1][0], max(runs[-1][1], last_line)
            else:
                runs.append((first_line, last_line))
        spans = [str(low) if low == high else f"{low}-{high}" for low, high in runs]
        folded.append(f"{name}:{', '.join(spans)}")
    return folded + odd


def rule_families(rules: Sequence[str]) -> list[str]:
    """Ids of rules, three and more of one family as ``lock-* (9)``."""
    families: dict[str, list[str]] = {}
    for rule in rules:
        families.setdefault(rule.partition("-")[0], []).append(rule)
    return [text for family, ids in families.items()
            for text in ([f"{family}-* ({len(ids)})"] if len(ids) > 2 else ids)]
