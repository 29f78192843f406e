# SPDX-License-Identifier: Apache-2.0
"""Finished worlds on disk, so that a campaign that was cut short goes on where it ended.

A folder holds one file of JSON lines for each campaign key: the worlds, the miniport's source and the bed's own. A change in any
of them begins a file of its own, so that nothing is believed that another program found out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from dmabed.campaign.model import Record
from dmabed.campaign.worker import Job, folder_of
from miniport.miniport import Miniport
from verifier.errors import UsageError

_HOUSE = Path(__file__).resolve().parent.parent.parent
_FLOORS = ("dmabed", "miniport", "allocator", "hw", "firmware", "verifier")
KEY_LENGTH = 16


def campaign_key(job: Job, miniport: type[Miniport]) -> str:
    """What decides every world of a campaign, as hexadecimal digits: options, the frames of a capture file, and all Python source
    beside the miniport and of the bed."""
    state = hashlib.sha256()
    spec = replace(job.spec, faults=())
    state.update(json.dumps([spec.as_dict(), miniport.__qualname__, job.selection.chaos, job.selection.kinds, job.coverage]).encode())
    files = sorted({path for folder in (folder_of(miniport), folder_of(spec.model())) for path in folder.glob("*.py")})
    for floor in _FLOORS:
        files += sorted((_HOUSE / floor).rglob("*.py"))
    if spec.pcap is not None:
        files.append(Path(spec.pcap))
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as problem:
            raise UsageError(f"--resume: {path.name} cannot be read: {problem.strerror or problem}",
                             "all Python files beside the miniport decide whether a finished world still holds: make it readable") from None
        state.update(path.name.encode() + b"\0" + hashlib.sha256(content).digest())
    return state.hexdigest()[:KEY_LENGTH]


class Journal:
    """The finished worlds of one campaign, by the id of their case. A context manager that closes its file."""

    def __init__(self, folder: Path, key: str) -> None:
        self._known: dict[str, Record] = {}
        path = folder / f"{key}.jsonl"
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"--resume: {folder} is no folder", "name a folder; it is made where it does not exist")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            kept = list(_lines(path))
            for record in kept:
                self._known[record.case.id] = record
            self._file: IO[str] = path.open("w" if not kept else "a", encoding="utf-8", newline="\n")
            if kept and not path.read_bytes().endswith(b"\n"):
                self._file.write("\n")
        except OSError as problem:
            raise UsageError(f"--resume: {folder} cannot be used: {problem.strerror or problem}",
                             "name a folder that you may write to") from None

    def get(self, id: str) -> Record | None:
        """The record of a finished world."""
        return self._known.get(id)

    def put(self, record: Record) -> None:
        """Keep a finished world; it is on disk when this returns."""
        self._file.write(json.dumps(record.to_json()) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _lines(path: Path) -> Iterator[Record]:
    """The records of a file; a last line that was cut off is no record."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield Record.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError):
            continue
