# SPDX-License-Identifier: Apache-2.0
"""Which locks protect which field of an adapter context: data that handlers share need a lock that all of them hold.

Each access of a field is a *kind of access*: which handler, reading or writing, with which locks. Two kinds race if their
handlers can run at the same time, one of them writes, and no lock is common. The accesses need not meet in this world: a
field that `send` changes under no lock and `handle_interrupt` under another is found on any schedule.

Held to be a lock: each spin lock, the interrupt (in `isr`, and in the function of NdisMSynchronizeWithInterrupt), and the
lock that NDIS holds around the handlers of a serialized miniport. Not looked at: initialize, halt, shutdown, reset and the set of
OID_PNP_SET_POWER to D0, which have the adapter to themselves or stop the card first; accesses by the interlocked routines; elements of arrays, which a
ring hands over from one handler to the other together with the descriptor; and reading alone in requests and in
`check_for_hang`, where a number of one word is a snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniport.context import Array, ContextField
from miniport.handlers import METHODS, Handler
from verifier.address import Span
from verifier.address_book import Block
from verifier.rule import rule
from verifier.where import Where

if TYPE_CHECKING:
    from miniport.ndis import Ndis

LOCKSET = rule(
    "lockset", "touch the field under one spin lock in every handler; what the ISR shares, in a function that "
    "NdisMSynchronizeWithInterrupt runs; a counter alone, by the interlocked routines", also=("int-sync-only-way", "lock-not-for-isr"))

INTERRUPT_LOCK = "the interrupt"
NDIS_LOCK = "NDIS's lock"

_AT_DIRQL = Handler.ISR | Handler.DISABLE_INTERRUPT
_APART = (Handler.INITIALIZE | Handler.HALT | Handler.SHUTDOWN | Handler.RESET | Handler.DRIVER_ENTRY | Handler.UNLOAD | Handler.PNP_EVENT_NOTIFY)
"""Handlers whose accesses do not count."""
_GROUP = {
    Handler.DISABLE_INTERRUPT: Handler.ISR, Handler.ENABLE_INTERRUPT: Handler.HANDLE_INTERRUPT, Handler.SEND_PACKETS: Handler.SEND,
    Handler.SET_INFORMATION: Handler.QUERY_INFORMATION,
}
"""Handlers that never run beside each other, under the name of one of them."""
_BESIDE_ITSELF = Handler.SEND | Handler.RETURN_PACKET | Handler.WORK_ITEM
"""Handlers that a deserialized miniport sees on several processors at once."""
_SNAPSHOT = Handler.QUERY_INFORMATION | Handler.CHECK_FOR_HANG
"""Handlers in which reading alone is no race."""


class _Kind:
    """One kind of access."""

    __slots__ = ("group", "handler", "locks", "writes")

    def __init__(self, handler: int, group: int, writes: bool, locks: frozenset[Any]) -> None:
        self.handler = handler
        self.group = group
        self.writes = writes
        self.locks = locks

    def races(self, other: _Kind, processors: int) -> bool:
        """True if the two can meet with no lock between them."""
        if not (self.writes or other.writes) or self.locks & other.locks:
            return False
        if any(kind.group & _SNAPSHOT and not kind.writes for kind in (self, other)):
            return False
        return self.group != other.group or (processors > 1 and bool(self.group & _BESIDE_ITSELF))

    @property
    def text(self) -> str:
        """``send writes it under spin lock #1``."""
        names = sorted(lock if isinstance(lock, str) else lock.name for lock in self.locks)
        return f"{METHODS[self.handler]} {'writes' if self.writes else 'reads'} it under {' and '.join(names) or 'no lock'}"


class Lockset:
    """The watch over the contexts of one adapter. `enter` tells it which handler runs, `locks_changed` that a lock was taken or
    let go; the processor port asks `first` about an access of a kind that it did not yet see at that address."""

    __slots__ = ("_group", "_handler", "_kinds", "_ndis", "_numbers", "_outer", "_seen", "_told", "waking")

    def __init__(self, ndis: Ndis) -> None:
        self._ndis = ndis
        self._handler = 0
        self._group = 0
        """Handlers of one group never run beside each other. The function of NdisMSynchronizeWithInterrupt is of its caller's."""
        self._outer = 0
        """How many of the held locks belong to whom the running handler interrupted."""
        self._numbers: dict[tuple[int, int, frozenset[Any]], int] = {}
        self._kinds: list[_Kind] = []
        self._seen: dict[int, list[tuple[_Kind, Where | None]]] = {}
        self._told: set[int] = set()
        self.waking = False
        """True during OID_PNP_SET_POWER to D0: the card is as after power-up, and no other handler runs before it is started."""

    def enter(self, handler: int) -> tuple[int, int, int, int, int]:
        """*handler* begins; returns what `leave` takes back."""
        port = self._ndis.port
        before = (self._handler, self._group, self._outer, port.read_bit, port.write_bit)
        if handler & _AT_DIRQL:
            self._outer = len(self._ndis.held)
        self._handler = handler
        if handler != Handler.SYNCHRONIZE:
            self._group = _GROUP.get(handler, handler)
        self.locks_changed()
        return before

    def leave(self, before: tuple[int, int, int, int, int]) -> None:
        """The handler is done; the one that it interrupted goes on."""
        port = self._ndis.port
        self._handler, self._group, self._outer, port.read_bit, port.write_bit = before

    def locks_changed(self) -> None:
        """Work out which kind the accesses are from here on."""
        ndis, handler, group = self._ndis, self._handler, self._group
        port = ndis.port
        if (handler | group) & _APART or not handler or (self.waking and handler == Handler.SET_INFORMATION):
            port.read_bit = port.write_bit = 0
            return
        locks: frozenset[Any] = frozenset(ndis.held[self._outer:]) if len(ndis.held) > self._outer else _NO_LOCKS
        if handler & (_AT_DIRQL | Handler.SYNCHRONIZE):
            locks |= {INTERRUPT_LOCK}
        elif ndis.adapter.serialized and handler != Handler.WORK_ITEM:
            locks |= {NDIS_LOCK}
        number = self._numbers.get((handler, group, locks))
        if number is None:
            number = self._numbers[handler, group, locks] = len(self._kinds)
            for writes in (False, True):
                self._kinds.append(_Kind(handler, group, writes, locks))
        port.read_bit, port.write_bit = 1 << number, 2 << number

    def first(self, block: Block, offset: int, size: int, bit: int) -> None:
        """The first access of the kind with *bit* to the field at *offset* of *block*: does it race with one seen before?"""
        ndis = self._ndis
        at = block.virtual + offset
        kind = self._kinds[bit.bit_length() - 1]
        where = ndis.where.capture()
        seen = self._seen.setdefault(at, [])
        if at not in self._told:
            processors = len(ndis.scheduler.processors)
            for other, line in [*seen, (kind, where)]:
                if kind.races(other, processors):
                    self._told.add(at)
                    self._report(block, offset, size, kind, other, where, line)
                    break
        seen.append((kind, where))

    def _report(self, block: Block, offset: int, size: int, kind: _Kind, other: _Kind, where: Where | None, line: Where | None) -> None:
        field = self._field(block, offset)
        if field is None or isinstance(field, Array):
            return
        if other is kind:
            story, related = f"{kind.text}, and runs on several processors at once", []
        else:
            if len(other.locks) < len(kind.locks):
                kind, where, other, line = other, line, kind, where
            story, related = f"{kind.text}, {other.text}", [(f"{METHODS[other.handler]} {'writes' if other.writes else 'reads'} it", line)]
        also: tuple[str, ...] = ("int-sync-only-way",)
        if Handler.ISR in (kind.group, other.group) and any(not isinstance(lock, str) for lock in kind.locks | other.locks):
            also += ("lock-not-for-isr",)
        self._ndis.findings.report(
            LOCKSET, f"{field.name} is shared and no lock is common: {story}", where=where, space="virtual",
            span=Span(block.virtual + offset, size), block=block, subject=("lockset", block.virtual + offset), related=related,
            also=also)

    def _field(self, block: Block, offset: int) -> ContextField | None:
        """The field of a context that lies at *offset* of *block*."""
        for context in reversed(self._ndis.port.contexts):
            if context.view.block is block:
                field: ContextField | None = context.field_at(offset - context.view.offset)
                return field
        return None


_NO_LOCKS: frozenset[Any] = frozenset()
