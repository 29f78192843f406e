# SPDX-License-Identifier: Apache-2.0
"""What a life costs: worlds a second, frames a second, register accesses, DMA, memory (budgets: design, section 12).

Run as ``python bench/life.py`` from the repository, or by ``make bench``.
"""

from __future__ import annotations

import mmap
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from _measure import best_us, line, print_calibration

import dmabed.world
from dmabed.bed import Bed
from dmabed.world import World
from miniport.handlers import Handler
from miniport.status import NDIS_ATTRIBUTE_BUS_MASTER, NDIS_DMA_24BITS, NDIS_INTERFACE_PCI
from verifier.address import KIB


def life() -> None:
    """Initialize, one frame out, one in, halt; all checks on."""
    for options in ({}, {"ram": 1 << 40}, {"placement": "low"}, {"life": "power-off"}):
        bed = Bed(frames=1, **options)
        us = best_us(bed.world, seconds=0.2)
        name = ", ".join(f"{key}={value}" for key, value in options.items()) or "default"
        line(f"life of the reference miniport, {name}", us, 1e6 / 3000)
        print(f"{'':52}{1e6 / us:10.0f} worlds/s")


def _worlds(count: int) -> float:
    bed = Bed(frames=1)
    for _ in range(count):
        bed.world()
    return 0.0


def campaign(count: int = 10_000) -> None:
    """Full lives on two processes."""
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_worlds, [1, 1]))
        started = perf_counter()
        list(pool.map(_worlds, [count // 20] * 20))
        seconds = perf_counter() - started
    line(f"{count} full lives on two processes", seconds, 5.0, "s ")


def frames(count: int = 5_000) -> None:
    """The send path and the way back, 64-byte and full frames."""
    for length in (64, 1514):
        bed = Bed(frames=0)
        payload = [bytes(range(256)) * 6] * count
        batch = [frame[:length] for frame in payload]
        bed.world(frames=batch[:10])
        started = perf_counter()
        world = bed.world(frames=batch)
        us = (perf_counter() - started) / count * 1e6
        assert world.received == count, "frames got lost in the benchmark"
        line(f"one frame of {length} bytes out and back in", us, 20.0 if length == 64 else None)


def inside() -> None:
    """Figures taken inside an initialize handler, where the routines may be called."""
    bed = Bed(frames=0)
    whole = dmabed.world._live

    def body(world: World) -> None:
        world.ndis.call(Handler.INITIALIZE, lambda adapter: _figures(world, adapter) or 0, irql=0)

    dmabed.world._live = body
    try:
        bed.world()
    finally:
        dmabed.world._live = whole


def _figures(world: World, adapter: Any) -> None:
    adapter.set_attributes_ex(None, 0, NDIS_ATTRIBUTE_BUS_MASTER, NDIS_INTERFACE_PCI)
    adapter.allocate_map_registers(0, NDIS_DMA_24BITS, 1, 1514)
    memory = next(r for r in adapter.query_adapter_resources()[1] if r.kind == "memory")
    registers = adapter.map_io_space(memory.start, memory.length)[1]
    line("register read", best_us(lambda: adapter.read_register_ulong(registers, 0x04)), 0.5)
    line("register write (posted, drained)", best_us(lambda: adapter.write_register_ulong(registers, 0x20, 0)), 0.5)

    def shared() -> None:
        virtual, physical = adapter.allocate_shared_memory(0x4000, False)
        adapter.free_shared_memory(0x4000, False, virtual, physical)

    line("NdisMAllocateSharedMemory and its free, 16 KiB", best_us(shared), 40.0)

    def contiguous() -> None:
        adapter.mm_free_contiguous_memory(adapter.mm_allocate_contiguous_memory_specify_cache(0x4000, 0, 0x3FFFFFF, 0x10000, 0))

    line("MmAllocateContiguousMemory... and its free, 16 KiB", best_us(contiguous), 40.0)
    virtual, logical = adapter.allocate_shared_memory(256 * KIB, False)
    virtual.fill(0, 256 * KIB)
    port = world.nic.dma
    port.limits = world.nic.limits
    port._max = 64 * KIB
    plain = mmap.mmap(-1, 1 << 20)
    for size, budget in ((64, 1.5), (64 * KIB, None)):
        data = bytes(size)
        copy_out = best_us(lambda size=size: plain[4096:4096 + size])
        copy_in = best_us(_copy_in(plain, size, data))
        read = best_us(lambda size=size: port.read(logical, size, "bench"))
        write = best_us(lambda data=data: (port.write(logical, data, "bench"), port.flush()))
        line(f"DMA read of {size} bytes", read, budget if budget else 2 * copy_out)
        line(f"DMA write of {size} bytes", write, budget if budget else 2 * copy_in)
        print(f"{'':52}{copy_out:10.2f} us plain copy out, {copy_in:.2f} us in (memcpy)")


def _copy_in(plain: mmap.mmap, size: int, data: bytes) -> Callable[[], None]:
    def copy() -> None:
        plain[4096:4096 + size] = data
    return copy


def shell() -> None:
    """From the shell to the verdict."""
    command = [sys.executable, "-m", "dmabed", "run", "--frames", "1", "--json"]
    house = Path(__file__).resolve().parent.parent
    us = best_us(lambda: subprocess.run(command, cwd=house, capture_output=True, check=True), rounds=3, seconds=1.0)
    line("dmabed run from shell to verdict", us / 1e6, 0.4, "s ")


if __name__ == "__main__":
    print_calibration()
    life()
    frames()
    inside()
    campaign()
    shell()
