# SPDX-License-Identifier: Apache-2.0
"""Lives and frames per second of each card with its own miniport, all checks on: run as ``python bench/nics.py [NAME …]``.

A life is initialize, one frame out, the same frame in, halt; a frame is one of 64 bytes that goes out and comes back in, with
interrupt, deferred call and indication: the difference between a life with 65 frames and one with a single frame. ``ratio`` is
against the reference card, measured in the same run.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from _measure import best_us, print_calibration

from dmabed.load import find_miniport
from dmabed.spec import WorldSpec
from dmabed.world import run_world
from hw.nic import MODELS

MORE = 64


def main(names: list[str]) -> None:
    """Print one line for each card."""
    print_calibration()
    print(f"{'card':<14}{'life us':>10}{'lives/s':>10}{'ratio':>8}{'frame us':>10}{'frames/s':>10}{'ratio':>8}")
    base = measure("reference")
    for name in names or list(MODELS):
        life, frame = measure(name) if name != "reference" else base
        print(f"{name:<14}{life:10.0f}{1e6 / life:10.0f}{base[0] / life:8.2f}{frame:10.0f}{1e6 / frame:10.0f}{base[1] / frame:8.2f}")


def measure(name: str) -> tuple[float, float]:
    """Microseconds of a life, and of each further frame in it."""
    miniport, base = find_miniport(None, name)

    def live(frames: int) -> float:
        spec = WorldSpec(nic=name, frames=frames)
        payload = [b"\x02\x00\x00\x00\x00\x99" + b"\x02\x0d\xbe\xd0\x00\x01\x08\x00" + bytes(50)] * frames
        world = run_world(spec, miniport, base, frames=payload)
        if world.machine.findings.errors or world.received != frames:
            raise SystemExit(f"{name}: {world.received} of {frames} frames came back: {world.machine.findings.errors[:1]}")
        return best_us(lambda: run_world(spec, miniport, base, frames=payload), rounds=3, seconds=0.05)

    one = live(1)
    return one, (live(1 + MORE) - one) / MORE


if __name__ == "__main__":
    main(sys.argv[1:])
