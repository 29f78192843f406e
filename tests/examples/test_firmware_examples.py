# SPDX-License-Identifier: Apache-2.0
"""A firmware with a mistake, under a miniport without one: the finding names the firmware's line, the block and the miniport's lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dmabed.load import find_miniport
from dmabed.options import checked
from dmabed.result import verdict_of
from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport.miniport import Miniport
from miniport.smart.boot import IMAGE_FILE
from miniport.smart.driver import FILES
from verifier.where import place

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "firmware"
EXPECTED = {"width": "contig-phys-64bit", "boundary": "dma-boundary"}


def example(name: str) -> type[Miniport]:
    return find_miniport(str(FOLDER / f"{name}.py"), "smart")[0]


def life(miniport: type[Miniport], **options: object) -> World:
    spec = replace(WorldSpec(), **checked({**miniport.machine, **options}))
    return run_world(spec, miniport, FOLDER)


def flaw(name: str) -> str:
    """The marked line of the firmware."""
    source = FOLDER / name / "gather.c"
    lines = source.read_text("utf-8").splitlines()
    number = next(number for number, text in enumerate(lines, 1) if text.endswith("// FLAW"))
    return f"examples/firmware/{name}/gather.c:{number}"


@pytest.mark.breaks("contig-phys-64bit", "dma-boundary")
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("name", EXPECTED)
def test_the_finding_names_the_line_of_the_firmware_and_the_block_of_the_driver(name: str, seed: int) -> None:
    world = life(example(name), seed=seed)
    [finding] = world.machine.findings.errors
    assert finding.rule.id == EXPECTED[name]
    assert place(finding.where) == flaw(name)
    assert finding.owner == "shared memory #3"
    lines = {what.partition(" names ")[0]: place(where, FOLDER) or "" for what, where in finding.related}
    assert lines.pop("the firmware starts the transfer in gather") == flaw(name)
    assert lines.pop("shared memory #3 allocated").startswith("miniport/reference/memory.py:")
    assert len(lines) == 2 and "the host's doorbell" in lines
    assert all(line.startswith(("miniport/reference/core.py:", f"examples/firmware/{name}.py:")) for line in lines.values())


@pytest.mark.keeps("contig-phys-64bit", "dma-boundary")
@pytest.mark.parametrize("name", EXPECTED)
def test_the_same_miniport_with_the_program_of_the_card_is_clean(name: str) -> None:
    mended = type("Mended", (example(name),), {"files": {IMAGE_FILE: FILES[IMAGE_FILE]}})
    world = life(mended)
    assert (verdict_of(world), world.machine.findings.errors, world.machine.findings.notices) == ("clean", [], [])
    assert world.received == 8


@pytest.mark.keeps("dma-boundary")
def test_a_width_that_the_firmware_does_not_exceed_shows_nothing() -> None:
    assert verdict_of(life(example("width"), address_bits=26, ram=256 << 20)) == "clean"
