# SPDX-License-Identifier: Apache-2.0
"""The page of a rule: what is written by hand is true to the code, and docs/rules holds what ``dmabed explain`` prints."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from textwrap import dedent

import pytest

from dmabed.catalogue import catalogue, find
from dmabed.rule_page import page, sections
from miniport import status
from miniport.adapter import Adapter
from miniport.reference import hardware
from tests.examples.test_examples import EXPECTED
from tests.verifier.test_rulebook import FORTY

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {"adapter": Adapter, "s": status, "hw": hardware}


def snippets(id: str) -> dict[str, str]:
    """The two pieces of code of a section."""
    pieces = re.findall(r"^(Wrong|Right):\n\n((?:(?: {4}.*)?\n)+)", sections()[id] + "\n", re.MULTILINE)
    return {name: dedent(code).strip("\n") for name, code in pieces}


@pytest.mark.parametrize("id", sorted({*FORTY, *EXPECTED.values()}))
def test_a_rule_that_matters_shows_a_wrong_and_a_right_piece(id: str) -> None:
    assert id in sections(), "write a section in verifier/pages"
    assert set(snippets(id)) == {"Wrong", "Right"}


def test_a_section_serves_rules_that_exist() -> None:
    assert sorted(set(sections()) - set(catalogue())) == []


@pytest.mark.parametrize("id", sorted(set(sections())))
def test_a_piece_is_python_of_a_few_lines_and_names_what_there_is(id: str) -> None:
    for code in snippets(id).values():
        assert 1 <= len(code.splitlines()) <= 8
        assert max(map(len, code.splitlines())) <= 100
        tree = ast.parse(code if code.startswith("def ") else "def handler(self, adapter):\n" + "\n".join(
            f"    {line}" for line in code.splitlines()))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in KNOWN:
                assert hasattr(KNOWN[node.value.id], node.attr) or node.attr == "context", ast.unparse(node)


@pytest.mark.parametrize("id", sorted(set(sections())))
def test_the_wrong_piece_is_not_the_right_one(id: str) -> None:
    pieces = snippets(id)
    assert pieces["Wrong"] != pieces["Right"]


def test_the_page_of_an_enforced_rule_has_remedy_source_and_tests() -> None:
    shown = page(find("dma-width"))
    assert all(label in shown for label in ("enforced, error", "- Remedy:", "- Source:", "- Broken by:", "- Kept by:", "Wrong:", "Right:"))


def test_the_page_of_a_rule_that_is_not_modelled_gives_the_reason() -> None:
    shown = page(find("sg6-header"))
    assert "not modelled" in shown and "- State:" in shown and "Remedy" not in shown


def test_the_page_of_a_rule_that_another_one_states_names_that_one() -> None:
    assert "The same fact as dma-width" in page(find("contig-highest-inclusive"))


def test_a_page_has_no_mark_of_the_book() -> None:
    for entry in catalogue().values():
        assert "*inf.*" not in page(entry) and not re.search(r"\bn\.d\.", page(entry)), entry.id


def test_docs_hold_what_explain_prints() -> None:
    spec = importlib.util.spec_from_file_location("make_rules", ROOT / "docs" / "make_rules.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "rules").iterdir()}
    assert written == module.files(), "run docs/make_rules.py"
