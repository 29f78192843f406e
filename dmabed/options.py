# SPDX-License-Identifier: Apache-2.0
"""From what a miniport's class, a file and the command line ask for to one `WorldSpec`.

Three layers, each a dict of the fields of `WorldSpec` that somebody named: the miniport's own ``machine``, a file that is
replayed, the line. A later layer wins, and what it names replaces what excludes it (`REPLACES`).
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dmabed import policy
from dmabed.load import find_nic
from dmabed.spec import WorldSpec, parse_size
from hw.limits import PRESETS
from miniport.miniport import Miniport
from verifier.address import PAGE_MASK
from verifier.errors import UsageError

Layer = dict[str, Any]

REPLACES = {
    "limits": ("address_bits", "boundary"), "address_bits": ("limits",), "boundary": ("limits",), "frames": ("pcap",),
    "ram": ("ram_ranges",), "silicon": ("stop",), "stop": ("silicon",),
}
"""What an option of a later layer sets back to its default in the earlier ones."""
DEFAULT_MINIPORT = "the reference miniport"
"""How a result spells that no miniport was named."""

_LIMITS = ("limits", "address_bits", "boundary")
_SIZES = frozenset({"ram", "boundary", "bus_offset"})
_NUMBERS = frozenset({"address_bits", "processors", "adapters", "frames", "seed", "nodes"})
_FLAGS = frozenset({"incoherent", "iommu", "msi", "silicon", "stop"})
_TEXTS = {"faults": "a list of fault points as text", "deny": "a list of rules as text", "allow": "a list of rules as text"}
_MAY_BE_NONE = frozenset({"miniport", *_LIMITS, "ndis", "pcap", "ram_ranges", "aged"})
_KNOWN = tuple(f.name for f in fields(WorldSpec))
_MACHINE = tuple(name for name in _KNOWN if name not in (
    "miniport", "faults", "deny", "allow", "silicon", "stop", "ram_ranges", "nodes", "aged"))
"""What a class may ask for: only what the line can take back."""
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)


def over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Layer:
    """*below* with what *above* names."""
    result = dict(below)
    plain = WorldSpec()
    losers = [name for key, value in above.items() if value is not None for name in REPLACES.get(key, ())]
    if above.get("nic", below.get("nic", plain.nic)) != below.get("nic", plain.nic):
        losers += _LIMITS  # limits belong to their NIC
    for name in losers:
        if name in result:
            result[name] = getattr(plain, name)
    result.update(above)
    if any(key in below for key in policy.KEYS):
        result.update(policy.merged(below, above))
    return result


def checked(given: Mapping[str, Any], source: str = "", known: tuple[str, ...] = _KNOWN) -> Layer:
    """*given* with every value of the type of its option: sizes and numbers may be text. `UsageError` names the option, and
    *source* where it is not the line."""
    layer = {}
    for name, value in given.items():
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"{_at(source)}there is no option {name!r}", f"{hint}known: {', '.join(known)}")
        layer[name] = _value(name, value, source)
    return layer


def machine_of(miniport: type[Miniport], folder: Path) -> Layer:
    """What the class says in ``machine``. A capture file is looked for beside the miniport, in *folder*."""
    source = f"{miniport.__name__}.machine"
    machine = miniport.machine
    if not isinstance(machine, Mapping):
        raise UsageError(f"{source} is {type(machine).__name__}, not a dict", 'write machine = dict(nic="reference", ram="64M")')
    layer = checked(machine, source, _MACHINE)
    exclusive(layer, source)
    if layer.get("pcap") is not None:
        layer["pcap"] = portable(str(folder / layer["pcap"]))
    return layer


def defaults_of(miniport: type[Miniport], folder: Path) -> Layer:
    """The lowest layer: ``[tool.dmabed]`` of the user's project, and what the class says in ``machine``. The comments in the
    source of *miniport* are checked. *folder* is where its source lies."""
    layer = machine_of(miniport, folder)
    if miniport.__module__.partition(".")[0] == Miniport.__module__.partition(".")[0]:
        return layer  # the bed's own miniport is of no project
    source = getattr(sys.modules.get(miniport.__module__), "__file__", None)
    if source is not None:
        policy.check_source(source)
    return {**policy.project_layer(folder), **layer}


def exclusive(layer: Layer, source: str = "") -> None:
    """`UsageError` if one layer names two options that exclude each other."""
    for one, other in (("frames", "pcap"), ("silicon", "stop"), ("limits", "address_bits"), ("limits", "boundary")):
        if layer.get(one) not in (None, False) and layer.get(other) not in (None, False):
            raise UsageError(f"{_at(source)}{option(one)} and {option(other)} exclude each other", "give one of the two")


def option(name: str) -> str:
    """``--address-bits`` for ``address_bits``."""
    return "--" + name.replace("_", "-")


def portable(name: str) -> str:
    """*name* of a file, or of a class in a file, without an absolute path where that is possible: equal trees give equal
    results, and the replay line runs in the same folder."""
    head, colon, tail = name.rpartition(":")
    if head.endswith(".py") and tail.isidentifier():
        return portable(head) + colon + tail
    if not Path(name).is_absolute():
        return name
    try:
        short = os.path.relpath(name)
        return short if Path(short).samefile(name) else name
    except (OSError, ValueError):  # no such file; another drive
        return name


def is_data(argument: str) -> bool:
    """True if the argument of ``replay`` is JSON, or a file of JSON, and no miniport."""
    if argument.lstrip().startswith("{") or argument.lower().endswith(".json"):
        return True
    return not argument.endswith((".py", ".c", ".h")) and Path(argument).is_file()


def read_data(argument: str) -> Layer:
    """The world in a JSON text or file: a `WorldSpec` as plain data, or a result of ``dmabed run --json``."""
    text, source = argument, "the world"
    if not argument.lstrip().startswith("{"):
        path, source = Path(argument), argument
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"{path} is no JSON file: it is not UTF-8", "give a file that dmabed run --json wrote") from None
        except OSError as problem:
            near = get_close_matches(path.name, [p.name for p in path.parent.glob("*.json")] if path.parent.is_dir() else [], 1)
            hint = f"did you mean {path.parent / near[0]}?" if near else "give a file that dmabed run --json wrote"
            raise UsageError(f"{path} cannot be read: {problem.strerror or problem}", hint) from None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"{source} is no JSON: {problem}", "give a file that dmabed run --json wrote") from None
    if not isinstance(data, dict):
        raise UsageError(f"{source} holds no JSON object", "give a file that dmabed run --json wrote")
    if "verdict" in data or "world" in data:
        data = _world_of(data, source)
    return checked(data, source)


def _world_of(result: Mapping[str, Any], source: str) -> Layer:
    """The options of the world in a result, as somebody may have given them."""
    world = result.get("world")
    if not isinstance(world, dict):
        raise UsageError(f"{source} holds the verdict {result.get('verdict')!r} and no world",
                         "give the result of a world that ran")
    given = dict(world)
    if given.get("miniport") == DEFAULT_MINIPORT:
        given["miniport"] = None
    if all(name in given for name in _LIMITS):
        said = tuple(given[name] for name in _LIMITS)
        known = PRESETS.get(str(said[0]))
        own = find_nic(str(given.get("nic", WorldSpec().nic))).default_limits
        if said == (own.name, own.address_bits, own.boundary):
            given.update(dict.fromkeys(_LIMITS))
        elif known is not None and said == (known.name, known.address_bits, known.boundary):
            given.update(address_bits=None, boundary=None)
        else:
            given["limits"] = None
    return given


def _value(name: str, value: Any, source: str) -> Any:
    if value is None and name in _MAY_BE_NONE:
        return None
    if name in _FLAGS:
        return _expect(isinstance(value, bool), name, value, source, "true or false")
    if name in _TEXTS:
        _expect(isinstance(value, list | tuple) and all(isinstance(text, str) for text in value), name, value, source, _TEXTS[name])
        return tuple(value)
    if name == "ram_ranges":
        return _ranges(value, source)
    if name in _SIZES or name in _NUMBERS:
        return _number(name, value, source)
    return _expect(isinstance(value, str) and bool(value) and "\0" not in value, name, value, source, "a name")


def _at(source: str) -> str:
    return f"{source}: " if source else ""


def _number(name: str, value: Any, source: str) -> int:
    if isinstance(value, str):
        if name in _SIZES:
            value = _size(name, value, source)
        else:
            what = "a whole number, for instance 8"
            value = int(_expect(bool(_NUMBER.fullmatch(value)), name, value, source, what))
    _expect(isinstance(value, int) and not isinstance(value, bool), name, value, source, "a whole number")
    if name in _SIZES and name != "bus_offset" and value < 0:
        raise UsageError(f"{_at(source)}{option(name)} is below 0", "give a size from 0 on")
    return int(value)


def _size(name: str, text: str, source: str) -> int:
    try:
        return parse_size(text)
    except UsageError as problem:
        raise UsageError(f"{_at(source)}{option(name)}: {problem.message}", problem.remedy) from None


def _ranges(value: Any, source: str) -> tuple[tuple[int, int], ...]:
    what = "a list of [start, size] in bytes, whole pages, ascending and apart, below 2 TiB"
    pairs = [tuple(pair) for pair in value] if isinstance(value, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in value) else []
    end, good = 0, bool(pairs)
    for start, size in pairs:
        good = good and isinstance(start, int) and isinstance(size, int) and start >= end and size > 0 and not (
            (start | size) & PAGE_MASK)
        if not good:
            break
        end = start + size
    _expect(good and end <= 1 << 41, "ram_ranges", value, source, what)
    return tuple((int(start), int(size)) for start, size in pairs)


def _expect(good: bool, name: str, value: Any, source: str, what: str) -> Any:
    if not good:
        shown = repr(value)
        name = name if name in ("miniport", "faults", "ram_ranges", "nodes", "aged") else option(name)
        raise UsageError(f"{_at(source)}{name}: {shown if len(shown) < 60 else shown[:57] + '...'} is not {what}", f"give {what}")
    return value
