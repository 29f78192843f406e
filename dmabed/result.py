# SPDX-License-Identifier: Apache-2.0
"""The result of one world as plain data: what ``dmabed run --json`` prints and every report reads.

It holds no host time, no duration and no absolute path, so that equal worlds give equal bytes.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from dmabed.exercised import not_exercised
from dmabed.spec import WorldSpec
from dmabed.world import World
from hw.limits import DmaLimits
from hw.memory_layout import MMIO_BASE
from hw.nic import Nic
from miniport.status import status_name
from verifier.address_book import Block, BlockKind
from verifier.events import SCHEMA, Event, Kind
from verifier.findings import Finding
from verifier.where import display_path, place

SCHEMA_VERSION = 1


def verdict_of(world: World) -> str:
    """``clean``, ``findings``, ``refused``, ``not-proven`` or, with checks off, ``unchecked``."""
    if world.spec.silicon:
        return "unchecked"
    if world.machine.findings.errors:
        return "findings"
    if world.not_fired:
        return "not-proven"
    return "refused" if world.refused else "clean"


def as_json(world: World, spec: WorldSpec | None = None, *, with_timeline: bool = True) -> dict[str, Any]:
    """The result of *world* as plain data. The timeline is for reports: `dmabed run --json` leaves it out."""
    spec = spec or world.spec
    ndis_text = f"{world.ndis_version[0]}.{world.ndis_version[1]}"
    line = spec.replay_line(ndis_text)
    findings = world.machine.findings
    result: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "verdict": verdict_of(world),
        "outcome": world.outcome,
        "status": status_name(world.status) if world.status is not None else None,
        "world": _options(world, ndis_text),
        "allocations": [_allocation(block, world.base) for block in world.machine.book.made
                        if block.kind in (BlockKind.SHARED, BlockKind.CONTIGUOUS)],
        "findings": [finding_json(finding, world, line) for finding in findings.errors],
        "notices": [finding_json(finding, world, line) for finding in findings.notices],
        "allowed": [{**finding_json(allowed.finding, world, line), "allowed_by": allowed.by} for allowed in world.allowed],
        "frames": {"sent": world.sent, "received": world.received, "lost": world.lost, "padded": world.padded},
        "not_exercised": not_exercised(world),
        "handlers": [{"name": name, "calls": calls} for name, calls in sorted(world.ndis.calls.items())],
        "limits": limits_json(world.nic.limits),
        "map": address_map(world),
        "faults": {"armed": list(spec.faults), "not_fired": world.not_fired},
        "replay": line,
        **({"timeline": timeline(world)} if with_timeline else {}),
        "log": [*world.ndis.log, *world.ndis.error_log],
    }
    if world.machine.iommu is not None:
        result["iommu_faults"] = [asdict(record) for record in world.machine.iommu.records]
    if spec.silicon:
        result["corrupted"] = [
            {"address": c.physical, "length": c.length, "owner": c.owner} for seat in world.seats for c in seat.nic.dma.corrupted]
    return result


def limits_json(limits: DmaLimits) -> dict[str, Any]:
    """DMA limits as plain data."""
    return {"name": limits.name, "address_bits": limits.address_bits, "boundary": limits.boundary, "window": limits.window,
            "alignment": limits.alignment, "max_length": limits.max_length, "max_segments": limits.max_segments,
            "kind": limits.kind.value, "effect": limits.effect.value, "source": limits.source}


def nic_json(name: str, model: type[Nic]) -> dict[str, Any]:
    """One NIC model as plain data, under the *name* by which it is asked for."""
    return {"name": name, "limits": limits_json(model.default_limits), "bus": model.bus_kind,
            "description": model.description}


def address_map(world: World) -> dict[str, Any]:
    """The address map at the end of initialize: ranges, holes, reach, boundary, blocks."""
    nic, offset = world.nic, world.machine.bus.logical_offset
    ranges = []
    end = 0
    for span in world.machine.ram.ranges:
        if span.start > end:
            ranges.append({"start": end, "length": span.start - end, "kind": "hole", "name": ""})
        ranges.append({"start": span.start, "length": span.size, "kind": "ram", "name": "RAM"})
        end = span.end
    for bar in nic.bars:
        if not bar.ports:
            at = nic.config.bar(bar.number) if nic.present else MMIO_BASE
            ranges.append({"start": at, "length": bar.size, "kind": "mmio", "name": f"{nic.name} registers"})
    ranges.sort(key=lambda r: (int(str(r["start"])), str(r["kind"])))
    blocks = world.blocks or [(block, block.live) for block in world.machine.book.made]
    return {
        "schema": SCHEMA_VERSION, "nic": world.spec.nic, "ranges": ranges, "bus_offset": offset, "reach_last": nic.limits.last,
        "boundary": nic.limits.boundary,
        "blocks": [{
            "name": block.name, "owner": block.owner, "kind": block.kind.value, "virtual": virtual, "physical": physical,
            "logical": block.logical, "length": length, "state": "live" if live else "freed",
            "where": place(block.where, world.base), "freed_where": place(block.freed_where, world.base) if not live else None,
        } for block, live in blocks for virtual, physical, length in _places(block)],
    }


def _places(block: Block) -> list[tuple[int, int, int]]:
    """(virtual address, physical address, bytes) of each part of a block that lies in one place."""
    places, virtual = [], block.virtual
    for physical, length in block.pieces(0, block.size):
        places.append((virtual, physical, length))
        virtual += length
    return places


def timeline(world: World) -> list[dict[str, Any]]:
    """The event record in words, by lane."""
    return [_timeline_row(event, world.base) for event in world.machine.events.events]


def sources(world: World) -> dict[str, list[str]]:
    """Source lines of every file that a finding or an allocation names, by the name it goes by."""
    files: dict[str, str] = {}
    told = (*world.machine.findings.errors, *world.machine.findings.notices, *(allowed.finding for allowed in world.allowed))
    wheres = [f.where for f in told]
    wheres += [where for f in world.machine.findings.errors for _, where in f.related]
    wheres += [block.where for block in world.machine.book.made]
    for where in wheres:
        if where is not None:
            name = where[0].co_filename
            files[display_path(name, world.base)] = name
    result = {}
    for shown, name in sorted(files.items()):
        try:
            result[shown] = Path(name).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
    return result


def _options(world: World, ndis_text: str) -> dict[str, Any]:
    spec, limits = world.spec, world.nic.limits
    options = spec.as_dict()
    options.update(
        miniport=spec.miniport or "the reference miniport", limits=limits.name, address_bits=limits.address_bits,
        boundary=limits.boundary, ndis=ndis_text, faults=list(spec.faults),
        deny=list(spec.deny), allow=list(spec.allow))
    if spec.ram_ranges is None:
        del options["ram_ranges"]
    else:
        options["ram"] = sum(size for _, size in spec.ram_ranges)
    return options


def _allocation(block: Block, base: Path) -> dict[str, Any]:
    return {"routine": block.routine, "length": block.size, "cached": block.cached, "virtual": block.virtual,
            "physical": block.physical, "logical": block.logical, "freed_in": block.freed_in,
            "where": place(block.where, base), "owner": block.name}


def finding_json(finding: Finding, world: World, replay: str) -> dict[str, Any]:
    """One finding as plain data, with the line that replays it."""
    span = finding.span
    return {
        "rule": finding.rule.id, "also": list(finding.also), "severity": finding.rule.severity.value,
        "message": finding.message, "where": place(finding.where, world.base),
        "related": [{"what": what, "where": place(where, world.base)} for what, where in finding.related],
        "time_ns": finding.time_ns,
        "span": {"space": finding.space, "address": span.start, "length": span.size} if span is not None else None,
        "owner": finding.owner, "bugcheck": finding.bugcheck, "remedy": finding.remedy, "faults": list(world.spec.faults),
        "replay": replay, "goes_wrong_at": finding.goes_wrong_at, "times": finding.times, "detail": finding.detail or None,
        "consequences": [{"rule": c.rule.id, "message": c.message, "where": place(c.where, world.base), "time_ns": c.time_ns,
                          "detail": c.detail or None}
                         for c in finding.consequences],
    }


_LANES = {Kind.DMA_READ: "nic", Kind.DMA_WRITE: "nic", Kind.INTERRUPT: "nic", Kind.FRAME_OUT: "wire", Kind.FRAME_IN: "wire",
          Kind.FRAME_DROPPED: "wire", Kind.LINK: "wire", Kind.POWER: "nic", Kind.FIRMWARE: "nic",
          Kind.ALLOCATE: "allocator", Kind.FREE: "allocator"}


def _timeline_row(event: Event, base: Path) -> dict[str, Any]:
    time_ns, number, processor, *values = event
    kind = Kind(number)
    fields = dict(zip(SCHEMA[kind], values, strict=True))
    return {"time_ns": time_ns, "lane": _LANES.get(kind, f"cpu{processor}"), "kind": kind.name.lower().replace("_", "-"),
            "text": _TEXTS[kind](fields)}


def _value(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return status_name(value) if status_name(value).startswith("NDIS") else hex(value)
    if isinstance(value, tuple):
        return ", ".join(_value(v) for v in value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return type(value).__name__ if not isinstance(value, str) else value


_TEXTS: dict[Kind, Any] = {
    Kind.ENTER: lambda f: f"{f['handler']} begins",
    Kind.LEAVE: lambda f: f"{f['handler']} returns {_value(f['status'])}",
    Kind.ROUTINE: lambda f: f"{f['routine']} -> {_value(f['result'])}",
    Kind.REGISTER_READ: lambda f: f"read {f['register']} = 0x{f['value']:x}",
    Kind.REGISTER_WRITE: lambda f: f"write {f['register']} = 0x{f['value']:x}",
    Kind.DMA_READ: lambda f: f"reads {f['length']} bytes of {f['purpose']} at 0x{f['logical']:x}",
    Kind.DMA_WRITE: lambda f: f"writes {f['length']} bytes of {f['purpose']} at 0x{f['logical']:x}",
    Kind.INTERRUPT: lambda f: f"{f['device']} {'pulls' if f['asserted'] else 'lets go of'} its interrupt line",
    Kind.FRAME_OUT: lambda f: f"frame of {f['length']} bytes leaves",
    Kind.FRAME_IN: lambda f: f"frame of {f['length']} bytes arrives",
    Kind.FRAME_DROPPED: lambda f: f"frame of {f['length']} bytes dropped: {f['reason']}",
    Kind.ALLOCATE: lambda f: f"{f['routine']}: 0x{f['length']:x} bytes at physical 0x{f['physical']:x}",
    Kind.FREE: lambda f: f"{f['routine']}: 0x{f['length']:x} bytes at physical 0x{f['physical']:x}",
    Kind.FAULT: lambda f: f"injected fault {f['point']}: {f['effect']}",
    Kind.FINDING: lambda f: f"{f['rule']}: {f['message']}",
    Kind.LOG: lambda f: f"{f['text']}",
    Kind.LINK: lambda f: f"link {'up' if f['up'] else 'down'}",
    Kind.LIFE: lambda f: f"end of life: {f['text']}",
    Kind.POWER: lambda f: f"{f['device']}: {f['state']}",
    Kind.FIRMWARE: lambda f: f"{f['device']} firmware: {f['state']}",
}

