# SPDX-License-Identifier: Apache-2.0
"""``dmabed firmware pack`` and ``show``: what they print, what they write, and how bad input ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

import dmabed
from dmabed.cli import main
from firmware.elf import pack
from firmware.image import build, parse

from .conftest import CODE

ELF = Path(__file__).resolve().parents[1] / "data" / "firmware" / "count.elf"
SCHEMA = Path(dmabed.__file__).parent / "schemas" / "firmware.schema.json"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("count.elf").write_bytes(ELF.read_bytes())


def call(*words: str) -> Result:
    return CliRunner().invoke(main, ["firmware", *words])


def data(*words: str) -> dict[str, Any]:
    result = call(*words, "--json")
    value: dict[str, Any] = json.loads(result.stdout)
    Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(value)
    assert (result.exit_code, result.stderr) == (0, "")
    return value


def test_pack_writes_the_image_and_says_what_is_in_it() -> None:
    result = call("pack", "count.elf", "-o", "count.img", "--version", "2.0.17")
    assert result.exit_code == 0
    packed = Path("count.img").read_bytes()
    assert packed == pack(ELF.read_bytes(), (2, 0, 17)) and parse(packed).version == (2, 0, 17)
    assert result.stdout.startswith("packed count.elf to count.img\n\nversion  2.0.17\n")
    assert "      0  0x10000000  0x10000087      136        136  r-x\n" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_version_is_1_0_0_where_none_is_named() -> None:
    assert data("pack", "count.elf", "-o", "count.img")["version"] == "1.0.0"


def test_show_says_the_same_of_the_image_and_of_its_elf_file() -> None:
    packed = data("pack", "count.elf", "-o", "count.img", "--version", "1.2.3")
    image, elf = data("show", "count.img"), data("show", "count.elf")
    assert image == packed and (image["kind"], image["version"]) == ("image", "1.2.3")
    assert elf == {**image, "kind": "elf", "version": None}
    assert [one["name"] for one in image["lines"]["functions"]] == ["work", "_start"]
    assert image["lines"]["files"] == ["count.c", "twice.h"]


def test_show_is_a_table() -> None:
    call("pack", "count.elf", "-o", "count.img")
    image, elf = call("show", "count.img").stdout, call("show", "count.elf").stdout
    assert image.startswith("count.img: firmware image\n") and "  _start (count.c:" in image
    assert elf.startswith("count.elf: ELF file, as it would be packed\n") and "version  none: --version names it when it is packed" in elf


def test_image_without_lines_says_so() -> None:
    Path("bare.img").write_bytes(build((1, 0, 0), CODE.address, [CODE]))
    assert "no source lines: compile with -g" in call("show", "bare.img").stdout
    assert data("show", "bare.img")["lines"] is None


@pytest.mark.parametrize(("words", "message"), [
    (("show", "none.img"), "there is no file none.img"),
    (("show", "."), ". cannot be read"),
    (("show", ""), "an empty name stands where a file"),
    (("show", "cut.img"), "bytes in all; there are"),
    (("show", "text.img"), "no image begins so"),
    (("show", "empty.img"), "the image ends after 0 bytes"),
    (("pack", "text.img", "-o", "x.img"), "this is no ELF file"),
    (("pack", "none.elf", "-o", "x.img"), "there is no file none.elf"),
    (("pack", "count.elf"), "missing option"),
    (("pack", "count.elf", "-o", "count.elf"), "-o count.elf is the ELF file itself"),
    (("pack", "count.elf", "-o", "none/x.img"), "cannot be written"),
    (("pack", "count.elf", "-o", "x.img", "--version", "1.2"), "--version 1.2 is no version"),
    (("pack", "count.elf", "-o", "x.img", "--version", "1.2.65536"), "--version 1.2.65536 is no version"),
    (("pack", "count.elf", "-o", "x.img", "--version", "1.2.-3"), "--version 1.2.-3 is no version"),
    (("sohw",), "there is no command 'sohw'"),
])
def test_bad_input_ends_with_2_and_says_why(words: tuple[str, ...], message: str) -> None:
    Path("cut.img").write_bytes(pack(ELF.read_bytes(), (1, 0, 0))[:-4])
    Path("text.img").write_text("no image at all, and no program: some sixty bytes of nothing but text")
    Path("empty.img").touch()
    plain, as_json = call(*words), call(*words, "--json")
    assert plain.exit_code == as_json.exit_code == 2
    assert f"error: {message}" in plain.stderr or (message in plain.stderr and plain.stderr.startswith("error: "))
    assert "remedy: " in plain.stderr and plain.stdout == ""
    assert message in json.loads(as_json.stdout)["error"]["message"]
    assert not Path("x.img").exists()


def test_version_with_the_highest_parts_is_taken() -> None:
    assert data("pack", "count.elf", "-o", "x.img", "--version", "65535.0.65535")["version"] == "65535.0.65535"


def test_failing_pack_leaves_the_image_that_stood_there() -> None:
    Path("x.img").write_bytes(b"kept")
    Path("bad.elf").write_bytes(ELF.read_bytes()[:100])
    assert call("pack", "bad.elf", "-o", "x.img").exit_code == 2
    assert Path("x.img").read_bytes() == b"kept"


def test_group_alone_shows_what_there_is() -> None:
    result = call()
    assert result.exit_code == 2 and "pack" in result.stderr and "show" in result.stderr
    assert call("--help").exit_code == call("pack", "-h").exit_code == 0


def test_page_shows_what_the_command_prints() -> None:
    root = Path(dmabed.__file__).resolve().parents[1]
    page = (root / "docs" / "firmware.md").read_text("utf-8")
    shown = page.partition("$ dmabed firmware show firmware/images/smart.img\n")[2].partition("```")[0].splitlines()
    printed = call("show", str(root / "firmware" / "images" / "smart.img")).stdout.replace(f"{root}/", "").splitlines()
    assert shown[-1] == "…" and len(shown) > 8
    for line, due in zip(shown[:-1], printed, strict=False):
        assert due.startswith(line.removesuffix("…")) if line.endswith("…") else due == line
