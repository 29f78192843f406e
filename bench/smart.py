# SPDX-License-Identifier: Apache-2.0
"""The smart NIC on each engine against the hard-wired reference NIC, all checks on: run as ``python bench/smart.py``.

boot     from START to READY, a card of its own each time: fetch, check, load, and the program's first instructions. *first* is the
         same in a process that has not yet translated anything
life     initialize, one frame out, the same frame in, halt, with the card's miniport
frame    one more frame in that life, out and in, of 64 and of 1514 bytes; *instructions* is what the program executes for it

``ratio`` is frames per second against those of the reference NIC in the same run. An engine whose package is missing is left out, and
said so.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from _measure import best_us, print_calibration

from dmabed.load import find_miniport
from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from hw.backing import ChunkedMemory
from hw.machine import Machine
from hw.nic.smart import SmartNic
from hw.nic.smart_registers import SmartRegisters, State
from miniport.smart.driver import FILES
from verifier.address import MIB, Span
from verifier.address_book import Block, BlockKind

IMAGE = next(iter(FILES.values()))
IMAGE_AT = 0x40_0000
MORE = 64
OFFSETS = {slot.name: slot.offset for slot in SmartRegisters.slots}


def main() -> None:
    """Print one line for each card and engine."""
    print_calibration()
    print(f"{'card':<18}{'boot us':>10}{'first':>8}{'life us':>10}{'64 B us':>10}{'frames/s':>10}{'ratio':>7}"
          f"{'1514 B us':>11}{'frames/s':>10}{'ratio':>7}{'instructions':>14}")
    base = frames("reference")
    show("reference", None, base, base, 0)
    for engine in ("python", "unicorn"):
        if engine == "unicorn" and find_spec("unicorn") is None:
            print("smart, unicorn: the package unicorn is not installed")
            continue
        SmartNic.engine = engine
        show(f"smart, {engine}", (best_us(boot, rounds=5, seconds=0.1), first_boot(engine)), frames("smart"), base, executed())


def show(name: str, boots: tuple[float, float] | None, own: tuple[float, float, float], base: tuple[float, float, float],
         instructions: int) -> None:
    """One line."""
    boot_us, first = ("-", "-") if boots is None else (f"{boots[0]:.0f}", f"{boots[1]:.0f}")
    print(f"{name:<18}{boot_us:>10}{first:>8}{own[0]:10.0f}{own[1]:10.1f}{1e6 / own[1]:10.0f}{base[1] / own[1]:7.2f}"
          f"{own[2]:11.1f}{1e6 / own[2]:10.0f}{base[2] / own[2]:7.2f}{instructions or '-':>14}")


def boot() -> None:
    """Boot a card with the program that comes with it."""
    machine = Machine([Span(0, 16 * MIB)], ChunkedMemory(16 * MIB))
    nic = machine.add_nic(SmartNic)
    block = Block(BlockKind.SHARED, "image", "the miniport", IMAGE_AT, len(IMAGE), logical=IMAGE_AT, device_reads=True, device_writes=True)
    machine.book.add(block)
    machine.ram.write(IMAGE_AT, IMAGE)
    for name, value in (("IMAGE_LO", IMAGE_AT), ("IMAGE_LENGTH", len(IMAGE)), ("BOOT_CTRL", 1)):
        machine.bus.write(nic, 0, OFFSETS[name], 4, value)
    machine.settle()
    if machine.bus.read(nic, 0, OFFSETS["BOOT_STATUS"], 4) != State.READY:
        raise SystemExit("the card does not boot")


def first_boot(engine: str) -> float:
    """Microseconds of the first boot of a process, but for what is imported then."""
    done = subprocess.run([sys.executable, __file__, "--first", engine], capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure_first(engine: str) -> None:
    """What `first_boot` asks of another process."""
    import firmware.image
    import hw.rv32.python_engine

    assert hw.rv32.python_engine
    firmware.image.parse(IMAGE)
    if engine == "unicorn":
        import hw.rv32.unicorn_engine
        assert hw.rv32.unicorn_engine
    SmartNic.engine = engine
    started = perf_counter()
    boot()
    print((perf_counter() - started) * 1e6)


def live(card: str, count: int, length: int) -> World:
    """One life with *count* frames of *length* bytes."""
    miniport, base = find_miniport(None, card)
    payload = [b"\x02\x00\x00\x00\x00\x99" + b"\x02\x0d\xbe\xd0\x00\x01\x08\x00" + bytes(length - 14)] * count
    world = run_world(WorldSpec(nic=card, frames=count), miniport, base, frames=payload)
    if world.machine.findings.errors or world.received != count:
        raise SystemExit(f"{card}: {world.received} of {count} frames came back: {world.machine.findings.errors[:1]}")
    return world


def frames(card: str) -> tuple[float, float, float]:
    """Microseconds of a life, and of each further frame of 64 and of 1514 bytes in it."""
    one = best_us(lambda: live(card, 1, 64), rounds=5, seconds=0.1)
    return one, *((best_us(lambda length=length: live(card, 1 + MORE, length), rounds=5, seconds=0.1) - one) / MORE
                  for length in (64, 1514))


def executed() -> int:
    """Instructions that the program executes for one more frame, out and in."""
    counts = []
    for count in (1, 1 + MORE):
        nic = live("smart", count, 64).seats[0].nic
        assert isinstance(nic, SmartNic) and nic.core is not None
        counts.append(nic.core.engine.executed)
    return round((counts[1] - counts[0]) / MORE)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--first"]:
        measure_first(sys.argv[2])
    else:
        main()
