# SPDX-License-Identifier: Apache-2.0
"""Every rule has exactly one state, and what the state claims is so."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from dmabed.catalogue import GROUPS, catalogue, find
from verifier import rulebook
from verifier.errors import UsageError
from verifier.rule import Severity
from verifier.standing import State, rule_tests, standings

ROOT = Path(__file__).resolve().parents[2]


@cache
def generator(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_no_rule_of_the_book_and_no_check_is_silently_absent() -> None:
    known = {id for id, entry in catalogue().items() if entry.primaries}
    assert sorted(set(rulebook.ids()) - known - set(standings())) == []
    assert set(catalogue()) == set(rulebook.ids()) | known


def test_an_enforced_rule_has_no_second_state() -> None:
    both = sorted(id for id in standings() if id in catalogue() and catalogue()[id].primaries)
    assert both == [], "a check reports these: take their rows out of verifier/standing.json"


def test_a_row_speaks_of_a_rule_that_exists() -> None:
    assert sorted(set(standings()) - set(rulebook.ids())) == []


def test_a_row_is_never_enforced_and_gives_its_reason_in_whole_sentences() -> None:
    for row in standings().values():
        assert row.state is not State.ENFORCED, row.id
        assert row.reason.endswith(".") and row.reason[0].isupper() and len(row.reason) > 20, row.id


def test_what_is_guaranteed_names_tests_and_only_that() -> None:
    for row in standings().values():
        assert bool(row.tests) == (row.state is State.GUARANTEED), row.id
        for name in row.tests:
            path, _, function = name.partition("::")
            assert function in functions(ROOT / path), f"{row.id}: {name}"


def test_a_check_outside_the_book_has_a_text_of_its_own() -> None:
    outside = [entry for id, entry in catalogue().items() if id not in rulebook.ids()]
    assert [entry.id for entry in outside if not entry.primaries[0].text] == []


def test_every_enforced_rule_has_a_remedy_and_a_known_group() -> None:
    for entry in catalogue().values():
        assert entry.group in GROUPS
        assert all(rule.remedy for rule in entry.primaries), entry.id


def test_a_rule_that_another_finding_carries_has_the_tests_and_the_severity_of_that_one() -> None:
    entry = find("contig-highest-inclusive")
    assert [rule.id for rule in entry.primaries] == ["dma-width"]
    assert (entry.state, entry.severity) == (State.ENFORCED, Severity.ERROR.value)
    assert set(find("dma-width").tests.breaks) <= set(entry.tests.breaks)
    assert "dma-width" in entry.reason


@pytest.mark.parametrize("id, near", [("dma-widht", "dma-width"), ("shared-free-exat", "shared-free-exact")])
def test_an_unknown_rule_is_refused_and_the_nearest_named(id: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(id)
    assert near in caught.value.remedy


# Tests of rules


def test_the_list_of_tests_is_the_one_that_the_marks_give() -> None:
    written = (ROOT / "verifier" / "rule_tests.json").read_text(encoding="utf-8")
    assert written == generator("make_rule_tests").text(), "run docs/make_rule_tests.py"


def test_a_mark_names_a_rule_that_is_enforced() -> None:
    assert [id for id in rule_tests() if id not in catalogue() or not catalogue()[id].primaries] == []


@pytest.mark.parametrize("kind", ["breaks", "keeps"])
def test_every_enforced_rule_has_a_test_that_breaks_it_and_one_that_keeps_it(kind: str) -> None:
    assert [id for id, entry in catalogue().items() if entry.primaries and not getattr(entry.tests, kind)] == []


def test_a_mark_is_found_on_a_function_and_on_a_single_parameter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.breaks('a', 'b')\n@pytest.mark.keeps('c')\ndef test_one(): pass\n"
        "@pytest.mark.parametrize('x', [1, pytest.param(2, marks=pytest.mark.keeps('a'))])\ndef test_two(x): pass\n"
        "def helper(): pass\n")
    module = generator("make_rule_tests")
    monkeypatch.setattr(module, "HOUSE", tmp_path)
    assert module.scan() == {
        "a": {"breaks": ["tests/test_it.py::test_one"], "keeps": ["tests/test_it.py::test_two"]},
        "b": {"breaks": ["tests/test_it.py::test_one"], "keeps": []},
        "c": {"breaks": [], "keeps": ["tests/test_it.py::test_one"]}}


def test_a_mark_whose_ids_are_not_written_out_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_it.py").write_text("import pytest\nA = 'a'\n@pytest.mark.breaks(A)\ndef test_one(): pass\n")
    module = generator("make_rule_tests")
    monkeypatch.setattr(module, "HOUSE", tmp_path)
    with pytest.raises(SystemExit, match=r"tests/test_it\.py:3: write the ids"):
        module.scan()
