# SPDX-License-Identifier: Apache-2.0
"""``dmabed rules`` and ``dmabed explain``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import dmabed
from dmabed.catalogue import GROUPS, catalogue, find
from dmabed.cli import main
from dmabed.rule_page import page
from verifier.standing import State


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words), standalone_mode=False)
    out, err = capsys.readouterr()
    return code, out, err


def rules(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    code, out, _ = run(capsys, "rules", "--json", *words)
    assert code == 0
    listed: list[dict[str, Any]] = json.loads(out)["rules"]
    return listed


def test_every_rule_is_listed_once_with_its_state(capsys: pytest.CaptureFixture[str]) -> None:
    listed = rules(capsys)
    assert [row["id"] for row in listed] == list(catalogue())
    assert {row["state"] for row in listed} <= {state.value for state in State}


def test_the_list_satisfies_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads((Path(dmabed.__file__).parent / "schemas" / "rules.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    _, out, _ = run(capsys, "rules", "--json")
    Draft202012Validator(schema).validate(json.loads(out))


@pytest.mark.parametrize("state", list(State))
def test_a_state_is_chosen(capsys: pytest.CaptureFixture[str], state: State) -> None:
    listed = rules(capsys, "--state", state.value)
    assert listed and {row["state"] for row in listed} == {state.value}


@pytest.mark.parametrize("group", ["A", "h", "N"])
def test_a_group_is_chosen_in_either_case(capsys: pytest.CaptureFixture[str], group: str) -> None:
    listed = rules(capsys, "--group", group)
    assert listed and {row["group"] for row in listed} == {group.upper()}


def test_the_table_fits_80_columns_and_ends_with_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "rules")
    lines = out.splitlines()
    assert code == 0 and max(map(len, lines)) <= 80
    assert lines[-1].startswith(f"{len(catalogue())} rules: ") and " enforced, " in lines[-1]
    assert all(f"{group}  {name}" in lines for group, name in GROUPS.items())
    assert all(any(line.startswith(f"  {id} ") for line in lines) for id in catalogue())


@pytest.mark.parametrize("words, near", [(("--state", "enforcd"), "did you mean enforced"), (("--group", "Z"), "known: A, B")])
def test_an_unknown_choice_exits_with_2(capsys: pytest.CaptureFixture[str], words: tuple[str, str], near: str) -> None:
    code, out, err = run(capsys, "rules", *words)
    assert (code, out) == (2, "") and near in err


def test_explain_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "explain", "mmio-flush-before-free")
    assert code == 0 and out == page(find("mmio-flush-before-free"))


def test_explain_in_json_holds_the_row_and_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "explain", "dma-width", "--json")
    data = json.loads(out)
    assert code == 0 and data["id"] == "dma-width" and data["page"] == page(find("dma-width"))
    assert data["tests"]["breaks"] and data["tests"]["keeps"]


def test_explain_of_an_unknown_rule_exits_with_2_and_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "explain", "dma-widht")
    assert (code, out) == (2, "") and "did you mean dma-width" in err


def test_every_rule_can_be_explained() -> None:
    for id, entry in catalogue().items():
        assert page(entry).startswith(f"## {id}\n"), id
