# SPDX-License-Identifier: Apache-2.0
"""The core of the smart NIC on the virtual clock: slices, sleep, events, mailbox, timer, watchdog (data sheet 7.2, 4.7).

What a slice does happens at the moment in which it begins; the time that it took passes behind it. A slice ends where the program goes
to sleep, and after `SLICE` instructions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from firmware.image import Image
from firmware.target import RAM_BASE, RAM_BYTES
from hw.clock import MS
from hw.nic.smart_bus import SYSTEM_BASE, WINDOW_BASE, WINDOW_BYTES, CardBus, LocalMemory
from hw.nic.smart_source import Source
from hw.ram import POISON
from hw.rv32.engine import Region, make_engine

if TYPE_CHECKING:
    from hw.nic.smart import SmartNic

INSTRUCTION_NS = 10
SLICE = 2_000
"""Instructions in a row at most, before anything else of the machine may happen."""
WAKE_NS = 50
WATCHDOG_NS = 1 * MS

HOST, RX, TX_FREE, TIMER, LINK = (1 << bit for bit in range(5))
EMPTY = 0xFFFF_FFFF
_POISON = bytes([POISON])
_Of = TypeVar("_Of")


class Core:
    """The core with its memory, from START to the next reset. It begins when `start` is called."""

    __slots__ = ("_begun", "_end", "_executed", "_fed", "_mailbox", "_nic", "_scheduled", "_stalled", "_started", "_timer_due",
                 "_value", "_wanted", "bus", "engine", "heartbeats", "memory", "running", "sleeping", "source", "timer_ran_out",
                 "worked")

    def __init__(self, nic: SmartNic, image: Image) -> None:
        ram, window = bytearray(_POISON * RAM_BYTES), bytearray(WINDOW_BYTES)
        for segment in image.segments:
            at = segment.address - RAM_BASE
            ram[at:at + segment.memory_length] = segment.data.ljust(segment.memory_length, b"\0")
        self._nic = nic
        self.memory = LocalMemory(RAM_BASE, ram, window)
        self.bus = CardBus()
        self.source = Source(image.lines)
        self.engine = make_engine(nic.engine, (
            Region("RAM", RAM_BASE, ram, executable=True), Region("receive window", WINDOW_BASE, window, writable=False)), self.bus)
        self.engine.reset(image.entry)
        self.running = False
        """False before `start`, and from the moment on in which the program has ended, however that was."""
        self.sleeping = False
        self.worked = False
        """True if the program did something in this slice that others can see, or took a word."""
        self.heartbeats = 0
        self.timer_ran_out = False
        self._mailbox: deque[tuple[int, int]] = deque()
        self._value = 0
        self._wanted = 0
        self._scheduled = False
        self._begun = self._end = self._fed = self._started = nic.clock.now
        self._executed = 0
        self._stalled = 0
        self._timer_due = 0
        self._connect()

    def _connect(self) -> None:
        """Put the system registers on the local bus (7.2)."""
        add, base, nic = self.bus.add, SYSTEM_BASE, self._nic
        add(base + 0x00, self.events, None)
        add(base + 0x04, self._take_word, None)
        add(base + 0x08, lambda: self._value, None)
        add(base + 0x0C, None, self._sleep)
        add(base + 0x10, None, nic.reported)
        add(base + 0x14, lambda: self.now - self._started & 0xFFFF_FFFF, None)
        add(base + 0x18, None, self._set_timer)
        add(base + 0x1C, None, self._heartbeat)
        add(base + 0x20, None, nic.asserted)
        add(base + 0x24, None, self._acknowledge)

    # Time

    @property
    def now(self) -> int:
        """The moment in which the core is, in ns: within a slice, and at its end, ahead of the clock."""
        return max(self._nic.clock.now,
                   self._begun + (self.engine.executed - self._executed) * INSTRUCTION_NS + self._stalled)

    @property
    def busy(self) -> bool:
        """True while the program has something to do, or is about to wake."""
        return self.running and (self._scheduled or not self.sleeping)

    def stall(self, ns: int) -> None:
        """The core stands still for *ns* more, while a device works for it."""
        self._stalled += ns

    def start(self) -> None:
        """The first instruction comes now."""
        self.running = True
        self._schedule(WAKE_NS)

    def stop(self) -> None:
        """The core executes nothing any more."""
        self.running = False
        self.engine.pause()

    def hang(self) -> None:
        """A fault: the core stands still, and the watchdog finds it."""
        self.running = False
        self.later(WATCHDOG_NS, self._nic.hung)

    def later(self, ns: int, action: Callable[[], None], *, background: bool = False) -> None:
        """Call *action* in *ns*, unless the card has another program, or none, by then."""
        self._nic.clock.at(ns, lambda: action() if self._nic.core is self else None, background=background)

    def notify(self) -> None:
        """Something came that may be an event: a core that sleeps for it wakes."""
        if self.sleeping and self.running and not self._scheduled and self.events() & self._wanted:
            self._schedule(max(WAKE_NS, self._end - self._nic.clock.now))

    def resume(self) -> None:
        """The card has its clock again."""
        if self.sleeping:
            self.notify()
        elif self.running and not self._scheduled:
            self._schedule(WAKE_NS)

    def _schedule(self, ns: int, *, background: bool = False) -> None:
        self._scheduled = True
        self.later(ns, self._slice, background=background)

    def _slice(self) -> None:
        self._scheduled = False
        nic, engine = self._nic, self.engine
        if not self.running or not nic.awake:
            return
        self._begun, self._executed, self._stalled = nic.clock.now, engine.executed, 0
        self.worked = False
        if self.sleeping:
            self.sleeping = False
            self._fed = self._begun
            if nic.machine.injector is not None and nic.woken():
                return
        engine.run(SLICE)
        end = self._end = self.now
        if engine.trap is not None:
            self._ends(nic.trapped, engine.trap)
        elif not self.running:
            return
        elif self.sleeping:
            self.notify()
        elif end - self._fed > WATCHDOG_NS:
            self._ends(nic.hung_at, engine.pc)
        else:  # nobody waits for a program that only polls: it may do so for ever
            self._schedule(end - nic.clock.now, background=not self.worked and self._fed > self._begun)

    def _ends(self, action: Callable[[_Of], None], what: _Of) -> None:
        """The program has come to its end; the card shows it when the time of the slice has passed."""
        self.running = False
        self.later(self._end - self._nic.clock.now, lambda: action(what))

    # What the host and the wire send

    def post(self, offset: int, value: int) -> None:
        """The host wrote a register: a word for the mailbox. Words for one doorbell in a row are one (7.2)."""
        if not self.running:
            return
        if self._mailbox and self._mailbox[-1][0] == offset and offset != self._nic.CTRL_OFFSET:
            self._mailbox[-1] = offset, value
        else:
            self._mailbox.append((offset, value))
        self.notify()

    # What the program does

    def events(self) -> int:
        """EVENTS."""
        nic = self._nic
        return (HOST * bool(self._mailbox) | RX * bool(nic.fifo.frames) | TX_FREE * nic.transmitter.free(self.now)
                | TIMER * self.timer_ran_out | LINK * nic.link_event)

    def _take_word(self) -> int:
        if not self._mailbox:
            return EMPTY
        self.worked = True
        offset, self._value = self._mailbox.popleft()
        return offset

    def _sleep(self, wanted: int) -> None:
        self._fed = self.now
        if self.events() & wanted:
            return
        self._wanted = wanted
        self.sleeping = True
        self.engine.pause()

    def _heartbeat(self, value: int) -> None:
        self._fed = self.now
        self.heartbeats = self.heartbeats + 1 & 0xFFFF_FFFF

    def _acknowledge(self, bits: int) -> None:
        if bits & TIMER:
            self.timer_ran_out = False
        if bits & LINK:
            self._nic.link_event = False

    def _set_timer(self, ns: int) -> None:
        due = self._timer_due = self.now + ns if ns else 0
        if ns:
            self.later(due - self._nic.clock.now, lambda: self._timer(due))

    def _timer(self, due: int) -> None:
        if due == self._timer_due:
            self.timer_ran_out = True
            self.notify()
