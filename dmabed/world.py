# SPDX-License-Identifier: Apache-2.0
"""One world: a machine, one life of one miniport, and what was seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from allocator.memory_manager import MemoryManager
from allocator.nodes import nodes_of
from dmabed import judge
from dmabed.coverage import LineTrace
from dmabed.pool import lend
from dmabed.spec import WorldSpec
from hw.capture import CaptureWriter, read_frames
from hw.frames import test_frames
from hw.limits import DmaLimits
from hw.machine import Machine
from hw.nic import Nic
from hw.processor import HIGH_LEVEL, PASSIVE_LEVEL
from hw.wire import loopback
from miniport.adapter import Adapter
from miniport.handlers import Handler
from miniport.miniport import Miniport
from miniport.ndis import Ndis, WorldEnds
from miniport.protocol import Protocol, exchange
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
class Seat:
    """One adapter of a world: its card, its NDIS, and how it fared."""

    ndis: Ndis
    nic: Nic
    frames: list[bytes] = field(default_factory=list)
    """What its protocol sends."""
    status: int | None = None
    refused: bool = False
    sent: int = 0
    received: int = 0
    lost: int = 0

    @property
    def machine(self) -> Machine:
        """The machine that all adapters share."""
        return self.ndis.machine


@dataclass(slots=True)
class World:
    """What is left of one world: everything that reports read. No memory of the machine survives."""

    spec: WorldSpec
    ndis_version: tuple[int, int]
    base: Path
    machine: Machine
    seats: list[Seat]
    outcome: str = "ran"
    """``ran``, ``crash`` or ``hang``."""
    blocks: list[tuple[Block, bool]] = field(default_factory=list)
    """Blocks at the end of initialize, and whether each was live then."""
    capture: CaptureWriter | None = None
    lines: LineTrace | None = None
    not_fired: list[str] = field(default_factory=list)

    @property
    def ndis(self) -> Ndis:
        """NDIS of the first adapter."""
        return self.seats[0].ndis

    @property
    def nic(self) -> Nic:
        """The card of the first adapter."""
        return self.seats[0].nic

    @property
    def status(self) -> int | None:
        """What initialize returned; of several adapters the first that failed, else the first."""
        return next((seat.status for seat in self.seats if seat.refused), self.seats[0].status)

    @property
    def refused(self) -> bool:
        """True if an adapter's initialize failed."""
        return any(seat.refused for seat in self.seats)

    @property
    def frames(self) -> list[bytes]:
        """What the protocols send, adapter by adapter."""
        return [frame for seat in self.seats for frame in seat.frames]

    @property
    def sent(self) -> int:
        """Frames completed with success that the wires saw."""
        return sum(seat.sent for seat in self.seats)

    @property
    def received(self) -> int:
        """Frames indicated as they came, and returned."""
        return sum(seat.received for seat in self.seats)

    @property
    def lost(self) -> int:
        """Frames that did not come back."""
        return sum(seat.lost for seat in self.seats)

    @property
    def padded(self) -> int:
        """Short frames that the cards padded."""
        return sum(seat.nic.padded for seat in self.seats)


def run_world(spec: WorldSpec, miniport_class: type[Miniport], base: Path, *, capture: bool = False, trace_lines: bool = False,
              frames: list[bytes] | None = None) -> World:
    """Live one life. *base* is the folder of the miniport's source; *frames* overrides what the spec says to send.
    `UsageError` for what cannot be run; anything that the miniport does wrong is a finding in the result."""
    limits = spec.dma_limits()
    version = registered_version(spec, miniport_class)
    nodes = nodes_of(spec.ranges(), spec.nodes) if spec.nodes != 1 else ()
    with lend(spec.ranges(), spec.aged) as (backing, tree, rams):
        machine = Machine(
            spec.ranges(), backing, processors=spec.processors, seed=spec.seed, bus_offset=spec.bus_offset,
            faults=spec.parsed_faults(), checks=not spec.silicon, stop=spec.stop)
        rams.append(machine.ram)
        memory = MemoryManager(machine, tree, spec.placed(), nodes=nodes)
        miniport = _construct(miniport_class)
        writer = CaptureWriter() if capture else None
        seats = [_seat(spec, machine, memory, miniport, limits, version, frames, writer) for _ in range(spec.adapters)]
        miniport._findings = machine.findings
        world = World(spec, version, base, machine, seats, capture=writer)
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


def _seat(spec: WorldSpec, machine: Machine, memory: MemoryManager, miniport: Miniport, limits: DmaLimits, version: tuple[int, int],
          frames: list[bytes] | None, writer: CaptureWriter | None) -> Seat:
    """Plug one card in and bind a protocol to its adapter."""
    nic = machine.add_nic(spec.model(), limits)
    ndis = Ndis(machine, memory, miniport, nic, spec.windows, version)
    ndis.adapter = Adapter(ndis, nic, nic.adapter)
    ndis.protocol = Protocol(ndis)
    nic.wire.far_end = loopback
    if writer is not None:
        nic.wire.tap = _tap(writer)
    return Seat(ndis, nic, frames if frames is not None else _frames(spec, nic))


def _live(world: World) -> None:
    """All adapters of one driver live at once: what one does, the others see only through the machine."""
    machine = world.machine
    for seat in world.seats:
        seat.status = seat.ndis.call(Handler.INITIALIZE, seat.ndis.miniport.initialize, irql=PASSIVE_LEVEL)
        if seat.status != NDIS_STATUS_SUCCESS:
            seat.refused = True
            judge.refused(seat)
        else:
            judge.initialized(seat)
    world.blocks = [(block, block.live) for block in machine.book.made]
    running = [seat for seat in world.seats if not seat.refused]
    for seat in running:
        seat.ndis.up = True
        machine.scheduler.attention = True
        seat.ndis.protocol.bind(promiscuous=True)
    for seat in running:
        seat.ndis.protocol.offer(seat.frames)
    exchange([seat.ndis.protocol for seat in running], machine)
    machine.settle()
    for seat in running:
        judge.traffic(seat)
    machine.events.append((machine.clock.now, Kind.LIFE, 0, world.spec.life))
    if world.spec.life == "bug-check" and running:
        machine.scheduler.frozen = True
    for seat in running:
        _LIVES[world.spec.life](seat)
    for seat in world.seats:
        if seat.refused or world.spec.life == "halt":
            _watch_card(seat)


def _halt(seat: Seat) -> None:
    ndis = seat.ndis
    judge.receives_back(seat)
    ndis.up = False
    ndis.call(Handler.HALT, ndis.miniport.halt, irql=PASSIVE_LEVEL)
    judge.halted(seat)


def _surprise(seat: Seat) -> None:
    ndis = seat.ndis
    seat.nic.remove()
    seat.machine.settle()
    if ndis.ndis_version >= (5, 1) and ndis.adapter.attributes & NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK:
        ndis.call(Handler.PNP_EVENT_NOTIFY, ndis.miniport.pnp_event_notify, "surprise-removed", irql=PASSIVE_LEVEL)
    ndis.protocol.offer([LATE_FRAME])
    exchange([ndis.protocol], seat.machine)
    _halt(seat)


def _power_off(seat: Seat) -> None:
    _shut_down(seat, PASSIVE_LEVEL)


def _bug_check(seat: Seat) -> None:
    _shut_down(seat, HIGH_LEVEL)


def _shut_down(seat: Seat, irql: int) -> None:
    """Call the shutdown handler, if there is one; afterwards the card must do no cycle and pull no line."""
    ndis, nic, machine = seat.ndis, seat.nic, seat.machine
    adapter = ndis.adapter
    if ndis.ndis_version >= (5, 1):
        ndis.call(Handler.SHUTDOWN, ndis.miniport.shutdown, irql=irql)
    elif adapter.shutdown_handler is not None:
        handler, context = adapter.shutdown_handler, adapter.shutdown_context
        ndis.call(Handler.SHUTDOWN, lambda _: handler(context), irql=irql)
    ndis.up = False
    nic.dma.shut_down = True
    # A frame was on its way while the system went down.
    nic.receive_frame(LATE_FRAME)
    machine.scheduler.frozen = True
    machine.clock.advance(AFTER_LIFE_NS)
    machine.scheduler.frozen = irql == HIGH_LEVEL
    judge.shut_down(seat)


def _watch_card(seat: Seat) -> None:
    """After halt the system goes on: frames still arrive, and a card that runs still writes."""
    seat.nic.wire.tap = None  # this frame is the bed's: the capture holds those of the life
    seat.nic.wire.deliver(LATE_FRAME)
    seat.machine.settle(seat.machine.clock.now + AFTER_LIFE_NS)


_LIVES = {"halt": _halt, "power-off": _power_off, "bug-check": _bug_check, "surprise": _surprise}
