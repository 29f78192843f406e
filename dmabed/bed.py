# SPDX-License-Identifier: Apache-2.0
"""`Bed`: the front door for Python code. One bed holds the options of worlds; `run` lives one world.

::

    bed = Bed(MyMiniport, nic="reference", placement="hostile")
    bed.inject("NdisMAllocateSharedMemory#2")
    result = bed.run()
    assert result["verdict"] == "refused"
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dmabed.load import find_miniport
from dmabed.result import as_json
from dmabed.spec import WorldSpec, checked_fault, parse_size
from dmabed.world import World, run_world
from hw.inject import parse_fault
from miniport.miniport import Miniport
from verifier.errors import UsageError

_SIZES = frozenset({"boundary", "ram", "bus_offset"})
_NOT_IN_MACHINE = frozenset({"miniport", "faults", "ram_ranges"})


class Bed:
    """A miniport and the options of its worlds.

    *miniport* is a class, what the command line takes, or None for the NIC's reference miniport. *options* are the fields
    of `WorldSpec`, named as on the command line with underscores; sizes may be text (``"16M"``). The miniport's own
    `Miniport.machine` gives defaults for what is not named.
    """

    def __init__(self, miniport: type[Miniport] | str | None = None, **options: Any) -> None:
        name = miniport if isinstance(miniport, str) or miniport is None else None
        if isinstance(miniport, type):
            self.miniport = miniport
            self.base = Path(inspect.getfile(miniport)).resolve().parent
        else:
            self.miniport, self.base = find_miniport(name, str(options.get("nic", "reference")))
        self.spec = spec_with(self.miniport, options, replace(WorldSpec(), miniport=name))
        self.spec.check()

    def inject(self, point: str, effect: str | None = None) -> None:
        """Arm a fault for the next worlds: ``NAME#N``, with the documented failure or another *effect* that the point has.
        `UsageError` if there is no such point or effect."""
        fault = checked_fault(parse_fault(point, effect))
        self.spec = replace(self.spec, faults=(*self.spec.faults, str(fault)))

    def world(self, *, capture: bool = False, trace_lines: bool = False, frames: list[bytes] | None = None) -> World:
        """Live one world and return all that was seen of it."""
        return run_world(self.spec, self.miniport, self.base, capture=capture, trace_lines=trace_lines, frames=frames)

    def run(self) -> dict[str, Any]:
        """Live one world and return its result as plain data, as ``dmabed run --json`` prints it."""
        return as_json(self.world())


def spec_with(miniport: type[Miniport], options: Mapping[str, Any], base: WorldSpec) -> WorldSpec:
    """*base* with what the miniport needs of its machine, and on top of it *options*. Unknown names are a `UsageError`."""
    machine = dict(miniport.machine)
    given = {key: value for key, value in options.items() if value is not None}
    if "limits" in given:
        machine = {key: value for key, value in machine.items() if key not in ("address_bits", "boundary")}
    if "address_bits" in given or "boundary" in given:
        machine.pop("limits", None)
    known = {f.name for f in fields(WorldSpec)} - _NOT_IN_MACHINE
    values: dict[str, Any] = {}
    for where, source in ((f"{miniport.__name__}.machine", machine), ("the options", given)):
        for key, value in source.items():
            if key not in known and not (where == "the options" and key in _NOT_IN_MACHINE):
                near = get_close_matches(key, known, 1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise UsageError(f"{where}: there is no option {key!r}", f"{hint}known: {', '.join(sorted(known))}")
            values[key] = parse_size(value) if key in _SIZES and isinstance(value, str) else value
    if values.get("pcap") is not None:
        values["pcap"] = str(values["pcap"])
    return replace(base, **values)
