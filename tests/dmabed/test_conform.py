# SPDX-License-Identifier: Apache-2.0
"""``dmabed conform``: the first difference between a trace and a model, and what is no trace."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dmabed.cli import main
from dmabed.conform import read_trace
from verifier.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "nic" / "minnow.trace.jsonl"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the example and its trace."""
    for file in SAMPLE.parent.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def conform(*words: str) -> Result:
    return CliRunner().invoke(main, ["conform", "minnow.trace.jsonl", "--nic", "minnow.py", "--json", *words])


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("minnow.trace.jsonl").read_text(encoding="utf-8").splitlines()]


def store(lines: list[dict[str, Any]]) -> None:
    Path("minnow.trace.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def test_the_sample_is_the_model(folder: Path) -> None:
    result = conform()
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "schema": 1, "verdict": "same", "nic": "minnow.py", "trace": "minnow.trace.jsonl", "compared": 23, "difference": None}


def test_both_verdicts_satisfy_the_schema(folder: Path) -> None:
    schema = Draft202012Validator(json.loads((ROOT / "dmabed" / "schemas" / "conform.schema.json").read_text(encoding="utf-8")))
    same = json.loads(conform().stdout)
    lines = rows()
    lines[2]["value"] = "0x0"
    store(lines)
    differs = json.loads(conform().stdout)
    schema.validate(same)
    schema.validate(differs)
    assert not schema.is_valid({**same, "verdict": "differs"})
    assert not schema.is_valid({**differs, "verdict": "same"})


def test_the_sample_names_its_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, ["conform", "examples/nic/minnow.trace.jsonl"])
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "verdict  same")


@pytest.mark.parametrize("op", ["read", "dma-read", "dma-write", "interrupt", "frame-out"])
def test_the_first_answer_of_each_kind_that_is_another_is_named(folder: Path, op: str) -> None:
    lines = rows()
    at = next(number for number, line in enumerate(lines) if line.get("op") == op)
    changes: dict[str, dict[str, Any]] = {
        "read": {"value": "0x0"}, "dma-read": {"length": 16}, "dma-write": {"data": "40000040"}, "interrupt": {"asserted": False},
        "frame-out": {"data": "00" * 64}}
    lines[at].update(changes[op])
    store(lines)
    result = conform()
    found = json.loads(result.stdout)
    assert (result.exit_code, found["verdict"], found["difference"]["line"]) == (1, "differs", at + 1)
    assert found["difference"]["expected"].startswith(op)


@pytest.mark.parametrize("old, new, expected, got", [
    ("self.cause(CAUSE.SENT.mask)", "self.cause(0)", "interrupt asserted true", "no interrupt within 100 ms"),
    ("4, 8):\n            self.cause(CAUSE.SENT", "0, 8):\n            self.cause(CAUSE.SENT",
     "dma-write address 0x200004", "dma-write address 0x200000"),
    ("8_000", "200_000_000", "dma-read address 0x200000 length 0x8", "no dma-read within 100 ms"),
    ("entry & Entry.ADDRESS.mask", "entry & 0", "", ""),
])
def test_a_model_that_does_something_else_differs(folder: Path, old: str, new: str, expected: str, got: str) -> None:
    text = (folder / "minnow.py").read_text(encoding="utf-8")
    assert old in text
    (folder / "minnow.py").write_text(text.replace(old, new, 1), encoding="utf-8")
    found = json.loads(conform().stdout)["difference"]
    if not expected:  # bytes that the card does not write back
        assert found is None
        return
    assert found["expected"].startswith(expected)
    assert found["got"].startswith(got)


def test_what_the_model_does_beyond_the_trace_is_a_difference(folder: Path) -> None:
    lines = rows()
    last = max(number for number, line in enumerate(lines) if line.get("op") == "interrupt")
    store(lines[:last] + lines[last + 1:])
    found = json.loads(conform().stdout)["difference"]
    assert (found["expected"], found["got"]) == ("the end of the trace", "interrupt asserted false")


def test_a_kind_of_answer_can_be_left_out(folder: Path) -> None:
    lines = [line for line in rows() if line.get("op") != "dma-read"]
    store(lines)
    assert json.loads(conform().stdout)["verdict"] == "differs"
    store([{**lines[0], "ignore": ["dma-read"]}, *lines[1:]])
    assert json.loads(conform().stdout)["verdict"] == "same"


def test_bits_outside_the_mask_are_not_compared(folder: Path) -> None:
    lines = rows()
    at = next(number for number, line in enumerate(lines) if line.get("op") == "read")
    lines[at].update(value="0xff", mask="0x1")
    store(lines)
    assert conform().exit_code == 0
    lines[at]["mask"] = "0x2"
    store(lines)
    assert conform().exit_code == 1


def test_kinds_are_compared_each_in_its_own_order(folder: Path) -> None:
    lines = rows()
    out = next(number for number, line in enumerate(lines) if line.get("op") == "frame-out")
    assert lines[out + 1]["op"] == "dma-write"
    lines[out], lines[out + 1] = lines[out + 1], lines[out]
    store(lines)
    assert conform().exit_code == 0


def test_write_gives_the_trace_with_what_the_model_did(folder: Path) -> None:
    before = Path("minnow.trace.jsonl").read_bytes()
    stimuli = [line for line in rows() if line.get("op") not in ("dma-read", "dma-write", "interrupt", "frame-out")]
    store(stimuli)
    assert conform("--write", "again.jsonl").exit_code == 1
    assert Path("again.jsonl").read_bytes() == before


@pytest.mark.parametrize("line, text, message", [
    (1, "{", "1: this is no JSON"), (1, "{}", 'the first line has no "trace"'), (1, '{"trace": 2}', "format 2"),
    (1, '{"trace": 1, "colour": 1}', "no 'colour'"), (1, '{"trace": 1, "ignore": ["read"]}', "ignore is"),
    (1, '{"trace": 1, "mac": "00"}', "mac has 1 bytes"), (2, "[]", "2: this is no JSON object"),
    (2, '{"op": "poke"}', 'op is "poke"'), (2, '{"op": "read", "bar": 0, "offset": 0, "size": 3, "value": 0}', "read of 3 bytes"),
    (2, '{"op": "write", "bar": 0, "offset": 0, "size": 1, "value": 256}', "value 0x100"),
    (2, '{"op": "write", "bar": 0, "offset": 0, "size": 4}', "write needs value"),
    (2, '{"op": "frame-in", "data": "0"}', "data is no string"),
    (2, '{"op": "wait", "ns": -1}', "wait needs ns"), (2, '{"op": "link", "up": 1}', "link needs up"),
    (2, '{"op": "wait", "ns": 1, "us": 1}', "wait has no 'us'"),
    (2, '{"op": "memory", "address": "0x10000000", "data": "00"}', "there is no memory at 0x10000000"),
    (2, '{"op": "write", "bar": 5, "offset": 0, "size": 4, "value": 0}', "no base address register 5"),
])
def test_what_is_no_trace_is_refused_with_its_line(folder: Path, line: int, text: str, message: str) -> None:
    lines = Path("minnow.trace.jsonl").read_text(encoding="utf-8").splitlines()
    lines[line - 1] = text
    Path("minnow.trace.jsonl").write_text("\n".join(lines), encoding="utf-8")
    result = conform()
    error = json.loads(result.stdout)["error"]
    assert (result.exit_code, error["kind"]) == (2, "usage")
    assert message in error["message"]
    assert error["remedy"]


@pytest.mark.parametrize("file", ["nowhere.jsonl", "."])
def test_a_file_that_cannot_be_read_is_refused(folder: Path, file: str) -> None:
    assert CliRunner().invoke(main, ["conform", file, "--nic", "minnow.py"]).exit_code == 2


@given(st.binary(max_size=60), st.integers(0, 2))
def test_no_file_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes, lines: int) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(b"".join(SAMPLE.read_bytes().splitlines(keepends=True)[:lines]) + data)
    try:
        read_trace(path)
    except UsageError:
        return
    assert lines or not data.strip() or b"trace" in data
