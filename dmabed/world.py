# SPDX-License-Identifier: Apache-2.0
"""One world: a machine, one life of one miniport, and what was seen of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from allocator.memory_manager import MemoryManager
from allocator.nodes import nodes_of
from dmabed import after_fault, driver_life, judge, lives, policy
from dmabed.coverage import LineTrace
from dmabed.lives import FOREIGN
from dmabed.pool import lend
from dmabed.spec import WorldSpec
from dmabed.sudden import striker
from hw.capture import CaptureWriter, read_frames
from hw.frames import test_frames
from hw.limits import DmaLimits
from hw.machine import Machine
from hw.nic import Nic
from hw.wire import loopback
from miniport.adapter import Adapter
from miniport.blame import fault_of_a_model
from miniport.miniport import Miniport
from miniport.ndis import Ndis, WorldEnds
from miniport.protocol import Protocol
from miniport.versions import check_versions, ndis_of, parse_ndis
from verifier.address_book import Block
from verifier.errors import UsageError
from verifier.events import Kind
from verifier.findings import StopWorld

_WITHOUT_UNLOAD = ("power-off", "bug-check")
"""Lives in which the system goes down with the driver in it."""


@dataclass(slots=True)
class Seat:
    """One adapter of a world: its card, its NDIS, and how it fared."""

    ndis: Ndis
    nic: Nic
    spec: WorldSpec
    frames: list[bytes] = field(default_factory=list)
    """What its protocol sends."""
    status: int | None = None
    refused: bool = False
    sent: int = 0
    received: int = 0
    lost: int = 0
    probes_lost: int = 0
    """Frames sent after a fault that did not come back."""
    destination: bytes = FOREIGN
    arrivals: list[bytes] | None = None
    """What the far end sends to the card, in order; None where that is what the card sent."""

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
    allowed: list[policy.Allowed] = field(default_factory=list)
    """Findings that the user takes out of the verdict (`dmabed.policy`)."""

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
              frames: list[bytes] | None = None, record: bool = False, watch: Callable[[World], object] | None = None) -> World:
    """Live one life. *base* is the folder of the miniport's source; *frames* overrides what the spec says to send. With *record*
    the injector counts the fault points although no fault is armed; *watch* is shown the world before anything happens in it.
    `UsageError` for what cannot be run; anything that the miniport does wrong is a finding in the result."""
    with opened(spec, miniport_class, base, capture=capture, frames=frames, record=record) as world:
        trace = LineTrace() if trace_lines else None
        world.lines = trace
        if watch is not None:
            watch(world)
        try:
            if trace is not None:
                trace.start()
            lived(world, lambda: _live(world))
        finally:
            if trace is not None:
                trace.stop()
        return world


@contextmanager
def opened(spec: WorldSpec, miniport_class: type[Miniport], base: Path, *, capture: bool = False, frames: list[bytes] | None = None,
           record: bool = False) -> Iterator[World]:
    """A machine with its cards and a protocol bound to each, in which nothing has happened yet; at the end it is judged whether each
    fault fired, and what the user allows is taken out. The arguments are those of `run_world`."""
    limits = spec.dma_limits()
    spec.check_life()
    version = registered_version(spec, miniport_class)
    nodes = nodes_of(spec.ranges(), spec.nodes) if spec.nodes != 1 else ()
    with lend(spec.ranges(), spec.aged) as (backing, tree, rams):
        machine = Machine(
            spec.ranges(), backing, processors=spec.processors, seed=spec.seed, bus_offset=spec.bus_offset,
            faults=spec.parsed_faults(), recording=record, checks=not spec.silicon, stop=spec.stop,
            iommu=spec.iommu, incoherent=spec.incoherent, messages=spec.msi)
        rams.append(machine.ram)
        memory = MemoryManager(machine, tree, spec.placed(), nodes=nodes)
        miniport = _construct(miniport_class)
        writer = CaptureWriter() if capture else None
        seats = [_seat(spec, machine, memory, miniport, limits, version, frames, writer) for _ in range(spec.adapters)]
        miniport._findings = machine.findings
        world = World(spec, version, base, machine, seats, capture=writer)
        if machine.injector is not None:
            machine.scheduler.on_life = striker(world, lives.ENDS)
        if spec.stop:
            machine.findings.stops_at = policy.stops_at(spec)
        try:
            yield world
        except Exception as problem:
            of_model = fault_of_a_model(problem)
            if of_model is None:
                raise
            raise of_model from problem
        if not spec.stop or not machine.findings.errors:
            lived(world, lambda: _finish(seats))
        if machine.injector is not None:
            world.not_fired = [str(fault) for fault in machine.injector.not_fired()]
        policy.apply(world)
        machine.ram.tag = 0


def _finish(seats: list[Seat]) -> None:
    for seat in seats:
        seat.ndis.lockset.finish()


def lived(world: World, part: Callable[[], None]) -> bool:
    """Live *part* of the life of *world*; False if the world ended in it: a handler crashed or hung, or a finding stopped it."""
    try:
        part()
    except StopWorld:
        world.outcome = "ran"
        return False
    except WorldEnds as end:
        world.outcome = end.outcome
        return False
    return True


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
    return Seat(ndis, nic, spec, frames if frames is not None else _frames(spec, nic))


def _live(world: World) -> None:
    """All adapters of one driver live at once: what one does, the others see only through the machine."""
    machine = world.machine
    if not begin(world):
        return
    running = [seat for seat in world.seats if not seat.refused]
    lives.traffic(world, running)
    running = [seat for seat in running if not seat.refused]
    for seat in running:
        judge.traffic(seat)
    if running and machine.injector is not None and machine.injector.fired:
        after_fault.probe(running)
    end(world, running, world.spec.life)


def begin(world: World) -> bool:
    """Load the driver, initialize its adapters, and let a protocol bind to each that is there then. False if there is no driver."""
    if not driver_life.load(world):
        return False
    for seat in world.seats:
        lives.initialize(seat)
    world.blocks = [(block, block.live) for block in world.machine.book.made]
    for seat in world.seats:
        if not seat.refused:
            lives.up(seat)
            seat.ndis.protocol.bind(promiscuous=True)
    return True


def end(world: World, running: list[Seat], life: str) -> None:
    """End the life of the adapters that are *running* as *life* says, and watch the cards."""
    machine = world.machine
    machine.events.append((machine.clock.now, Kind.LIFE, 0, life))
    if life == "bug-check" and running:
        machine.scheduler.frozen = True
    for seat in running:
        gone = lives.ENDS[life] is lives.halt and not seat.nic.present
        lives.ENDS["surprise" if gone else life](seat)
    for seat in world.seats:
        if seat.refused or lives.ENDS[life] is lives.halt:
            lives.watch_card(seat)
    if not running or life not in _WITHOUT_UNLOAD:
        driver_life.unload(world)
