# SPDX-License-Identifier: Apache-2.0
"""What the user decides about rules: *deny* makes a notice count as an error, *allow* takes a finding out of the verdict.

Both stand on the line (``--deny``, ``--allow``), in ``[tool.dmabed]`` of the nearest ``pyproject.toml`` above the miniport that
has that table, or, for one rule at one line, in the miniport's source::

    adapter.stall_execution(80)  # dmabed: allow stall-50us -- the data sheet asks for 80 us after reset

Nothing is hidden: what is allowed stands in every result under *allowed*, with its count and what allowed it. In a world that
crashed or hung nothing is allowed: what it did not reach is not known.
"""

from __future__ import annotations

import io
import re
import tokenize
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifier.errors import UsageError
from verifier.findings import Finding
from verifier.rule import Severity, declared_rules
from verifier.where import display_path, line_of

if TYPE_CHECKING:
    from dmabed.spec import WorldSpec
    from dmabed.world import World

KEYS = ("deny", "allow")
_NOTICES = tuple(severity.value for severity in Severity if severity is not Severity.ERROR)
_COMMENT = re.compile(r"#\s*dmabed:\s*allow\s+(?P<rule>[^\s,]+)\s+--\s+(?P<reason>\S.*)")


@dataclass(frozen=True, slots=True)
class Allowed:
    """A finding that does not count, and what allowed it: ``--allow RULE``, or the reason in the source."""

    finding: Finding
    by: str


def check(deny: Sequence[str], allow: Sequence[str]) -> None:
    """`UsageError` for a rule that is not known or not enforced, and for one that is both denied and allowed."""
    for pattern in deny:
        if pattern.endswith("*"):
            _check_prefix(pattern)
        elif pattern == Severity.ERROR.value:
            raise UsageError("--deny error: errors count already", f"give a rule, PREFIX*, or {' or '.join(_NOTICES)}")
        elif pattern not in _NOTICES:
            _enforced(pattern, "--deny")
    for rule in allow:
        _enforced(rule, "--allow")
    both = sorted(set(deny) & set(allow))
    if both:
        raise UsageError(f"{both[0]} is both denied and allowed", "choose one of the two")


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The *deny* and *allow* of two layers as one: both count, and *above* wins where they disagree."""
    deny, allow = tuple(above.get("deny", ())), tuple(above.get("allow", ()))
    kept_deny = [name for name in below.get("deny", ()) if name not in allow]
    kept_allow = [name for name in below.get("allow", ())
                  if not any(_denies(pattern, name, _severity(name) if pattern in _NOTICES else None) for pattern in deny)]
    return {"deny": tuple(dict.fromkeys((*kept_deny, *deny))), "allow": tuple(dict.fromkeys((*kept_allow, *allow)))}


def project_layer(folder: Path) -> dict[str, tuple[str, ...]]:
    """What ``[tool.dmabed]`` says in the nearest ``pyproject.toml`` at or above *folder* that has that table."""
    for directory in (folder, *folder.parents):
        path = directory / "pyproject.toml"
        if path.is_file():
            layer = _table(path, path.stat().st_mtime_ns)
            if layer is not None:
                return dict(layer)
    return {}


def check_source(name: str) -> None:
    """`UsageError` for a comment in the file *name* that begins with ``# dmabed:`` and allows no known rule with a reason."""
    _comments(name)


def stops_at(spec: WorldSpec) -> Callable[[Finding], bool]:
    """For ``--stop``: is this finding one that counts?"""

    def counts(finding: Finding) -> bool:
        return (finding.rule.severity is Severity.ERROR or _denied(finding, spec.deny)) and _allowed_by(finding, spec.allow) is None

    return counts


def apply(world: World) -> None:
    """Judge the findings of *world* by its spec and by the comments in the source. What followed from an allowed finding and is
    not allowed itself counts."""
    findings, spec = world.machine.findings, world.spec
    if not findings.errors and not findings.notices:
        return
    may_allow = world.outcome == "ran"
    errors: list[Finding] = []
    for first in findings.errors:
        family = [first, *first.consequences]
        while family and may_allow and (by := _allowed_by(family[0], spec.allow)) is not None:
            finding = family.pop(0)
            finding.consequences = []
            world.allowed.append(Allowed(finding, by))
        if family:
            family[0].consequences = family[1:]
            errors.append(family[0])
    notices: list[Finding] = []
    denied: list[Finding] = []
    for finding in findings.notices:
        if may_allow and (by := _allowed_by(finding, spec.allow)) is not None:
            world.allowed.append(Allowed(finding, by))
        elif _denied(finding, spec.deny):
            finding.rule = replace(finding.rule, severity=Severity.ERROR)
            denied.append(finding)
        else:
            notices.append(finding)
    findings.errors[:] = sorted([*errors, *denied], key=lambda finding: finding.time_ns) if denied else errors
    findings.notices[:] = notices


def _allowed_by(finding: Finding, allow: Sequence[str]) -> str | None:
    """What allows *finding*: its rule on the line, an id that it carries and that is no rule with a check of its own, or a comment
    on its line."""
    rules = declared_rules()
    for id in allow:
        if id == finding.rule.id or (id in finding.also and id not in rules):
            return f"--allow {id}"
    if finding.where is None:
        return None
    name = finding.where[0].co_filename
    said = _comments(name).get(line_of(finding.where))
    return said[1] if said is not None and said[0] == finding.rule.id else None


def _denied(finding: Finding, deny: Sequence[str]) -> bool:
    ids = (finding.rule.id, *finding.also)
    return any(_denies(pattern, id, finding.rule.severity) for pattern in deny for id in ids)


def _denies(pattern: str, id: str, severity: Severity | None) -> bool:
    if pattern.endswith("*"):
        return id.startswith(pattern[:-1])
    return pattern == id or (severity is not None and pattern == severity.value)


def _severity(id: str) -> Severity | None:
    from dmabed.catalogue import find

    return next((rule.severity for rule in find(id).primaries), None)


def _check_prefix(pattern: str) -> None:
    from dmabed.catalogue import catalogue

    prefixes = {entry.id.partition("-")[0] + "-*" for entry in catalogue().values() if entry.primaries}
    if not pattern[:-1] or not any(entry.id.startswith(pattern[:-1]) for entry in catalogue().values() if entry.primaries):
        near = get_close_matches(pattern, prefixes, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"--deny {pattern}: no enforced rule begins so", f"{hint}dmabed rules --state enforced lists them")


def _enforced(id: str, option: str) -> None:
    from dmabed.catalogue import find

    try:
        entry = find(id)
    except UsageError as problem:
        raise UsageError(f"{option}: {problem.message}", problem.remedy) from None
    if not entry.primaries:
        raise UsageError(f"{option}: no finding ever carries {id}, which is {entry.state}", f"{entry.reason} Take the option out.")


@lru_cache(maxsize=64)
def _table(path: Path, changed_ns: int) -> Mapping[str, tuple[str, ...]] | None:
    """``[tool.dmabed]`` of one file, None where it has no such table; *changed_ns* tells versions of the file apart."""
    try:
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise UsageError(f"{display_path(str(path))} cannot be read: {problem}", "mend the file") from None
    table = tool.get("dmabed") if isinstance(tool, dict) else None
    if table is None:
        return None
    source = f"[tool.dmabed] of {display_path(str(path))}"
    if not isinstance(table, dict):
        raise UsageError(f"{source} is no table", f"write [tool.dmabed] with {' and '.join(KEYS)}")
    for key, value in table.items():
        if key not in KEYS:
            near = get_close_matches(key, KEYS, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"{source} has no key {key!r}", f"{hint}known: {', '.join(KEYS)}")
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"{source}: {key} is not a list of rules", f'write {key} = ["stall-50us"]')
    layer = {key: tuple(table.get(key, ())) for key in KEYS}
    try:
        check(layer["deny"], layer["allow"])
    except UsageError as problem:
        raise UsageError(f"{source}: {problem.message}", problem.remedy) from None
    return layer


def _comments(name: str) -> Mapping[int, tuple[str, str]]:
    """By line of the file *name*: the rule that a comment there allows, and what the result says of it."""
    try:
        changed_ns = Path(name).stat().st_mtime_ns
    except (OSError, ValueError):
        return {}
    return _comments_of(name, changed_ns)


@lru_cache(maxsize=256)
def _comments_of(name: str, changed_ns: int) -> Mapping[int, tuple[str, str]]:
    try:
        text = Path(name).read_bytes()
    except OSError:
        return {}
    if b"dmabed:" not in text:
        return {}
    found: dict[int, tuple[str, str]] = {}
    try:
        for token in tokenize.tokenize(io.BytesIO(text).readline):
            if token.type == tokenize.COMMENT and re.match(r"#\s*dmabed:", token.string):
                line = token.start[0]
                found[line] = _allowance(token.string, f"{display_path(name)}:{line}")
    except (tokenize.TokenError, SyntaxError):
        return {}  # no Python: import says so
    return found


def _allowance(comment: str, place: str) -> tuple[str, str]:
    match = _COMMENT.fullmatch(comment)
    if match is None:
        raise UsageError(f"{place}: {comment!r} allows no rule with a reason", "write # dmabed: allow RULE -- reason")
    try:
        _enforced(match["rule"], place)
    except UsageError as problem:
        raise UsageError(problem.message, problem.remedy) from None
    return match["rule"], f"{place}: {match['reason'].rstrip()}"
