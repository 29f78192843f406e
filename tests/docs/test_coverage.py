# SPDX-License-Identifier: Apache-2.0
"""``docs/coverage.md``: every routine of NDIS 5 stands in it with its face or a reason, and every face is named by a test."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from miniport.routine import TABLE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_coverage", ROOT / "docs" / "make_coverage.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(coverage: ModuleType) -> list[Any]:
    return [row for found in coverage.rows().values() for row in found]


def test_the_page_is_the_generated_one(coverage: ModuleType) -> None:
    assert (ROOT / "docs" / "coverage.md").read_text("utf-8") == coverage.page(), "run: python docs/make_coverage.py"


def test_every_routine_stands_on_the_page_once(coverage: ModuleType, rows: list[Any]) -> None:
    names = [row.name for row in rows]
    assert len(names) == len(set(names)) >= 240
    assert set(TABLE) <= set(names)
    assert {row.name: row.face for row in rows if row.face} == {row.name: row.python for row in TABLE.values()}


def test_what_has_no_face_has_a_reason(rows: list[Any]) -> None:
    assert [row.name for row in rows if not row.face and not row.reason] == []
    assert any(row.reason for row in rows)


def test_nothing_is_missing(rows: list[Any]) -> None:
    """What has no face is done by Python itself; no reason is that it is not modelled."""
    assert [row.name for row in rows if not row.face and "not modelled" in row.reason.lower()] == []


def test_every_face_is_named_by_a_test(rows: list[Any]) -> None:
    assert [row.name for row in rows if row.face and not row.tests] == []


def test_what_has_a_face_is_not_called_missing(coverage: ModuleType) -> None:
    """A row of routines-left.md goes when its routine comes."""
    assert sorted(coverage.reasons().keys() & TABLE.keys()) == []


@pytest.mark.parametrize("name, reason", [("READ_ONE", "general"), ("READ_BUFFER_ONE", "special"), ("WRITE_ONE", ""), ("READ", "")])
def test_the_reason_that_names_a_routine_most_exactly_counts(coverage: ModuleType, name: str, reason: str) -> None:
    assert coverage.reason_of(name, {"READ_*": "general", "READ_BUFFER_*": "special"}) == reason


@pytest.mark.parametrize("line, found", [
    ("| One, TWO_* | Why not. |", {"One": "Why not.", "TWO_*": "Why not."}),
    ("| One | `a | b` |", {"One": "`a | b`"}),
    ("| NDIS name | Python does |", {}), ("|---|---|", {}), ("One | Two", {}),
])
def test_reasons_are_read_from_the_rows_of_the_table(
        coverage: ModuleType, line: str, found: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "left.md"
    file.write_text(f"{line}\n", encoding="utf-8")
    monkeypatch.setattr(coverage, "LEFT", file)
    assert coverage.reasons() == found


def test_a_routine_that_is_not_listed_is_shown_besides(coverage: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "list.txt"
    file.write_text("# comment\n= Group\nNdisMSendComplete\nNdisNoSuch\n", encoding="utf-8")
    monkeypatch.setattr(coverage, "LIST", file)
    groups = coverage.groups()
    assert groups["Group"] == ["NdisMSendComplete", "NdisNoSuch"]
    assert groups["Besides"] == sorted(TABLE.keys() - {"NdisMSendComplete"})
    assert "| NdisNoSuch | no face | – | – |" in coverage.page()
