# SPDX-License-Identifier: Apache-2.0
"""Conditions: other machines and orders of events under which every fault is tried again.

An axis is one line of `AXES`: a field of `WorldSpec` and the values that it takes. A condition changes one axis, or, in a
covering array, all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from dmabed.campaign.pairwise import covering_rows
from dmabed.spec import WorldSpec, size_text
from dmabed.world import registered_version
from miniport.miniport import Miniport
from verifier.address import GIB, MIB
from verifier.errors import UsageError

AXES: dict[str, tuple[Any, ...]] = {
    "placement": ("hostile", "low", "high", "random"),
    "bus_offset": (0, 8 * MIB),
    "windows": ("2003", "nt4", "2000", "xp", "xp-sp1", "vista", "2008", "7"),
    "ndis": (None, "4.0", "5.0", "5.1"),
    "aged": (None, "fragments", "adversary"),
    "ram": (256 * MIB, 64 * MIB, 8 * GIB),
    "processors": (2, 1, 4),
    "iommu": (False, True),
    "incoherent": (False, True),
    "msi": (False, True),
    "seed": (1, 2, 3, 4),
}
"""Values by field; the first one is the default of the command line."""
_SIZES = ("bus_offset", "ram")
Possible = Callable[[WorldSpec], bool]
"""Judges whether the miniport can be run in a world: a version that it does not register cannot."""


def single_conditions(names: str, spec: WorldSpec, possible: Possible) -> list[str]:
    """Conditions that change one axis of *spec*. *names* is ``all``, or axes (``placement``) and single values
    (``placement=low``) with commas between. What *possible* refuses is left out; `UsageError` for what does not exist."""
    chosen = list(AXES) if names.strip() == "all" else [part.strip() for part in names.split(",") if part.strip()]
    found = []
    for part in chosen:
        name, equals, _ = part.partition("=")
        field = _axis(name)
        own = getattr(spec, field)
        texts = [_text(field, value) for value in AXES[field] if value != own]
        if equals:
            known = [_text(field, value) for value in AXES[field]]
            wanted = f"{_dashed(field)}={part.partition('=')[2]}"
            if wanted not in known:
                raise UsageError(f"there is no condition {part!r}", f"known: {', '.join(known)}")
            texts = [wanted] if wanted != _text(field, own) else []
        found += [text for text in texts if possible(changed(spec, text))]
    return list(dict.fromkeys(found))


def pairwise_conditions(spec: WorldSpec, possible: Possible) -> list[str]:
    """A covering array over all axes: any two values of different axes that can be had together stand in one condition."""
    fields = list(AXES)

    def row_possible(row: Sequence[int]) -> bool:
        # An open version of Windows may become one that runs every NDIS version.
        seen = replace(spec, windows=AXES["windows"][0]) if row[fields.index("windows")] < 0 else spec
        return possible(changed(seen, _row_text(seen, fields, row)))

    rows = covering_rows([len(AXES[field]) for field in fields], row_possible)
    return [text for text in dict.fromkeys(_row_text(spec, fields, row) for row in rows) if text]


def possible_for(miniport: type[Miniport]) -> Possible:
    """Judges worlds for *miniport*."""

    def possible(spec: WorldSpec) -> bool:
        try:
            spec.check()
            registered_version(spec, miniport)
        except UsageError:
            return False
        return True

    return possible


def changed(spec: WorldSpec, condition: str) -> WorldSpec:
    """*spec* under *condition*."""
    changes: dict[str, Any] = {}
    for part in condition.split(",") if condition else ():
        name = part.partition("=")[0]
        field = _axis(name)
        value = next((value for value in AXES[field] if _text(field, value) == part), _NO_VALUE)
        if value is _NO_VALUE:
            raise UsageError(f"there is no condition {part!r}", f"known: {', '.join(_text(field, v) for v in AXES[field])}")
        changes[field] = value
    if "ram" in changes:
        changes["ram_ranges"] = None
    return replace(spec, **changes)


_NO_VALUE = object()


def _row_text(spec: WorldSpec, fields: Sequence[str], row: Sequence[int]) -> str:
    return ",".join(_text(field, AXES[field][index]) for field, index in zip(fields, row, strict=True)
                    if index >= 0 and AXES[field][index] != getattr(spec, field))


def _text(field: str, value: Any) -> str:
    if isinstance(value, bool):
        shown = "yes" if value else "no"
    else:
        shown = "none" if value is None else size_text(value) if field in _SIZES else str(value)
    return f"{_dashed(field)}={shown}"


def _dashed(field: str) -> str:
    return field.replace("_", "-")


def _axis(name: str) -> str:
    field = name.replace("-", "_")
    if field not in AXES:
        known = [_dashed(axis) for axis in AXES]
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no condition {name!r}", f"{hint}known: all, {', '.join(known)}")
    return field
