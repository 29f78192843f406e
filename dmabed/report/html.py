# SPDX-License-Identifier: Apache-2.0
"""The HTML report: one self-contained file, the same bytes for the same run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmabed.report import facts, finding_picture, memory_map, svg
from dmabed.report.facts import Json, Sources
from verifier.address import hex_address
from verifier.errors import UsageError

if TYPE_CHECKING:
    from jinja2 import Template

_EXCERPT_AROUND = 4
_LANES = ("cpu0", "cpu1", "allocator", "nic", "wire")


def write_report(result: Json, directory: Path, sources: Sources | None) -> Path:
    """Write ``index.html`` for one run into *directory* (made where it does not exist) and return its path.

    The file appears whole or not at all. `UsageError` where it cannot be written.
    """
    return write_page(render(result, sources), directory)


def write_page(page: str, directory: Path) -> Path:
    """Write *page* as ``index.html`` into *directory*, whole or not at all; returns its path."""
    path = directory / "index.html"
    part = directory / f".index.html.{os.getpid()}.part"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(page, encoding="utf-8", newline="\n")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"the report cannot be written to {directory}: {error.strerror or error}",
                         "give --report a directory that you may write to") from error
    return path


def render(result: Json, sources: Sources | None = None) -> str:
    """The page as a string."""
    from markupsafe import Markup

    findings = [card(f, result, sources, number) for number, f in enumerate(result.get("findings", ())[:facts.FINDINGS_SHOWN], 1)]
    notices = [card(f, result, sources, 0) for f in result.get("notices", ())[:facts.FINDINGS_SHOWN]]
    map_ = memory_map.build(result["map"], finding_picture.map_faults(result)) if result.get("map") else None
    timeline, allocations = result.get("timeline") or (), facts.allocations(result)
    return template("template.html.j2").render(
        result=result, world=result.get("world") or {}, options=facts.options(result), limits=facts.limits_text(result),
        verdict=facts.verdict_line(result), meaning=facts.verdict_meaning(result), findings=findings, notices=notices,
        findings_left_out=facts.left_out_text(len(result.get("findings", ())), "finding"),
        notices_left_out=facts.left_out_text(len(result.get("notices", ())), "notice"),
        allowed=result.get("allowed", ())[:facts.FINDINGS_SHOWN],
        allowed_left_out=facts.left_out_text(len(result.get("allowed", ())), "allowed finding"),
        map=map_, map_svg=None if map_ is None else Markup(svg.address_map(map_)),
        map_text="" if map_ is None else "\n".join(memory_map.lines(map_, 100)),
        kinds=[] if map_ is None else _kinds(map_), allocations=allocations,
        same=all(a.logical == a.physical for a in allocations),
        frames=facts.frames_text(result), timeline=timeline[:facts.TIMELINE_SHOWN],
        left_out=max(0, len(timeline) - facts.TIMELINE_SHOWN), lanes=_lanes(timeline),
        missing=_missing(result), handlers=result.get("handlers") or (),
        log=result.get("log") or (), corrupted=result.get("corrupted") or (),
        iommu_faults=(result.get("iommu_faults") or ())[:facts.FINDINGS_SHOWN], error=result.get("error"))


def template(name: str) -> Template:
    """A template of this folder."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined,
                              loader=FileSystemLoader(Path(__file__).parent))
    environment.filters.update(hex=_hex, size=facts.size_text, time=facts.time_text, clean=facts.clean)
    return environment.get_template(name)


def _missing(result: Json) -> dict[str, list[str]]:
    """What was not exercised; lines folded by file."""
    missing = dict(result.get("not_exercised") or {})
    return {**missing, "lines": facts.line_ranges(missing["lines"])} if missing.get("lines") else missing


def card(finding: Json, result: Json, sources: Sources | None, number: int) -> dict[str, Any]:
    """What ``card.html.j2`` shows of a finding of *result*; *number* is its place on the page, 0 for a notice."""
    from markupsafe import Markup

    owner, consequences = finding.get("owner"), finding.get("consequences", ())
    picture = finding_picture.picture(finding, result)
    return {
        "number": number, "picture": picture,
        "svg": None if picture is None else Markup(svg.zoom(picture, facts.reach_last(result))),
        "excerpt": facts.excerpt(finding.get("where"), sources, _EXCERPT_AROUND),
        "allocation": next((a for a in facts.allocations(result) if owner and a.owner == owner), None),
        "severity": "error", "also": (), "related": (), "faults": (), "bugcheck": None,
        "remedy": "", "replay": "", "detail": None, "where": None, "owner": None, **finding, "when": facts.when_text(finding),
        "consequences": consequences[:facts.FINDINGS_SHOWN],
        "consequences_left_out": facts.left_out_text(len(consequences), "consequence")}


def _kinds(map_: memory_map.MemoryMap) -> list[str]:
    """The kinds of block on the map, for the legend."""
    present = {b.kind if b.live else "freed" for row in map_.rows for b in row.blocks}
    known = ("shared", "contiguous", "pool", "image")
    return [k for k in known if k in present] + (["other"] if present - {*known, "freed"} else []) + (
        ["freed"] if "freed" in present else [])


def _lanes(timeline: Sequence[Json]) -> list[str]:
    present = {str(event["lane"]) for event in timeline}
    return [lane for lane in _LANES if lane in present] + sorted(present - set(_LANES))


def _hex(address: int | None) -> str:
    return facts.NOTHING if address is None else hex_address(address)
