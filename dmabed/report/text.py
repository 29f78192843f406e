# SPDX-License-Identifier: Apache-2.0
"""What ``dmabed run`` prints: one run as text that needs neither colour nor more than 80 columns.

Lines are made of pieces, each with a role; without colour the roles are dropped, with colour rich paints them.
Only the replay command may be wider than the terminal: it must stay one line to be copied.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from dmabed.report import facts, finding_picture, memory_map
from dmabed.report.facts import NOTHING, Allocation, Json, Sources, clean
from verifier.address import hex_address

Piece = tuple[str, str]
"""Text and its role: ``""``, ``head``, ``good``, ``bad``, ``warn`` or ``dim``."""
Line = list[Piece]

_LABEL = 11
_VERDICT_ROLE = {"clean": "good", "findings": "bad", "error": "bad"}
_PAINT = {"head": "bold", "good": "green", "bad": "bold red", "warn": "yellow", "dim": "dim"}


def render(result: Json, *, width: int = 80, colour: bool = False, sources: Sources | None = None) -> str:
    """One run (the object of ``run --json``) as text, ending in a newline.

    *width* is in columns, 60 at least. *colour* adds ANSI colours (imports rich). *sources* gives the lines that
    findings point at; without it only their names are shown.
    """
    width = max(width, memory_map.LEAST_WIDTH)
    if "error" in result:
        out = _error(result["error"], width)
    else:
        faults = finding_picture.map_faults(result)
        sections = [_head(result, width), _allocations(result, width), _map(result, faults, width),
                    _frames(result, width)]
        findings, notices = result.get("findings", ()), result.get("notices", ())
        sections += [_finding(f, result, width, sources, str(n)) for n, f in enumerate(findings[:facts.FINDINGS_SHOWN], 1)]
        sections.append(_left_out(len(findings), "finding", width))
        sections += [_finding(f, result, width, sources, "") for f in notices[:facts.FINDINGS_SHOWN]]
        sections.append(_left_out(len(notices), "notice", width))
        sections.append(_allowed(result, width))
        sections += [_corrupted(result, width), _iommu_faults(result, width), _log(result, width), _not_exercised(result, width)]
        out = [line for section in sections if section for line in [*section, []]]
    verdict = facts.verdict_line(result)
    out.append([("verdict  ", "head"), (verdict, _VERDICT_ROLE.get(str(result["verdict"]), "warn"))])
    return painted(out, colour)


def _head(result: Json, width: int) -> list[Line]:
    world = result.get("world", {})
    title = f"{clean(world.get('miniport', '?'))} on NIC {clean(world.get('nic', '?'))}"
    shown = [f"{name} {value}" for name, value in facts.options(result)]
    status = result.get("status")
    shown.append(f"initialize {NOTHING if status is None else clean(status)}")
    out: list[Line] = [[(part, "head")] for part in _wrap(title, width)]
    return out + [[(part, "")] for part in facts.beside(shown, width)]


def _allocations(result: Json, width: int) -> list[Line]:
    rows = facts.allocations(result)
    if not rows:
        return [[("allocations  none", "")]]
    same = all(a.logical == a.physical for a in rows)
    heads = ["#", "length", "cached", "virtual", "physical", *([] if same else ["logical"]),
             "reach", "boundary", "freed"]
    table = [[str(number), f"0x{a.length:x}", _yes(a.cached), _hex(a.virtual), _hex(a.physical),
              *([] if same else [_hex(a.logical)]), _ok(a.reach_ok, "BEYOND"), _ok(a.boundary_ok, "crosses"),
              a.freed_in or NOTHING] for number, a in enumerate(rows, 1)]
    sizes = [max(map(len, column)) for column in zip(heads, *table, strict=True)]
    note = "logical = physical" if same else ""
    out: list[Line] = [[("allocations", "head"), (f"  {note}" if note else "", "dim")]]
    if sum(sizes) + 2 * len(sizes) - 2 <= width:
        for cells in (heads, *table):
            bad = "BEYOND" in cells
            text = "  ".join(f"{cell:<{size}}" for cell, size in zip(cells, sizes, strict=True))
            out.append([(text, "dim" if cells is heads else "bad" if bad else "")])
        return out + _owners(rows, width)
    for number, a in enumerate(rows, 1):
        out += _stacked(number, a, width, same)
    return out


def _owners(rows: Sequence[Allocation], width: int) -> list[Line]:
    """Which number is which owner, and where it was allocated."""
    parts = [f"{n} = {a.owner}{f' {a.where}' if a.where else ''}" for n, a in enumerate(rows, 1)]
    return [[(part, "dim")] for part in facts.beside(parts, width)]


def _stacked(number: int, a: Allocation, width: int, same: bool) -> list[Line]:
    """One allocation over several lines, for addresses too wide for a table."""
    bad = a.reach_ok is False or a.boundary_ok is False
    first = [f"{number}  {a.owner}", f"0x{a.length:x} bytes", f"cached {_yes(a.cached)}",
             f"freed {a.freed_in or NOTHING}", *([a.where] if a.where else [])]
    second = [f"virtual {_hex(a.virtual)}", f"physical {_hex(a.physical)}",
              *([] if same else [f"logical {_hex(a.logical)}"]),
              f"reach {_ok(a.reach_ok, 'BEYOND')}", f"boundary {_ok(a.boundary_ok, 'crosses')}"]
    return [[(part, "")] for part in facts.beside(first, width, "   ")] + [
        [(f"   {part}", "bad" if bad else "")] for part in facts.beside(second, width - 3)]


def _map(result: Json, faults: Sequence[memory_map.Fault], width: int) -> list[Line]:
    if not result.get("map"):
        return []
    text = memory_map.lines(memory_map.build(result["map"], faults), width)
    return [[("memory map", "head"), ("  at the end of initialize", "dim")],
            *([(line, "bad" if "!" in line else "")] for line in text)]


def _frames(result: Json, width: int) -> list[Line]:
    text = facts.frames_text(result)
    return [[("frames     " if i == 0 else " " * _LABEL, "head"), (part, "")]
            for i, part in enumerate(_wrap(text, width - _LABEL))]


def _finding(finding: Json, result: Json, width: int, sources: Sources | None, number: str) -> list[Line]:
    role = "bad" if number else "warn"
    rule = clean(finding["rule"])
    out: list[Line] = []
    head = rule if number else f"{clean(finding.get('severity', 'notice'))}: {rule}"
    wrapped = textwrap.wrap(f"{head}   {clean(finding['message'])}", width, subsequent_indent="   ",
                            break_on_hyphens=False)
    cut = len(head) if wrapped and wrapped[0].startswith(head) else 0
    out.append([(wrapped[0][:cut], role), (wrapped[0][cut:], "")])
    out += [[(line, "")] for line in wrapped[1:]]
    out += _detail(finding)
    shown = finding_picture.picture(finding, result)
    if shown is not None:
        out.append([(f"   {shown.space} addresses", "dim")])
        out += [[(line, "bad" if "^" in line else "")] for line in finding_picture.lines(shown, width)]
    out += _fields(finding, result, width, sources)
    consequences = finding.get("consequences", ())
    for consequence in consequences[:facts.FINDINGS_SHOWN]:
        out += _consequence(consequence, width)
    more = facts.left_out_text(len(consequences), "consequence")
    return out + (_labelled("then", more, width) if more else [])


def _allowed(result: Json, width: int) -> list[Line]:
    """Findings that do not count: one paragraph each, with what allows it."""
    allowed = result.get("allowed", ())
    out: list[Line] = [[("allowed    ", "head"), (facts.count(len(allowed), "finding") + " out of the verdict", "warn")]] if allowed else []
    for finding in allowed[:facts.FINDINGS_SHOWN]:
        where = f"  ({clean(finding['where'])})" if finding.get("where") else ""
        times = f"  {finding['times']} times" if finding.get("times", 1) > 1 else ""
        text = f"{clean(finding['rule'])}   {clean(finding['message'])}{where}{times}"
        out += [[(f"   {part}", "")] for part in _wrap(text, width - 3)]
        out += [[(f"      {part}", "dim")] for part in _wrap(f"by {clean(finding['allowed_by'])}", width - 6)]
    return out + _left_out(len(allowed), "allowed finding", width)


def _left_out(total: int, thing: str, width: int) -> list[Line]:
    return [[(part, "warn")] for part in _wrap(facts.left_out_text(total, thing), width)]


def _fields(finding: Json, result: Json, width: int, sources: Sources | None) -> list[Line]:
    rows: list[tuple[str, str]] = []
    owner = finding.get("owner")
    allocation = next((a for a in facts.allocations(result) if owner and a.owner == owner), None)
    if allocation is not None:
        cache = {True: ", cached", False: ", uncached", None: ""}[allocation.cached]
        rows.append(("allocated", f"{allocation.where or ''}  {owner}, 0x{allocation.length:x} bytes{cache}".strip()))
    elif owner:
        rows.append(("owner", clean(owner)))
    rows.append(("where", clean(finding.get("where") or "no line of the miniport was running")))
    rows += [("related", f"{clean(r['where'])}  {clean(r['what'])}") for r in finding.get("related", ())]
    if when := facts.when_text(finding):
        rows.append(("time", when))
    rows += [(name, ", ".join(map(clean, finding[key]))) for name, key in (("also", "also"), ("faults", "faults"))
             if finding.get(key)]
    rows += [(name, clean(finding[name])) for name in ("bugcheck", "remedy") if finding.get(name)]
    out: list[Line] = []
    for label, text in rows:
        out += _labelled(label, text, width)
        source = next((s for s in facts.excerpt(finding.get("where"), sources, 0) if label == "where"), None)
        if source is not None:
            line = f"   {'':<{_LABEL}}> {source.text.strip()}"
            out.append([(line if len(line) <= width else line[:width - 1] + "…", "")])
    if finding.get("replay"):
        out.append([(f"   {'replay':<{_LABEL}}", "dim"), (clean(finding["replay"]), "")])
    return out


def _consequence(finding: Json, width: int) -> list[Line]:
    text = f"{clean(finding['rule'])}   {clean(finding['message'])}"
    if finding.get("where"):
        text += f"  ({clean(finding['where'])})"
    return _labelled("then", text, width) + _detail(finding)


def _detail(finding: Json) -> list[Line]:
    """Lines that are not to be wrapped: a hexdump."""
    return [[(f"     {clean(line)}", "dim")] for line in str(finding.get("detail") or "").splitlines()]


def _labelled(label: str, text: str, width: int) -> list[Line]:
    parts = _wrap(text, width - 3 - _LABEL) or [""]
    label_text = f"   {label:<{_LABEL - 1}} "
    return [[(label_text if i == 0 else " " * (_LABEL + 3), "dim"), (part, "")] for i, part in enumerate(parts)]


def _corrupted(result: Json, width: int) -> list[Line]:
    hits = result.get("corrupted") or ()
    out: list[Line] = [[("corrupted  ", "head"), (facts.count(len(hits), "run") + " of bytes", "bad")]] if hits else []
    for hit in hits:
        text = f"{hex_address(hit['address'])}  {facts.size_text(hit['length'])}  {clean(hit['owner'])}"
        out += [[(part, "")] for part in _wrap(text, width, "   ")]
    return out


def _iommu_faults(result: Json, width: int) -> list[Line]:
    faults_seen = result.get("iommu_faults") or ()
    stopped = facts.count(len(faults_seen), "access", "accesses") + " stopped"
    out: list[Line] = [[("iommu      ", "head"), (stopped, "bad")]] if faults_seen else []
    for fault in faults_seen[:facts.FINDINGS_SHOWN]:
        text = (f"{hex_address(fault['address'])}  {fault['device']} {'writes' if fault['writes'] else 'reads'} "
                f"{facts.size_text(fault['length'])}  {clean(fault['purpose'])}")
        out += [[(part, "")] for part in _wrap(text, width, "   ")]
    return out


def _log(result: Json, width: int) -> list[Line]:
    log = result.get("log") or ()
    out: list[Line] = [[("log", "head"), ("  printed by the miniport", "dim")]] if log else []
    for text in log:
        out += [[(part, "")] for part in _wrap(clean(text), width, "   ")]
    return out


_FOLDS = {"lines": facts.line_ranges, "rules": facts.rule_families}
"""How long lists are shortened for the terminal; the report and ``--json`` hold them whole."""


def _not_exercised(result: Json, width: int) -> list[Line]:
    missing = result.get("not_exercised") or {}
    parts = [facts.count(len(missing.get(key) or ()), word) for key, word in
             (("rules", "rule"), ("handlers", "handler"), ("lines", "line"))]
    if not any(missing.get(key) for key in ("rules", "handlers", "lines")):
        return [[("not seen   ", "head"), ("every rule, handler and line was exercised", "")]] if missing else []
    out: list[Line] = [[("not seen   ", "head"), (", ".join(parts), "")]]
    for key in ("handlers", "rules", "lines"):
        if missing.get(key):
            items = _FOLDS[key](missing[key]) if key in _FOLDS else missing[key]
            out += _labelled(key, ", ".join(map(clean, items)), width)
    return out


def _error(error: Json, width: int) -> list[Line]:
    out: list[Line] = [[(part, "bad")] for part in _wrap(f"{clean(error['kind'])}: {clean(error['message'])}", width)]
    return out + (_labelled("remedy", clean(error["remedy"]), width) if error.get("remedy") else []) + [[]]


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _hex(address: int | None) -> str:
    return NOTHING if address is None else hex_address(address)


def _yes(value: bool | None) -> str:
    return NOTHING if value is None else "yes" if value else "no"


def _ok(value: bool | None, wrong: str) -> str:
    return NOTHING if value is None else "ok" if value else wrong


def painted(lines: Sequence[Line], colour: bool) -> str:
    """*lines* as text, with ANSI colours (imports rich) or without."""
    if not colour:
        return "".join("".join(piece[0] for piece in line).rstrip() + "\n" for line in lines)
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    target = StringIO()
    console = Console(file=target, force_terminal=True, color_system="standard", no_color=False, soft_wrap=True,
                      highlight=False, markup=False, emoji=False, legacy_windows=False)
    for line in lines:
        text = Text.assemble(*((piece, _PAINT.get(role, "")) for piece, role in line))
        text.rstrip()
        console.print(text)
    return target.getvalue()
