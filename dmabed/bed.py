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
from dataclasses import replace
from pathlib import Path
from typing import Any

from dmabed.fault_points import checked_fault
from dmabed.load import find_miniport
from dmabed.options import checked, defaults_of, exclusive, over
from dmabed.result import as_json
from dmabed.spec import WorldSpec
from dmabed.watchdog import watched
from dmabed.world import World, run_world
from hw.inject import parse_fault
from miniport.miniport import Miniport


class Bed:
    """A miniport and the options of its worlds.

    *miniport* is a class, what the command line takes, or None for the NIC's reference miniport. *options* are the fields
    of `WorldSpec`, named as on the command line with underscores; sizes may be text (``"16M"``). The miniport's own
    `Miniport.machine` gives defaults for what is not named.
    """

    def __init__(self, miniport: type[Miniport] | str | None = None, **options: Any) -> None:
        WorldSpec(nic=str(options.get("nic") or "reference")).model()
        name = miniport if isinstance(miniport, str) or miniport is None else f"{miniport.__module__}:{miniport.__qualname__}"
        if isinstance(miniport, type):
            self.miniport = miniport
            self.base = Path(inspect.getfile(miniport)).resolve().parent
        else:
            self.miniport, self.base = find_miniport(name, str(options.get("nic") or "reference"))
        self.spec = spec_with(self.miniport, options, replace(WorldSpec(), miniport=name))
        self.spec.check()

    def inject(self, point: str, effect: str | None = None) -> None:
        """Arm a fault for the next worlds: ``NAME#N``, with the documented failure or another *effect* that the point has.
        `UsageError` if there is no such point or effect."""
        fault = checked_fault(parse_fault(point, effect), self.spec.model())
        self.spec = replace(self.spec, faults=(*self.spec.faults, str(fault)))

    def world(self, *, capture: bool = False, trace_lines: bool = False, frames: list[bytes] | None = None) -> World:
        """Live one world and return all that was seen of it."""
        return run_world(self.spec, self.miniport, self.base, capture=capture, trace_lines=trace_lines, frames=frames)

    def run(self) -> dict[str, Any]:
        """Live one world and return its result as plain data, as ``dmabed run --json`` prints it. A handler that never returns is
        ended as on the command line."""
        return as_json(watched(self.world))


def spec_with(miniport: type[Miniport], options: Mapping[str, Any], base: WorldSpec) -> WorldSpec:
    """*base* with what the miniport needs of its machine, and on top of it *options*. Unknown names are a `UsageError`."""
    given = {key: str(value) if isinstance(value, Path) else value for key, value in options.items() if value is not None}
    layer = checked(given)
    exclusive(layer)
    return replace(base, **over(defaults_of(miniport, Path(inspect.getfile(miniport)).resolve().parent), layer))
