# SPDX-License-Identifier: Apache-2.0
"""What ``dmabed firmware pack`` and ``dmabed firmware show`` do."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import wrap
from typing import Any

from dmabed.commands import Answer
from dmabed.report import facts
from dmabed.result import SCHEMA_VERSION
from firmware import elf
from firmware.image import Image, parse
from firmware.target import TARGET_SMART, TARGETS
from hw.whole_file import write_whole
from verifier.errors import UsageError

MAX_FILE_BYTES = elf.MAX_ELF_BYTES


def pack(source: Path, target: Path, version: str) -> Answer:
    """Make the image *target* from the ELF file *source*."""
    data = _read(source)
    parts = _version(version)
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(f"-o {target} is the ELF file itself", "name another file")
    packed = elf.pack(data, parts)
    write_whole(target, packed, "image")
    image = parse(packed)

    def text(width: int, colour: bool) -> str:
        return "\n".join([f"packed {facts.clean(source)} to {facts.clean(target)}", "", *_table(image, len(packed), version, width), ""])

    return Answer(0, _json("image", image, len(packed), version), text)


def show(source: Path) -> Answer:
    """What *source* holds: an image, or an ELF file as it would be packed."""
    data = _read(source)
    if data[:4] == elf.MAGIC:
        data, kind = elf.pack(data, (0, 0, 0)), "elf"
    else:
        kind = "image"
    image = parse(data)
    version = ".".join(map(str, image.version)) if kind == "image" else None

    def text(width: int, colour: bool) -> str:
        head = f"{facts.clean(source)}: " + ("firmware image" if kind == "image" else "ELF file, as it would be packed")
        return "\n".join([head, "", *_table(image, len(data), version, width), ""])

    return Answer(0, _json(kind, image, len(data), version), text)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", "give the path of an ELF file or of an image") from None
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        reason = getattr(problem, "strerror", None) or str(problem)
        raise UsageError(f"{path} cannot be read: {reason}", "name a file that you may read") from None
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{path} has more than {MAX_FILE_BYTES} bytes", "name an ELF file or an image")
    return data


def _version(text: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"([0-9]{1,5})\.([0-9]{1,5})\.([0-9]{1,5})", text)
    if match is None or any(int(part) > 0xFFFF for part in match.groups()):
        raise UsageError(f"--version {text} is no version", "write X.Y.Z, each part 0 to 65535")
    major, minor, patch = map(int, match.groups())
    return major, minor, patch


def _json(kind: str, image: Image, length: int, version: str | None) -> dict[str, Any]:
    lines = image.lines
    return {
        "schema": SCHEMA_VERSION, "kind": kind, "version": version, "target": TARGETS[TARGET_SMART].name, "entry": image.entry,
        "length": length,
        "segments": [{"address": one.address, "file_length": len(one.data), "memory_length": one.memory_length,
                      "executable": one.executable, "writable": one.writable} for one in image.segments],
        "lines": None if lines is None else {
            "rows": len(lines.rows), "files": sorted({row.file for row in lines.rows if row.file}),
            "functions": [{"name": one.name, "address": one.address, "length": one.length} for one in lines.functions]},
    }


def _table(image: Image, length: int, version: str | None, width: int) -> list[str]:
    """The image for people."""
    lines = image.lines
    entered = lines.where(image.entry) if lines is not None else None
    rows = [("version", version if version is not None else "none: --version names it when it is packed"),
            ("target", TARGETS[TARGET_SMART].name), ("length", f"{length} bytes"),
            ("entry", f"0x{image.entry:08x}" + (f"  {facts.clean(entered)}" if entered is not None else ""))]
    told = [f"{name:<8} {value}" for name, value in rows]
    told += ["", "segment  from        to          in file  in memory  access"]
    for number, one in enumerate(image.segments):
        access = "r" + ("w" if one.writable else "-") + ("x" if one.executable else "-")
        told.append(f"{number:>7}  0x{one.address:08x}  0x{one.address + one.memory_length - 1:08x}  {len(one.data):>7}  "
                    f"{one.memory_length:>9}  {access}")
    told.append("")
    if lines is None:
        told.append("no source lines: compile with -g, so that findings name them")
    else:
        told.append(f"source lines: {len(lines.functions)} functions, {len(lines.rows)} rows, of")
        files = sorted({row.file for row in lines.rows if row.file})
        told += wrap(facts.clean(", ".join(files)) or "no file", width, initial_indent="  ", subsequent_indent="  ")
    return told
