# SPDX-License-Identifier: Apache-2.0
"""Handlers that truly met in memory: a handler was interrupted behind its access to an element of an array or to plain memory, and the
other one, on another processor or the ISR, accessed the same bytes with no lock in common.

Such memory is handed over: a slot of a ring belongs to whoever took it, together with its descriptor. What locks protect it can
therefore not be said from all accesses of a life, as for the fields of a context (`miniport.lockset`). Here only two accesses count with
nothing between them that could hand anything over: since its access the interrupted handler took and let go no lock, called no routine,
touched no register, stored nothing where a device sees it, and did nothing interlocked; and it was interrupted in the midst of its own
code, at an access to memory. Nothing orders such two accesses, on any machine.
"""

from __future__ import annotations

import sys
from itertools import islice
from types import FrameType
from typing import TYPE_CHECKING

from miniport.context import Array
from miniport.handlers import Handler
from verifier.address_book import Block
from verifier.events import Kind
from verifier.where import Where, is_miniport

if TYPE_CHECKING:
    from miniport.lockset import Lockset
    from miniport.ndis import Ndis

_PLAIN = ("NdisAllocateMemory", "NdisAllocateMemoryWithTag", "ExAllocatePool", "ExAllocatePoolWithTag")
"""What gives memory that only processors use."""
_MOST = 256
"""Accesses of one handler that are kept; a loop over more begins anew."""
_ISR = Handler.ISR | Handler.DISABLE_INTERRUPT
_MEMORY = ("miniport/context.py", "miniport/view.py")
"""Files through whose functions a handler reaches memory."""

_HANDS_OVER = (Kind.ROUTINE, Kind.REGISTER_READ, Kind.REGISTER_WRITE)
"""Events after which an access is over."""

_Seen = dict[int, tuple[int, int, int, int]]
"""By virtual address: size, bit of the kind, epoch and number of events at the last access that began there."""


class Meetings:
    """The watch over what the handlers of one adapter access that have not returned."""

    __slots__ = ("_events", "_lockset", "_ndis", "_outer", "_port", "_processor", "_seen", "_told")

    def __init__(self, ndis: Ndis, lockset: Lockset) -> None:
        self._ndis = ndis
        self._lockset = lockset
        self._port = ndis.port
        self._events = ndis.machine.events.events
        self._processor = 0
        self._seen: _Seen = {}
        self._outer: list[tuple[int, _Seen, int, int]] = []
        """Handlers that wait, each with its processor, what it accessed, and the epoch and events when it was interrupted."""
        self._told: set[int] = set()

    def enter(self, processor: int) -> None:
        """A handler begins on *processor*; the one that ran waits."""
        self._outer.append((self._processor, self._seen, self._port.epoch, len(self._events)))
        self._processor, self._seen = processor, {}

    def leave(self) -> None:
        """It is done, and the one that waited goes on. What happened meanwhile is not its doing."""
        self._processor, seen, epoch, events = self._outer.pop()
        if seen:
            now, length = self._port.epoch, len(self._events)
            seen = {at: (size, bit, now, length) for at, (size, bit, then, mark) in seen.items()
                    if then == epoch and self._quiet(mark, events)}
        self._seen = seen

    def meet(self, block: Block, offset: int, size: int, writes: bool) -> None:
        """The running handler is about to access *size* bytes at *offset* of *block*."""
        port = self._port
        access = port.access
        if access is None:
            return
        rivals = access.write_rivals if writes else access.read_rivals
        if rivals and len(self._outer) > 1:
            self._look(block, offset, size, access.write_bit if writes else access.read_bit, rivals)
        seen = self._seen
        if len(seen) >= _MOST:
            seen.clear()
        at = block.virtual + offset
        before = seen.get(at)
        if before is not None and not writes and before[2] == port.epoch and before[3] == len(self._events):
            return  # a store weighs more than the load behind it
        seen[at] = size, access.write_bit if writes else access.read_bit, port.epoch, len(self._events)

    def _look(self, block: Block, offset: int, size: int, bit: int, rivals: int) -> None:
        at, here = block.virtual + offset, self._processor
        is_isr = bool(self._lockset.kind_of(bit).group & _ISR)
        for depth, (processor, seen, epoch, events) in enumerate(reversed(self._outer[1:]), 1):
            if processor == here and not is_isr:
                continue
            for start, (length, other, then, mark) in seen.items():
                if start < at + size and at < start + length and other & rivals and then == epoch and self._quiet(mark, events):
                    self._found(block, offset, size, bit, other, depth)
                    return

    def _quiet(self, mark: int, events: int) -> bool:
        """True if between the access and the interruption nothing happened but in memory."""
        if events == self._events.maxlen:
            return False
        return all(event[1] not in _HANDS_OVER for event in islice(self._events, mark, events))

    def _found(self, block: Block, offset: int, size: int, bit: int, other: int, depth: int) -> None:
        at = block.virtual + offset
        name = self._name(block, offset)
        line = self._interrupted(depth)
        if at in self._told or name is None or line is None:
            return
        self._told.add(at)
        lockset = self._lockset
        mine, theirs, where = lockset.kind_of(bit), lockset.kind_of(other), self._ndis.where.capture()
        if len(theirs.locks) < len(mine.locks):
            mine, theirs, where, line = theirs, mine, line, where
        lockset.report(block, offset, size, name, mine, where, theirs, line)

    def _name(self, block: Block, offset: int) -> str | None:
        """What a finding calls the bytes; None for what is no element and no plain memory."""
        field = self._lockset.field(block, offset)
        if isinstance(field, Array):
            context = next(c for c in reversed(self._port.contexts) if c.view.block is block)
            return f"{field.name}[{(offset - context.view.offset - field.offset) // field.element.size}]"
        return f"byte 0x{offset:x} of {block.name}" if field is None and block.routine in _PLAIN else None

    def _interrupted(self, depth: int) -> Where | None:
        """The line at which the handler that waits *depth* handlers further out accesses memory; None where it waits elsewhere."""
        entry = type(self._ndis).call.__code__
        frame: FrameType | None = sys._getframe(1)
        inner: FrameType | None = None
        while frame is not None:
            if frame.f_code is entry:
                depth -= 1
            elif depth <= 0 and is_miniport(frame.f_code):
                file = inner.f_code.co_filename.replace("\\", "/") if inner is not None else ""
                return (frame.f_code, frame.f_lasti) if file.endswith(_MEMORY) else None
            inner, frame = frame, frame.f_back
        return None
