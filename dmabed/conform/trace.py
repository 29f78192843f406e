# SPDX-License-Identifier: Apache-2.0
"""The trace file: JSON lines, the first of which says what was recorded, each other one step (``docs/conform.md``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmabed.spec import parse_size
from verifier.errors import UsageError

FORMAT = 1
STIMULI = ("memory", "write", "frame-in", "link", "wait")
"""What was done to the card."""
ANSWERS = ("read", "dma-read", "dma-write", "interrupt", "frame-out")
"""What the card did. A read is both: the host asks, the card answers."""
_ANSWERED_ALONE = ("dma-read", "dma-write", "interrupt", "frame-out")

_NUMBERS: dict[str, tuple[str, ...]] = {
    "memory": ("address",), "write": ("bar", "offset", "size", "value"), "read": ("bar", "offset", "size", "value"), "wait": ("ns",),
    "dma-read": ("address", "length"), "dma-write": ("address",), "frame-in": (), "link": (), "interrupt": (), "frame-out": ()}
_DATA = ("memory", "dma-write", "frame-in", "frame-out")
_FLAGS = {"link": "up", "interrupt": "asserted"}
_OPTIONAL = {"read": ("mask",)}
_HEAD = ("trace", "nic", "ram", "mac", "ignore", "source")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a trace: what happened (*op*), and its numbers and bytes by name."""

    line: int
    op: str
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        parts = [f"{name} {_shown(value)}" for name, value in self.fields.items()]
        return " ".join([self.op, *parts])


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace as it was read."""

    nic: str | None
    """The card it is of, as ``--nic`` takes it; None where the file does not say."""
    ram: int
    """Bytes of memory."""
    mac: bytes | None
    """Station address of the card; None: the bed's."""
    ignore: tuple[str, ...]
    """Answers that are not compared."""
    source: str
    steps: tuple[Step, ...]


def read_trace(path: Path) -> Trace:
    """The trace in *path*. `UsageError` names the line of whatever is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror}", "give a trace file: docs/conform.md") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text", "a trace is a file of JSON lines: docs/conform.md") from None
    objects = [(number, _object(path, number, line)) for number, line in enumerate(lines, 1) if line.strip()]
    if not objects or "trace" not in objects[0][1]:
        raise _wrong(path, 1, 'the first line has no "trace"', 'begin with {"trace": 1, "nic": "NAME"}')
    number, head = objects[0]
    if head["trace"] != FORMAT:
        raise _wrong(path, number, f"trace format {head['trace']!r} is not known", f"this version reads format {FORMAT}")
    unknown = sorted(set(head) - set(_HEAD))
    if unknown:
        raise _wrong(path, number, f"the first line has no {unknown[0]!r}", f"known: {', '.join(_HEAD)}")
    ignore = head.get("ignore", [])
    if not isinstance(ignore, list) or not all(name in _ANSWERED_ALONE for name in ignore):
        raise _wrong(path, number, f"ignore is {json.dumps(ignore)}", f"a list of {', '.join(_ANSWERED_ALONE)}")
    mac = _bytes(path, number, "mac", head["mac"]) if "mac" in head else None
    if mac is not None and len(mac) != 6:
        raise _wrong(path, number, f"mac has {len(mac)} bytes", "give six, as 12 hexadecimal digits")
    nic = head.get("nic")
    if nic is not None and not isinstance(nic, str):
        raise _wrong(path, number, "nic is no text", "give what --nic takes")
    return Trace(nic, parse_size(str(head.get("ram", "256M"))), mac, tuple(ignore), str(head.get("source", "")),
                 tuple(_step(path, number, row) for number, row in objects[1:]))


def write_trace(path: Path, trace: Trace, steps: Iterable[Step]) -> None:
    """Write *steps* under the head of *trace*."""
    head: dict[str, Any] = {"trace": FORMAT, "nic": trace.nic, "ram": trace.ram, "source": trace.source}
    if trace.mac is not None:
        head["mac"] = trace.mac.hex()
    if trace.ignore:
        head["ignore"] = list(trace.ignore)
    rows = [head, *({"op": step.op, **{name: _spelt(name, value) for name, value in step.fields.items()}} for step in steps)]
    try:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"{path} cannot be written: {problem.strerror}", "give a file in a folder that you may write to") from None


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise _wrong(path, number, "this is no JSON", "each line is one JSON object; a line that was cut off is to be taken out") from None
    if not isinstance(found, dict):
        raise _wrong(path, number, "this is no JSON object", "each line is one JSON object")
    return found


def _step(path: Path, number: int, row: dict[str, Any]) -> Step:
    op = row.get("op")
    if op not in _NUMBERS:
        raise _wrong(path, number, f"op is {json.dumps(op)}", f"known: {', '.join(sorted({*STIMULI, *ANSWERS}))}")
    fields: dict[str, Any] = {}
    for name in _NUMBERS[op]:
        fields[name] = _number(path, number, op, name, row.get(name))
    if op in _DATA:
        fields["data"] = _bytes(path, number, "data", row.get("data"))
    if op in _FLAGS:
        fields[_FLAGS[op]] = row.get(_FLAGS[op])
        if not isinstance(fields[_FLAGS[op]], bool):
            raise _wrong(path, number, f"{op} needs {_FLAGS[op]}, true or false", f'as in {{"op": "{op}", "{_FLAGS[op]}": true}}')
    for name in _OPTIONAL.get(op, ()):
        if name in row:
            fields[name] = _number(path, number, op, name, row[name])
    unknown = sorted(set(row) - set(fields) - {"op"})
    if unknown:
        raise _wrong(path, number, f"{op} has no {unknown[0]!r}", f"it has {', '.join(fields)}")
    if op in ("read", "write") and (fields["size"] not in (1, 2, 4) or fields["value"] >> 8 * fields["size"]):
        raise _wrong(path, number, f"{op} of {fields['size']} bytes with value {fields['value']:#x}", "sizes are 1, 2 and 4")
    return Step(number, op, fields)


def _number(path: Path, number: int, op: str, name: str, value: Any) -> int:
    if isinstance(value, str):
        with suppress(ValueError):
            value = int(value, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise _wrong(path, number, f"{op} needs {name}, a number from 0 to 2^64-1", 'hexadecimal ones as text: "0x10"')
    return value


def _bytes(path: Path, number: int, name: str, value: Any) -> bytes:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise _wrong(path, number, f"{name} is no string of hexadecimal bytes", f'as in {{"{name}": "00ff12"}}') from None


def _wrong(path: Path, number: int, message: str, remedy: str) -> UsageError:
    return UsageError(f"{path}:{number}: {message}", remedy)


def _spelt(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return f"{value:#x}" if name in ("address", "offset", "value", "mask") else value


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex() if len(value) <= 16 else f"{value[:16].hex()}… ({len(value)} bytes)"
    return str(value).lower() if isinstance(value, bool) else f"{value:#x}"
