# SPDX-License-Identifier: Apache-2.0
"""Which locks protect which field of an adapter context: data that handlers share need a lock that all of them hold.

Each access of a field is a *kind of access*: which handler, reading or writing, with which locks. Two kinds race if their
handlers can run at the same time, one of them writes, and no lock is common. The accesses need not meet in this world: a
field that `send` changes under no lock and `handle_interrupt` under another is found on any schedule.

Held to be a lock: each spin lock, the interrupt (in `isr`, and in the function of NdisMSynchronizeWithInterrupt), and the
lock that NDIS holds around the handlers of a serialized miniport. Not looked at: initialize, halt, shutdown, reset and the set of
OID_PNP_SET_POWER to D0, which have the adapter to themselves or stop the card first; accesses by the interlocked routines;
and reading alone in requests and in `check_for_hang`, where a number of one word is a snapshot. Elements of arrays and plain memory are
handed over from one handler to the other, as a slot of a ring is together with its descriptor: there handlers have to meet
(`miniport.meetings`).

An access costs a look at a mask. Its line is noted where rivals meet, and where a field is written under no lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from hw.processor_port import Access
from miniport.context import Array, ContextField
from miniport.handlers import METHODS, Handler
from miniport.meetings import Meetings
from miniport.status import NDIS_ATTRIBUTE_DESERIALIZE
from verifier.address import Span
from verifier.address_book import Block
from verifier.rule import rule
from verifier.where import Where, where_of_function

if TYPE_CHECKING:
    from miniport.ndis import Ndis

LOCKSET = rule(
    "lockset", "touch the field under one spin lock in every handler; what the ISR shares, in a function that "
    "NdisMSynchronizeWithInterrupt runs; a counter alone, by the interlocked routines", also=("int-sync-only-way", "lock-not-for-isr"))

INTERRUPT_LOCK = "the interrupt"
NDIS_LOCK = "NDIS's lock"

_AT_DIRQL = Handler.ISR | Handler.DISABLE_INTERRUPT
_APART = (Handler.INITIALIZE | Handler.HALT | Handler.SHUTDOWN | Handler.RESET | Handler.DRIVER_ENTRY | Handler.UNLOAD
          | Handler.PNP_EVENT_NOTIFY)
"""Handlers whose accesses do not count."""
_GROUP = {
    Handler.DISABLE_INTERRUPT: Handler.ISR, Handler.ENABLE_INTERRUPT: Handler.HANDLE_INTERRUPT, Handler.SEND_PACKETS: Handler.SEND,
    Handler.SET_INFORMATION: Handler.QUERY_INFORMATION,
}
"""Handlers that never run beside each other, under the name of one of them."""
_BESIDE_ITSELF = Handler.SEND | Handler.RETURN_PACKET | Handler.WORK_ITEM
"""Handlers that a deserialized miniport sees on several processors at once."""
_SYNCHRONIZE = Handler.SYNCHRONIZE
_NO_LOCK: frozenset[str] = frozenset()
_SNAPSHOT = Handler.QUERY_INFORMATION | Handler.CHECK_FOR_HANG
"""Handlers in which reading alone is no race."""


class Kind:
    """One kind of access."""

    __slots__ = ("group", "handler", "locks", "order", "writes")

    def __init__(self, handler: int, group: int, writes: bool, locks: frozenset[str]) -> None:
        self.handler = handler
        self.group = group
        self.writes = writes
        self.locks = locks
        """Names of locks."""
        self.order = (len(locks), not writes, handler, sorted(locks))
        """Which of several rivals a finding names."""

    def races(self, other: Kind, many: bool) -> bool:
        """True if the two can meet with no lock between them."""
        if not (self.writes or other.writes) or self.locks & other.locks:
            return False
        if any(kind.group & _SNAPSHOT and not kind.writes for kind in (self, other)):
            return False
        return self.group != other.group or (many and bool(self.group & _BESIDE_ITSELF))

    @property
    def text(self) -> str:
        """``send writes it under spin lock #1``."""
        return f"{METHODS[self.handler]} {'writes' if self.writes else 'reads'} it under {' and '.join(sorted(self.locks)) or 'no lock'}"


class _Kinds:
    """The kinds of access of one miniport, from one world to the next: which race is worked out once. *many* processors."""

    __slots__ = ("accesses", "all", "many", "rivals", "without_lock")

    def __init__(self, many: bool) -> None:
        self.many = many
        self.all: list[Kind] = []
        self.rivals: list[int] = []
        """For each kind the bits of those that it races with."""
        self.accesses: dict[tuple[int, int, frozenset[str]], Access] = {}
        self.without_lock: dict[tuple[int, int, bool, int], Access | None] = {}
        """What the accesses are while the miniport holds no lock: by handler, group, `Lockset.waking` and NDIS_ATTRIBUTE_DESERIALIZE."""

    def access_of(self, handler: int, group: int, locks: frozenset[str]) -> Access:
        """The pair of kinds, a load and a store, that the processor port knows."""
        access = self.accesses.get((handler, group, locks))
        if access is None:
            access = self.accesses[handler, group, locks] = Access(1 << len(self.all), not locks)
            for writes in (False, True):
                self._enter(Kind(handler, group, writes, locks))
            for number, entered in enumerate(self.accesses.values()):
                entered.read_rivals, entered.write_rivals = self.rivals[2 * number:2 * number + 2]
        return access

    def _enter(self, kind: Kind) -> None:
        own, rivals = 1 << len(self.all), 0
        for number, other in enumerate(self.all):
            if kind.races(other, self.many):
                rivals |= 1 << number
                self.rivals[number] |= own
        if kind.races(kind, self.many):
            rivals |= own
        self.all.append(kind)
        self.rivals.append(rivals)

    def first_of(self, bits: int) -> int:
        """The number of the kind among *bits* that a finding names, whatever came first in this process."""
        return min((number for number in range(bits.bit_length()) if bits >> number & 1), key=lambda number: self.all[number].order)


_kinds: WeakKeyDictionary[type, dict[bool, _Kinds]] = WeakKeyDictionary()


def _kinds_of(miniport: type, many: bool) -> _Kinds:
    of_class = _kinds.setdefault(miniport, {})
    kinds = of_class.get(many)
    if kinds is None:
        kinds = of_class[many] = _Kinds(many)
    return kinds


class Lockset:
    """The watch over the contexts of one adapter. `enter` tells it which handler runs, `locks_changed` that a lock was taken or
    let go. Each kind of access has a bit; the processor port keeps the bits that each field has seen, and calls `race` when
    rivals meet there."""

    __slots__ = ("_group", "_handler", "_held", "_kinds", "_known", "_late", "_lines", "_names", "_ndis", "_outer", "_port", "_told",
                 "meetings", "waking")

    def __init__(self, ndis: Ndis) -> None:
        self._ndis = ndis
        self._port = ndis.port
        self._held = ndis.held
        self._handler = 0
        self._group = 0
        """Handlers of one group never run beside each other. The function of NdisMSynchronizeWithInterrupt is of its caller's."""
        self._outer = 0
        """How many of the held locks belong to whom the running handler interrupted."""
        self._kinds = _kinds_of(type(ndis.miniport), len(ndis.scheduler.processors) > 1)
        self._known: dict[tuple[Any, ...], Access | None] = {}
        """What the accesses are, by handler, group and held locks."""
        self._names: dict[Any, str] = {}
        """The name of each lock that was held; two of one name are told apart."""
        self._late: dict[int, tuple[Block, int, int, Kind, Where | None, Kind]] = {}
        """Races whose line to blame was not noted; the next access from there tells it, else `finish`."""
        self._lines: dict[tuple[int, int], Where | None] = {}
        """Where a field was first written without a lock, by address and bit."""
        self._told: set[int] = set()
        self.meetings = Meetings(ndis, self) if self._kinds.many else None
        """Where handlers meet in memory that is handed over; None on one processor."""
        self.waking = False
        """True during OID_PNP_SET_POWER to D0: the card is as after power-up, and no other handler runs before it is started."""

    def enter(self, handler: int) -> tuple[int, int, int, Access | None]:
        """*handler* begins; returns what `leave` takes back."""
        before = (self._handler, self._group, self._outer, self._port.access)
        if self.meetings is not None:
            self.meetings.enter(self._ndis.scheduler.current.number)
        if handler & _AT_DIRQL:
            self._outer = len(self._held)
        self._handler = handler
        if handler != _SYNCHRONIZE:
            self._group = _GROUP.get(handler, handler)
        self.locks_changed()
        return before

    def leave(self, before: tuple[int, int, int, Access | None]) -> None:
        """The handler is done; the one that it interrupted goes on."""
        self._handler, self._group, self._outer, self._port.access = before
        if self.meetings is not None:
            self.meetings.leave()

    def locks_changed(self) -> None:
        """Work out which kind the accesses are from here on."""
        self._port.epoch += 1
        if len(self._held) <= self._outer:
            plain = self._handler, self._group, self.waking, self._ndis.adapter.attributes & NDIS_ATTRIBUTE_DESERIALIZE
            try:
                self._port.access = self._kinds.without_lock[plain]
            except KeyError:
                self._port.access = self._kinds.without_lock[plain] = self._access_of(_NO_LOCK)
            return
        key = (self._handler, self._group, self.waking, *self._held[self._outer:])
        try:
            self._port.access = self._known[key]
        except KeyError:
            self._port.access = access = self._access_of(frozenset([self._names.get(lock) or self._name(lock) for lock in key[3:]]))
            if self._handler != Handler.TIMER:  # one may fire before the attributes say that the miniport is serialized
                self._known[key] = access

    def _name(self, lock: Any) -> str:
        name = str(lock.name)
        while name in self._names.values():
            name += "'"
        self._names[lock] = name
        return name

    def _access_of(self, locks: frozenset[str]) -> Access | None:
        """What the accesses of the running handler with *locks* are, None where they do not count."""
        handler, group = self._handler, self._group
        if (handler | group) & _APART or not handler or (self.waking and handler == Handler.SET_INFORMATION):
            return None
        if handler & (_AT_DIRQL | Handler.SYNCHRONIZE):
            locks |= {INTERRUPT_LOCK}
        elif self._ndis.adapter.serialized and handler != Handler.WORK_ITEM:
            locks |= {NDIS_LOCK}
        return self._kinds.access_of(handler, group, locks)

    def note(self, at: int, bit: int) -> None:
        """The first access of the kind with *bit*, which holds no lock and writes, to the field at *at*."""
        self._lines[at, bit] = self._ndis.where.capture()

    def race(self, block: Block, offset: int, size: int, bit: int, rivals: int) -> None:
        """The first access of the kind with *bit* to the field at *offset* of *block*, which *rivals* have accessed."""
        at = block.virtual + offset
        kind, where = self._kinds.all[bit.bit_length() - 1], self._ndis.where.capture()
        late = self._late.pop(at, None)
        if late is not None and late[5] is kind:
            self._report(block, offset, size, kind, where, late[3], late[4])
        elif late is not None:
            self._late[at] = late
        elif at not in self._told:
            self._told.add(at)
            number = self._kinds.first_of(rivals)
            other = self._kinds.all[number]
            if other is not kind and len(other.locks) < len(kind.locks):
                line = self._lines.get((at, 1 << number))
                if line is not None:
                    self._report(block, offset, size, other, line, kind, where)
                    return
                # The other access is to blame, and nobody noted its line: it comes by again, or the world ends.
                self._late[at] = block, offset, size, kind, where, other
                self._ndis.port.touched[at] &= ~(1 << number)
            else:
                self._report(block, offset, size, kind, where, other, None)

    def kind_of(self, bit: int) -> Kind:
        """The kind of access with *bit*."""
        return self._kinds.all[bit.bit_length() - 1]

    def worst_of(self, bits: int) -> Kind:
        """The kind among *bits* that a finding names."""
        return self._kinds.all[self._kinds.first_of(bits)]

    def finish(self) -> None:
        """The world is over: what no later access told is told now, at the handler that is to blame."""
        for block, offset, size, kind, where, other in self._late.values():
            self._report(block, offset, size, other, self._line_of(other), kind, where)
        self._late.clear()

    def _line_of(self, kind: Kind) -> Where | None:
        return where_of_function(getattr(self._ndis.miniport, METHODS[kind.handler], None))

    def _report(self, block: Block, offset: int, size: int, kind: Kind, where: Where | None, other: Kind, line: Where | None) -> None:
        field = self.field(block, offset)
        if field is not None and not isinstance(field, Array):
            self.report(block, offset, size, field.name, kind, where, other, line)

    def report(self, block: Block, offset: int, size: int, name: str, kind: Kind, where: Where | None, other: Kind,
               line: Where | None) -> None:
        """A finding at *where*, an access of *kind* to what is called *name*; *line* is that of *other*, None for the whole handler."""
        if other is kind:
            story, related = f"{kind.text}, and runs on several processors at once", []
        else:
            story = f"{kind.text}, {other.text}"
            related = [(f"{METHODS[other.handler]} {'writes' if other.writes else 'reads'} it", line or self._line_of(other))]
        also: tuple[str, ...] = ("int-sync-only-way",)
        if Handler.ISR in (kind.group, other.group) and (kind.locks | other.locks) - {INTERRUPT_LOCK, NDIS_LOCK}:
            also += ("lock-not-for-isr",)
        self._ndis.findings.report(
            LOCKSET, f"{name} is shared and no lock is common: {story}", where=where, space="virtual",
            span=Span(block.virtual + offset, size), block=block, subject=("lockset", block.virtual + offset), related=related,
            also=also)

    def field(self, block: Block, offset: int) -> ContextField | None:
        """The field of a context that lies at *offset* of *block*."""
        for context in reversed(self._ndis.port.contexts):
            if context.view.block is block:
                field: ContextField | None = context.field_at(offset - context.view.offset)
                return field
        return None
