# SPDX-License-Identifier: Apache-2.0
"""Worlds on RAM without a memory file, as on systems that have none: the same bytes come out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dmabed import pool
from dmabed.bed import Bed
from dmabed.result import as_json
from hw.backing import open_backing

CAPTURE = Path(__file__).resolve().parents[1] / "data" / "mixed.pcap"
WORLDS: list[dict[str, Any]] = [
    {}, {"ram": "1T", "limits": "e1000-64k"}, {"life": "surprise", "placement": "random"}, {"life": "bug-check", "ram": "6G"},
    {"adapters": 2, "frames": 40, "limits": "tg3-40"}, {"bus_offset": "1G", "limits": "pci32-16m"}, {"nic": "isa-slave"},
    {"silicon": True, "address_bits": 24},
]


@pytest.fixture
def without_memory_file(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pool.drop()
    monkeypatch.setattr(pool, "open_backing", partial(open_backing, kind="chunked"))
    yield
    pool.drop()


def results() -> list[str]:
    return [json.dumps(as_json(Bed(**options).world())) for options in WORLDS]


def test_worlds_without_a_memory_file_give_the_same_bytes(request: pytest.FixtureRequest) -> None:
    on_file = results()
    request.getfixturevalue("without_memory_file")
    assert results() == on_file
    assert pool._kept and all(backing.fileno() is None for backing, *_ in pool._kept.values())


def test_whole_capture_passes_without_a_memory_file(without_memory_file: None) -> None:
    frames = Bed(pcap=str(CAPTURE)).run()["frames"]
    assert frames == {"sent": 431, "received": 431, "lost": 0, "padded": 7}
