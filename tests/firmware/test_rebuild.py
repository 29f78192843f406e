# SPDX-License-Identifier: Apache-2.0
"""The committed images are what their sources give: byte by byte with the compiler that is named beside them, in what they do with any
other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import firmware
from firmware.image import parse
from firmware.target import DEVICES_BASE, RAM_BASE, RAM_BYTES
from hw.nic import smart_bus
from hw.nic.smart_registers import State
from tests.hw.nic.smart_rig import IMAGE, SmartRig

ROOT = Path(firmware.__file__).resolve().parent.parent
IMAGES = ROOT / "firmware" / "images"
EXAMPLES = ROOT / "examples" / "firmware"
CROSS = "riscv64-unknown-elf-gcc"
ZIG = f"{sys.executable} -m ziglang cc -target riscv32-freestanding-none"
NEEDS = f"{CROSS} or make is not installed (apt install gcc-riscv64-unknown-elf make): nothing shows that the images fit their sources here"


def build(folder: Path, out: Path, **variables: str) -> None:
    """Run make in a copy of *folder*, so that paths of this machine would show."""
    copy = out / "some other place"
    shutil.copytree(ROOT / "firmware" / "src", copy / "firmware" / "src")
    if folder != ROOT / "firmware" / "src":
        shutil.copytree(folder, copy / folder.relative_to(ROOT))
    for built in copy.rglob("*.img"):
        built.unlink()
    words = [f"{name}={value}" for name, value in {"OUT": str(out), "DMABED": f"{sys.executable} -m dmabed", **variables}.items()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["make", "-C", str(copy / folder.relative_to(ROOT)), *words], capture_output=True, text=True, env=environment,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def compiler() -> str:
    """The version of the cross compiler at hand."""
    if shutil.which(CROSS) is None or shutil.which("make") is None:
        pytest.skip(NEEDS)
    return subprocess.run([CROSS, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()[0]


def sends_and_receives(image: bytes) -> bool:
    """True if a card with *image* sends a frame and receives one."""
    rig = SmartRig(image=image)
    rig.start_rx()
    rig.start_tx(ctrl=8)
    rig.send(bytes(range(100)), bytes(20))
    rig.receive(bytes(77))
    return rig.machine.wire.sent == [bytes(range(100)) + bytes(20)] and rig.read("STAT_RX") == 1 and rig.rules == []


@pytest.mark.parametrize("folder, name", [(ROOT / "firmware" / "src", "smart"), (EXAMPLES, "width"), (EXAMPLES, "boundary")],
                         ids=["smart", "width", "boundary"])
def test_a_rebuild_gives_the_committed_image(folder: Path, name: str, tmp_path: Path) -> None:
    found = compiler()
    build(folder, tmp_path)
    rebuilt = (tmp_path / f"{name}.img").read_bytes()
    if found == (IMAGES / "compiler.txt").read_text("utf-8").strip():
        committed = (IMAGES if name == "smart" else EXAMPLES) / f"{name}.img"
        assert rebuilt == committed.read_bytes()
        if name == "smart":
            assert (tmp_path / "smart.elf").read_bytes() == (IMAGES / "smart.elf").read_bytes()
    assert sends_and_receives(rebuilt)


if find_spec("ziglang") is not None and shutil.which("make") is not None:  # a second compiler is welcome, and nobody has to have it
    def test_clang_builds_a_program_that_does_the_same(tmp_path: Path) -> None:
        build(ROOT / "firmware" / "src", tmp_path, CC=ZIG)
        assert sends_and_receives((tmp_path / "smart.img").read_bytes())


def test_the_committed_image_sends_and_receives() -> None:
    assert sends_and_receives(IMAGE)
    assert SmartRig().nic.state is State.READY


def test_the_image_names_its_sources_and_no_machine() -> None:
    image = parse(IMAGE)
    assert image.version == (1, 0, 0)
    assert image.lines is not None
    files = {row.file for row in image.lines.rows if row.file}
    assert files and all((ROOT / file).is_file() for file in files)
    assert str(ROOT).encode() not in (IMAGES / "smart.elf").read_bytes()


def test_the_header_of_the_program_and_the_card_agree_on_the_memory_map() -> None:
    header = (ROOT / "firmware" / "src" / "card.h").read_text("utf-8")
    for name, base in (("HOST", smart_bus.HOST_BASE), ("SYSTEM", smart_bus.SYSTEM_BASE), ("ENGINE", smart_bus.DMA_BASE),
                       ("CHECKSUM", smart_bus.CHECKSUM_BASE), ("WIRE", smart_bus.WIRE_BASE), ("WINDOW", smart_bus.WINDOW_BASE)):
        assert any(f"#define {name} " in line and f"0x{base:08x}u" in line for line in header.splitlines()), name
    assert DEVICES_BASE == smart_bus.HOST_BASE
    script = (ROOT / "firmware" / "src" / "smart.ld").read_text("utf-8")
    assert f"ORIGIN = 0x{RAM_BASE:08x}, LENGTH = {RAM_BYTES // 1024}K" in script
