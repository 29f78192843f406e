# SPDX-License-Identifier: Apache-2.0
"""Three runs as ``dmabed run --json`` prints them: a clean one, two 26-bit faults, a machine with 1 TiB of RAM."""

from __future__ import annotations

from typing import Any

import pytest

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40
RING = """\
        adapter.log("rings: %d descriptors", RING_SIZE)
        tx = adapter.allocate_shared_memory(0x2000, cached=False)
        if tx is None:
            return NDIS_STATUS_RESOURCES
        self.context.tx_ring = tx
        adapter.write_register("TXBASE", tx.logical)
        adapter.write_register("TXLEN", 0x2000)
        adapter.write_register("CTRL", RING_ENABLE)
        return NDIS_STATUS_SUCCESS""".splitlines()


@pytest.fixture
def clean_run() -> dict[str, Any]:
    return clean()


@pytest.fixture
def faulty_run() -> dict[str, Any]:
    return faulty()


@pytest.fixture
def huge_run() -> dict[str, Any]:
    return huge()


@pytest.fixture
def sources() -> dict[str, list[str]]:
    return sample_sources()


def sample_sources() -> dict[str, list[str]]:
    return {"mynic.py": [*[f"# line {n}" for n in range(1, 38)], *RING, *[f"# line {n}" for n in range(47, 120)]]}


def clean() -> dict[str, Any]:
    ring = [("NdisMAllocateSharedMemory", 0x1000, False, 0x90001000, 0x00FFE000, "halt", "mynic.py:39"),
            ("NdisMAllocateSharedMemory", 0x4000, True, 0x90010000, 0x03FF8000, "halt", "mynic.py:45"),
            ("MmAllocateContiguousMemory", 0x800, True, 0x90020000, 0x02000000, "halt", "mynic.py:61")]
    return _run(
        "clean", ram=256 * MIB, allocations=ring, bits=26, boundary=16 * MIB, findings=[],
        extra=[_block("packet pool", "NDIS", "pool", 0x01400000, 0x6000, 0x81400000),
               _block("driver image", "mynic.py", "image", 0x00400000, 0x9000, 0x80400000)])


def faulty() -> dict[str, Any]:
    ring = [("NdisMAllocateSharedMemory", 0x1000, False, 0x90001000, 0x00FF0000, None, "mynic.py:30"),
            ("NdisMAllocateSharedMemory", 0x2000, False, 0x90004000, 0x00FFF000, "halt", "mynic.py:39"),
            ("NdisMAllocateSharedMemory", 0x3000, True, 0x90010000, 0x03FFE000, "halt", "mynic.py:61")]
    findings = [
        _finding("dma-boundary", "tx ring  0x00fff000..0x01000fff (0x2000 bytes) crosses a multiple of 0x1000000",
                 "mynic.py:43", ("logical", 0x00FFF000, 0x2000), "shared memory #2",
                 "over-allocate and place, or pass BoundaryAddressMultiple=0x1000000",
                 consequences=[{"rule": "dma-stray", "message": "the device read 0x40 bytes at 0x00000000, which no "
                                "live block of this adapter covers", "where": "mynic.py:88", "time_ns": 61_240}],
                 related=[{"what": "shared memory #2 allocated", "where": "mynic.py:39"}]),
        _finding("dma-width", "receive buffer  0x03fffe00..0x040003ff (0x600 bytes) ends beyond 26 address bits: the "
                 "last byte that the device reaches is 0x03ffffff", "mynic.py:66", ("logical", 0x03FFFE00, 0x600),
                 "shared memory #3", "ask for memory below 0x04000000: register with Dma32BitAddresses = FALSE, or "
                 "pass HighestAcceptableAddress=0x3ffffff", also=["shared-dma-reach"]),
        _finding("shared-free-all-at-halt", "shared memory #1 (0x1000 bytes) is still allocated after halt returned",
                 "mynic.py:30", None, "shared memory #1", "free it in halt with the same length, cached flag and "
                 "addresses", also=["halt-undo-all"], faults=["NdisMAllocateMapRegisters#1"])]
    run = _run(
        "findings", ram=256 * MIB, allocations=ring, bits=26, boundary=16 * MIB, findings=findings,
        extra=[_block("interrupt vectors", "kernel", "other", 0, 0x1000, 0x80000000),
               _block("packet pool", "NDIS", "pool", 0x04001000, 0x6000, 0x84001000),
               _block("shared memory #0", "mynic", "shared", 0x00A00000, 0x2000, 0x90030000, state="freed")])
    run["notices"] = [{**_finding("stall-50us", "NdisStallExecution(80) stalls longer than 50 us", "mynic.py:50", None,
                                  None, "use NdisMSleep in initialize"), "severity": "advice"}]
    run["log"] = ["rings: 32 descriptors", "link is up: \x1b[31m100 Mbit/s"]
    return run


def huge() -> dict[str, Any]:
    ring = [("NdisMAllocateSharedMemory", 0x10000, False, 0xFFFFFA8000001000, 0x1234560000, "halt", "big.c:201"),
            ("NdisMAllocateSharedMemory", 0x2000, True, 0xFFFFFA8000020000, 0xDFFFE000, "halt", "big.c:230")]
    findings = [_finding(
        "dma-width", "descriptor ring  0x0000001234560000..0x000000123456ffff (0x10000 bytes) lies beyond 32 address "
        "bits: the last byte that the device reaches is 0xffffffff", "big.c:244", ("logical", 0x1234560000, 0x10000),
        "shared memory #1", "call NdisMInitializeScatterGatherDma with Dma64BitAddresses = FALSE, or write all 64 bits "
        "of the address")]
    return _run("findings", ram=TIB, allocations=ring, bits=32, boundary=4 * GIB, findings=findings, nic="tg3-40",
                miniport="drivers/big (C)", effect="alias",
                extra=[_block("rx packets", "NDIS packet pool", "pool", 0x34558000, 0x10000, 0xFFFFFA8000040000)])


def _run(
    verdict: str, *, ram: int, allocations: list[tuple[Any, ...]], bits: int, boundary: int,
    findings: list[dict[str, Any]], extra: list[dict[str, Any]], nic: str = "reference",
    miniport: str = "mynic.py:MyNic", effect: str = "alias",
) -> dict[str, Any]:
    shared = [
        {"routine": r, "length": n, "cached": c, "virtual": v, "physical": p, "logical": p, "freed_in": f, "where": w,
         "owner": f"{'shared memory' if r.startswith('Ndis') else 'contiguous memory'} #{i}"}
        for i, (r, n, c, v, p, f, w) in enumerate(allocations, 1)]
    blocks = [
        {"name": a["owner"], "owner": a["owner"], "kind": "shared" if a["routine"].startswith("Ndis") else "contiguous",
         "virtual": a["virtual"], "physical": a["physical"], "logical": a["logical"], "length": a["length"],
         "state": "live", "where": a["where"], "freed_where": None} for a in shared]
    hole = 3 * GIB + 512 * MIB
    ranges = [{"start": 0, "length": 0xA0000, "kind": "ram", "name": "low memory"},
              {"start": 0xA0000, "length": 0x60000, "kind": "hole", "name": "video and ROM"},
              {"start": MIB, "length": min(ram, hole) - MIB, "kind": "ram", "name": "RAM"},
              {"start": 0xFEB00000, "length": 0x1000, "kind": "mmio", "name": f"{nic} BAR 0"},
              {"start": 0xC000, "length": 0x20, "kind": "ports", "name": f"{nic} BAR 1"}]
    if ram > hole:
        ranges.append({"start": 4 * GIB, "length": ram - hole, "kind": "ram", "name": "RAM above 4 GiB"})
    return {
        "schema": 1, "verdict": verdict, "status": "NDIS_STATUS_SUCCESS",
        "world": {"miniport": miniport, "nic": nic, "limits": nic, "address_bits": bits, "boundary": boundary,
                  "ram": ram, "windows": "2003", "ndis": "5.1", "placement": "hostile", "processors": 2, "adapters": 1,
                  "bus_offset": 0, "iommu": False, "incoherent": False, "msi": False, "frames": 8, "pcap": None, "life": "halt",
                  "seed": 1, "faults": [], "deny": [], "allow": [], "silicon": False, "stop": False},
        "allocations": shared, "findings": findings, "notices": [], "allowed": [],
        "frames": {"sent": 8, "received": 8, "lost": 0, "padded": 3},
        "not_exercised": {"rules": ["hang-no-wait", "reset-complete-once", "shared-async-outstanding-at-halt"],
                          "handlers": ["check_for_hang", "reset"], "lines": ["mynic.py:71-74", "mynic.py:102"]},
        "handlers": [{"name": "initialize", "calls": 1}, {"name": "isr", "calls": 16},
                     {"name": "handle_interrupt", "calls": 12}, {"name": "halt", "calls": 1}],
        "limits": {"name": nic, "address_bits": bits, "boundary": boundary, "window": 0, "alignment": 16,
                   "max_length": 0x10000, "max_segments": 8, "kind": "bus-master", "effect": effect,
                   "source": "docs/nics/reference.md"},
        "map": {"ranges": ranges, "bus_offset": 0, "reach_last": (1 << bits) - 1, "boundary": boundary,
                "blocks": blocks + extra},
        "timeline": _timeline(), "log": []}


def _block(
    name: str, owner: str, kind: str, physical: int, length: int, virtual: int, state: str = "live",
) -> dict[str, Any]:
    return {"name": name, "owner": owner, "kind": kind, "virtual": virtual, "physical": physical, "logical": None,
            "length": length, "state": state, "where": "mynic.py:20", "freed_where": "mynic.py:99" if state == "freed"
            else None}


def _finding(
    rule: str, message: str, where: str, span: tuple[str, int, int] | None, owner: str | None, remedy: str, *,
    also: list[str] | None = None, faults: list[str] | None = None, consequences: list[dict[str, Any]] | None = None,
    related: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    shown = None if span is None else {"space": span[0], "address": span[1], "length": span[2]}
    return {"rule": rule, "also": also or [], "severity": "error", "message": message, "where": where,
            "related": related or [], "time_ns": 61_200, "span": shown, "owner": owner, "bugcheck": None,
            "remedy": remedy, "faults": faults or [],
            "replay": "dmabed replay 'mynic.py:MyNic --nic reference --ram 256M --windows 2003 "
                      "--ndis 5.1 --placement hostile --processors 2 --frames 8 --life halt --seed 1'",
            "consequences": consequences or []}


def _timeline() -> list[dict[str, Any]]:
    events = [(0, "cpu0", "enter", "initialize"), (1_200, "allocator", "allocate", "shared memory #1, 0x1000 bytes"),
              (2_000, "cpu0", "register", "TXBASE = 0x00fff000"), (2_400, "cpu0", "leave", "initialize: SUCCESS"),
              (10_000, "cpu1", "enter", "send (60 bytes)"), (10_300, "cpu1", "register", "TXDOORBELL = 1"),
              (10_900, "nic", "dma-read", "0x00fff000, 16 bytes (descriptor 0)"),
              (11_400, "nic", "dma-read", "0x01800040, 60 bytes"), (17_400, "wire", "frame", "60 bytes out"),
              (61_200, "nic", "finding", "dma-boundary"), (70_000, "nic", "interrupt", "cause TXDONE"),
              (70_400, "cpu0", "enter", "isr"), (70_900, "cpu0", "leave", "isr: recognized, queue DPC"),
              (90_000, "cpu0", "enter", "halt"), (91_000, "allocator", "free", "shared memory #2")]
    return [{"time_ns": t, "lane": lane, "kind": kind, "text": text} for t, lane, kind, text in events]
