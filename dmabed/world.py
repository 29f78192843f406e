# SPDX-License-Identifier: Apache-2.0
"""One world: a machine, one life of one miniport, and what was seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from allocator.memory_manager import MemoryManager
from dmabed import judge
from dmabed.coverage import LineTrace
from dmabed.pool import lend
from dmabed.spec import WorldSpec
from hw.capture import CaptureWriter, read_frames
from hw.frames import test_frames
from hw.machine import Machine
from hw.nic import Nic
from hw.processor import HIGH_LEVEL, PASSIVE_LEVEL
from hw.wire import loopback
from miniport.adapter import Adapter
from miniport.handlers import Handler
from miniport.miniport import Miniport
from miniport.ndis import Ndis, WorldEnds
from miniport.protocol import Protocol
from miniport.status import NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK, NDIS_STATUS_SUCCESS
from miniport.versions import check_versions, ndis_of, parse_ndis
from verifier.address_book import Block
from verifier.errors import UsageError
from verifier.events import Kind
from verifier.findings import StopWorld

FOREIGN = b"\x02\x0d\xbe\xff\xff\x01"
"""The unicast address to which frames go: nobody's on this wire."""
AFTER_LIFE_NS = 5_000_000
"""How long a card is watched after the miniport is gone."""
LATE_FRAME = b"\xff" * 6 + FOREIGN + b"\x88\xb5" + bytes(46)


@dataclass(slots=True)
class World:
    """What is left of one world: everything that reports read. No memory of the machine survives."""

    spec: WorldSpec
    ndis_version: tuple[int, int]
    base: Path
    machine: Machine
    ndis: Ndis
    nic: Nic
    status: int | None = None
    outcome: str = "ran"
    """``ran``, ``crash`` or ``hang``."""
    blocks: list[tuple[Block, bool]] = field(default_factory=list)
    """Blocks at the end of initialize, and whether each was live then."""
    frames: list[bytes] = field(default_factory=list)
    received: int = 0
    sent: int = 0
    lost: int = 0
    capture: CaptureWriter | None = None
    lines: LineTrace | None = None
    refused: bool = False
    not_fired: list[str] = field(default_factory=list)


def run_world(spec: WorldSpec, miniport_class: type[Miniport], base: Path, *, capture: bool = False, trace_lines: bool = False,
              frames: list[bytes] | None = None) -> World:
    """Live one life. *base* is the folder of the miniport's source; *frames* overrides what the spec says to send.
    `UsageError` for what cannot be run; anything that the miniport does wrong is a finding in the result."""
    limits = spec.dma_limits()
    version = registered_version(spec, miniport_class)
    with lend(spec.ranges()) as (backing, tree, rams):
        machine = Machine(
            spec.ranges(), backing, processors=spec.processors, seed=spec.seed, bus_offset=spec.bus_offset,
            faults=spec.parsed_faults(), checks=not spec.silicon, stop=spec.stop)
        rams.append(machine.ram)
        nic = machine.add_nic(spec.model(), limits)
        memory = MemoryManager(machine, tree, spec.placed())
        miniport = _construct(miniport_class)
        ndis = Ndis(machine, memory, miniport, nic, spec.windows, version)
        ndis.adapter = Adapter(ndis, nic, 0)
        ndis.protocol = Protocol(ndis)
        miniport._findings = machine.findings
        world = World(spec, version, base, machine, ndis, nic)
        if capture:
            world.capture = CaptureWriter(interface=nic.name)
            machine.wire.tap = _tap(world.capture)
        machine.wire.far_end = loopback
        world.frames = frames if frames is not None else _frames(spec, nic)
        trace = LineTrace() if trace_lines else None
        world.lines = trace
        try:
            if trace is not None:
                trace.start()
            _live(world)
        except StopWorld:
            world.outcome = "ran"
        except WorldEnds as end:
            world.outcome = end.outcome
        finally:
            if trace is not None:
                trace.stop()
        if machine.injector is not None:
            world.not_fired = [str(fault) for fault in machine.injector.not_fired()]
        machine.ram.tag = 0
        return world


def registered_version(spec: WorldSpec, miniport_class: type[Miniport]) -> tuple[int, int]:
    """The NDIS version that the miniport registers in this world."""
    if spec.ndis is not None:
        version = parse_ndis(spec.ndis)
        check_versions(spec.windows, version)
        if version not in miniport_class.ndis_versions:
            known = ", ".join(f"{a}.{b}" for a, b in miniport_class.ndis_versions)
            raise UsageError(f"{miniport_class.__name__} does not register NDIS {spec.ndis}", f"it registers {known}")
        return version
    for version in miniport_class.ndis_versions:
        if version <= ndis_of(spec.windows):
            check_versions(spec.windows, version)
            return version
    check_versions(spec.windows, miniport_class.ndis_versions[0])
    return miniport_class.ndis_versions[0]


def _construct(miniport_class: type[Miniport]) -> Miniport:
    try:
        return miniport_class()
    except (Exception, SystemExit) as problem:
        raise UsageError(f"{miniport_class.__name__}() raised {type(problem).__name__}: {problem}",
                         "a miniport is made without arguments; state belongs in its adapter context") from None


def _tap(writer: CaptureWriter) -> Any:
    def tap(time_ns: int, frame: bytes, inbound: bool, comments: Any) -> None:
        writer.add(time_ns, frame, inbound=inbound, comments=comments)
    return tap


def _frames(spec: WorldSpec, nic: Nic) -> list[bytes]:
    if spec.pcap is not None:
        return read_frames(Path(spec.pcap))
    return test_frames(spec.frames, spec.seed, nic.mac, FOREIGN)


def _live(world: World) -> None:
    machine, ndis = world.machine, world.ndis
    miniport = ndis.miniport
    world.status = ndis.call(Handler.INITIALIZE, miniport.initialize, irql=PASSIVE_LEVEL)
    world.blocks = [(block, block.live) for block in machine.book.made]
    if world.status != NDIS_STATUS_SUCCESS:
        world.refused = True
        judge.refused(world)
        _watch_card(world)
        return
    judge.initialized(world)
    ndis.up = True
    machine.scheduler.attention = True
    ndis.protocol.bind(promiscuous=True)
    ndis.protocol.send_frames(world.frames)
    machine.settle()
    judge.traffic(world)
    machine.events.append((machine.clock.now, Kind.LIFE, 0, world.spec.life))
    _LIVES[world.spec.life](world)


def _halt(world: World) -> None:
    ndis = world.ndis
    judge.receives_back(world)
    ndis.up = False
    ndis.call(Handler.HALT, ndis.miniport.halt, irql=PASSIVE_LEVEL)
    judge.halted(world)
    _watch_card(world)


def _surprise(world: World) -> None:
    ndis = world.ndis
    world.nic.remove()
    world.machine.settle()
    if ndis.ndis_version >= (5, 1) and ndis.adapter.attributes & NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK:
        ndis.call(Handler.PNP_EVENT_NOTIFY, ndis.miniport.pnp_event_notify, "surprise-removed", irql=PASSIVE_LEVEL)
    ndis.protocol.send_frames([LATE_FRAME])
    ndis.up = False
    ndis.call(Handler.HALT, ndis.miniport.halt, irql=PASSIVE_LEVEL)
    judge.halted(world)


def _power_off(world: World) -> None:
    _shut_down(world, PASSIVE_LEVEL)


def _bug_check(world: World) -> None:
    world.machine.scheduler.frozen = True
    _shut_down(world, HIGH_LEVEL)


def _shut_down(world: World, irql: int) -> None:
    """Call the shutdown handler, if there is one; afterwards the card must do no cycle and pull no line."""
    machine, ndis = world.machine, world.ndis
    adapter = ndis.adapter
    # A frame is on its way while the system goes down.
    if ndis.ndis_version >= (5, 1):
        ndis.call(Handler.SHUTDOWN, ndis.miniport.shutdown, irql=irql)
    elif adapter.shutdown_handler is not None:
        handler, context = adapter.shutdown_handler, adapter.shutdown_context
        ndis.call(Handler.SHUTDOWN, lambda _: handler(context), irql=irql)
    ndis.up = False
    world.nic.dma.shut_down = True
    world.nic.receive_frame(LATE_FRAME)
    machine.scheduler.frozen = True
    machine.clock.advance(AFTER_LIFE_NS)
    judge.shut_down(world)


def _watch_card(world: World) -> None:
    """After halt the system goes on: frames still arrive, and a card that runs still writes."""
    world.machine.wire.deliver(LATE_FRAME)
    world.machine.settle(world.machine.clock.now + AFTER_LIFE_NS)


_LIVES = {"halt": _halt, "power-off": _power_off, "bug-check": _bug_check, "surprise": _surprise}
