# SPDX-License-Identifier: Apache-2.0
"""The lives of an adapter: how each ends, and what comes in the middle of the traffic of some.

``suspend``: the system sleeps and wakes once, NDIS and the bus driver doing what `miniport.protocol.power` and
`hw.nic.power` say. ``rebalance``: NDIS 5 stops the adapter with MiniportHalt, the bus driver gives its card other resources, and
MiniportInitialize follows (docs:kernel/stopping-a-device-to-rebalance-resources). Both end with halt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dmabed import judge
from hw.clock import MS, SECOND, US
from hw.dma import ASLEEP, SHUT_DOWN
from hw.messages import MESSAGE_VECTOR
from hw.pci_capabilities import D0, D3
from hw.processor import HIGH_LEVEL, PASSIVE_LEVEL, Random
from miniport.adapter import Adapter
from miniport.handlers import Handler
from miniport.protocol import exchange
from miniport.status import NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK, NDIS_STATUS_SUCCESS
from verifier.events import Kind

if TYPE_CHECKING:
    from dmabed.world import Seat, World

Middle = Callable[["World", list["Seat"], Random], None]

FOREIGN = b"\x02\x0d\xbe\xff\xff\x01"
"""The unicast address to which frames go: nobody's on this wire."""
AFTER_LIFE_NS = 5 * MS
"""How long a card is watched after the miniport is gone."""
LATE_FRAME = b"\xff" * 6 + FOREIGN + b"\x88\xb5" + bytes(46)
ASLEEP_NS = 2 * SECOND
OTHER_VECTORS = (10, 5, 11)
"""Interrupt lines that a rebalanced card may get; 11 is the one that it had."""


# The beginning


def initialize(seat: Seat) -> None:
    """MiniportInitialize, and what is to be said of it."""
    ndis = seat.ndis
    seat.status = ndis.call(Handler.INITIALIZE, ndis.miniport.initialize, irql=PASSIVE_LEVEL)
    seat.refused = seat.status != NDIS_STATUS_SUCCESS
    if seat.refused:
        judge.refused(seat)
    else:
        judge.initialized(seat)


def up(seat: Seat) -> None:
    """The adapter is there for protocols from now on."""
    seat.ndis.up = True
    seat.machine.scheduler.attention = True


# The middle


def traffic(world: World, seats: list[Seat]) -> None:
    """All frames go out and come back; in some lives something happens when half of them are on their way."""
    machine, middle = world.machine, MIDDLES.get(world.spec.life)
    for seat in seats:
        frames = seat.frames
        seat.ndis.protocol.offer(frames if middle is None else frames[:len(frames) // 2])
    if middle is not None:
        for seat in seats:
            seat.ndis.protocol.push()
        rng = Random(world.spec.seed ^ 0x1F83D9AB)
        machine.settle(machine.clock.now + rng.below(64) * US)
        seats = interlude(world, seats, middle, rng)
        for seat in seats:
            seat.ndis.protocol.offer(seat.frames[len(seat.frames) // 2:])
    exchange([seat.ndis.protocol for seat in seats], machine)
    machine.settle()


def interlude(world: World, seats: list[Seat], middle: Middle, rng: Random) -> list[Seat]:
    """Let something happen in the middle of a life; what NDIS kept back meanwhile may go down again. The adapters that run on."""
    middle(world, seats, rng)
    seats = [seat for seat in seats if not seat.refused]
    for seat in seats:
        seat.ndis.protocol.paused = False
    return seats


def restart(world: World, seats: list[Seat], rng: Random) -> None:
    """Every adapter is disabled, and enabled again: MiniportHalt, then MiniportInitialize with the resources of before."""
    _stop_and_start(world, seats, lambda seat: None)


def _stop_and_start(world: World, seats: list[Seat], meanwhile: Callable[[Seat], None]) -> None:
    for seat in seats:
        seat.ndis.protocol.drain()
        _stop(seat)
    world.machine.settle()
    for seat in seats:
        meanwhile(seat)
    for seat in seats:
        _start(seat)
        if not seat.refused:
            seat.ndis.protocol.bind(promiscuous=True)


def _suspend(world: World, seats: list[Seat], rng: Random) -> None:
    """The system sleeps, and wakes. The seed says whether the cards keep a trickle of power (D3hot) or none (D3cold)."""
    machine = world.machine
    running = [seat for seat in seats if seat.ndis.protocol.power.keeps_running()]
    cold = rng.below(2) == 1
    _say(world, "the system goes to sleep")
    saved = []
    for seat in seats:
        seat.ndis.protocol.drain()
        if seat in running:
            _put_to_sleep(seat)
        else:
            _stop(seat)
        saved.append(_power_down(seat))
        if rng.below(2) and seat in running:
            seat.ndis.protocol.receiving.give_all_back()
        for other in seats:
            if other.nic.awake:  # it may pull the line that it shares with those who sleep
                other.nic.link_changed(other.nic.wire.up)
        machine.settle()
    for seat in seats:
        if cold or not seat.nic.config.has_power:
            seat.nic.power_off()
    machine.settle(machine.clock.now + ASLEEP_NS)
    _say(world, "the system wakes")
    for seat, registers in zip(seats, saved, strict=True):
        _power_up(seat, registers)
        if seat in running:
            seat.ndis.protocol.power.wake()
            continue
        _start(seat)
        if not seat.refused:
            seat.ndis.protocol.hang.start()
            seat.ndis.protocol.power.tell_source()
            seat.ndis.protocol.requests.restore()


def _rebalance(world: World, seats: list[Seat], rng: Random) -> None:
    """Every adapter stops; then the cards get other resources, and start."""
    vector = OTHER_VECTORS[rng.below(len(OTHER_VECTORS))]

    def move(seat: Seat) -> None:
        if seat.nic.present:
            seat.machine.move_nic(seat.nic, MESSAGE_VECTOR + 16 + seat.nic.adapter if seat.machine.messages else vector)

    _stop_and_start(world, seats, move)


def _stop(seat: Seat) -> None:
    """MiniportHalt in mid life: what NDIS kept back stays with it."""
    seat.ndis.protocol.withdraw()
    halt(seat)


def _start(seat: Seat) -> None:
    """MiniportInitialize once more, with a handle of its own."""
    ndis = seat.ndis
    numbers = ndis.adapter.named
    ndis.adapter = Adapter(ndis, seat.nic, seat.nic.adapter)
    ndis.adapter.named = numbers  # the second life's blocks are not called as the first one's
    initialize(seat)
    if not seat.refused:
        up(seat)


def _put_to_sleep(seat: Seat) -> None:
    """OID_PNP_SET_POWER to D3; a frame still arrives before the card loses its power."""
    ndis, nic, machine = seat.ndis, seat.nic, seat.machine
    ndis.protocol.power.sleep()
    machine.bus.drain()
    nic.dma.quiet, nic.dma.shut_down = ASLEEP, True
    nic.receive_frame(LATE_FRAME)
    machine.settle(machine.clock.now + MS)
    nic.dma.quiet, nic.dma.shut_down = SHUT_DOWN, False
    ndis.protocol.power.quiet()


def _power_down(seat: Seat) -> tuple[tuple[int, bytes], ...]:
    """The bus driver: keep what belongs to the system, then D3hot."""
    config = seat.nic.config
    seat.machine.bus.drain()
    saved = config.saved()
    config.power_state = D3
    return saved


def _power_up(seat: Seat, saved: tuple[tuple[int, bytes], ...]) -> None:
    """The bus driver: D0, then what it kept. What the miniport had written to configuration space is lost."""
    nic = seat.nic
    nic.power_on()
    nic.config.power_state = D0
    nic.config.restore(saved)


def _say(world: World, text: str) -> None:
    world.machine.events.append((world.machine.clock.now, Kind.POWER, 0, "system", text))


# The end


def halt(seat: Seat) -> None:
    """MiniportHalt: everything is given back, and the card is still."""
    ndis = seat.ndis
    judge.receives_back(seat)
    ndis.protocol.halting()
    ndis.up = False
    ndis.call(Handler.HALT, ndis.miniport.halt, irql=PASSIVE_LEVEL)
    judge.halted(seat)


def _surprise(seat: Seat) -> None:
    ndis = seat.ndis
    seat.nic.remove()
    seat.machine.settle()
    if ndis.ndis_version >= (5, 1) and ndis.adapter.attributes & NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK:
        ndis.call(Handler.PNP_EVENT_NOTIFY, ndis.miniport.pnp_event_notify, "surprise-removed", b"", irql=PASSIVE_LEVEL)
    ndis.protocol.offer([LATE_FRAME])
    exchange([ndis.protocol], seat.machine)
    halt(seat)


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


def watch_card(seat: Seat) -> None:
    """After halt the system goes on: frames still arrive, and a card that runs still writes."""
    seat.nic.wire.tap = None  # this frame is the bed's: the capture holds those of the life
    if seat.machine.injector is not None:
        seat.machine.injector.paused = True
    seat.nic.wire.deliver(LATE_FRAME)
    seat.machine.settle(seat.machine.clock.now + AFTER_LIFE_NS)


ENDS: dict[str, Callable[[Seat], None]] = {
    "halt": halt, "power-off": _power_off, "bug-check": _bug_check, "surprise": _surprise, "suspend": halt, "rebalance": halt}
"""How each life ends."""
MIDDLES: dict[str, Middle] = {"suspend": _suspend, "rebalance": _rebalance}
"""What comes in the middle of some lives."""
