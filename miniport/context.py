# SPDX-License-Identifier: Apache-2.0
"""The adapter context: the miniport's own state, declared field by field and kept in memory that it allocated.

::

    class Context(AdapterContext):
        tx_head = Ulong()
        tx_ring = Pointer()
        packets = Array(Pointer(), 8)

Numbers are bytes in emulated memory; pointers are kept beside it. A context that was freed or is too small is noticed at
every access of a field. State that is shared between handlers belongs here; an attribute of the miniport object escapes.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self, overload

from miniport.view import View
from verifier.address import PAGE_SHIFT
from verifier.address_book import Block, BlockKind

_NOWHERE = Block(BlockKind.OTHER, "nowhere", "", 0, 0)
_NOWHERE.live = False
"""Where numbers are that no short cut reads: the port judges all accesses to them."""


class ContextField:
    """One field: its size in bytes and its place in the context."""

    size: int = 8

    def __init__(self) -> None:
        self.offset = 0
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def get(self, context: AdapterContext, offset: int) -> Any:
        """Read the field at *offset*."""
        raise NotImplementedError

    def put(self, context: AdapterContext, offset: int, value: Any) -> None:
        """Write the field at *offset*."""
        raise NotImplementedError

    @overload
    def __get__(self, context: None, owner: type) -> Self: ...
    @overload
    def __get__(self, context: AdapterContext, owner: type) -> Any: ...
    def __get__(self, context: AdapterContext | None, owner: type) -> Any:
        return self if context is None else self.get(context, self.offset)

    def __set__(self, context: AdapterContext, value: Any) -> None:
        self.put(context, self.offset, value)


class Ulong(ContextField):
    """A 32-bit number."""

    size = 4

    def get(self, context: AdapterContext, offset: int) -> int:
        """Four bytes."""
        view = context.view
        return int.from_bytes(view.port.load_field(view.block, view.offset + offset, 4), "little")

    def put(self, context: AdapterContext, offset: int, value: int) -> None:
        """Four bytes; bits above them are dropped, as C does."""
        view = context.view
        view.port.store_field(view.block, view.offset + offset, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def __set__(self, context: AdapterContext, value: int) -> None:
        # `ProcessorPort.store_field`, see `__get__`.
        port, offset = context._port, self.offset
        at = context._at + offset
        if not context._home.live or at >> PAGE_SHIFT in port.tagged:
            self.put(context, offset, value)
            return
        port.cells[at:at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "little")
        access = port.access
        if access is not None and not port.touched.get(context._virtual + offset, 0) & access.write_bit:
            port.touch_to_write(access, context._block, context.view.offset + offset, 4)
        if port.scheduler.attention:
            port.scheduler.point()

    def __get__(self, context: AdapterContext | None, owner: type) -> Any:
        if context is None:
            return self
        # `ProcessorPort.load_field` for what every handler does all the time: a field of a context whose memory is live.
        port, offset = context._port, self.offset
        if not context._home.live:
            return int.from_bytes(port.load_field(context._block, context.view.offset + offset, 4), "little")
        at = context._at + offset
        value = int.from_bytes(port.cells[at:at + 4], "little")
        access = port.access
        if access is not None and not port.touched.get(context._virtual + offset, 0) & access.read_bit:
            port.touch_to_read(access, context._block, context.view.offset + offset, 4)
        if port.scheduler.attention:
            port.scheduler.point()
        return value


class Ulonglong(ContextField):
    """A 64-bit number, for instance a logical address."""

    size = 8

    def get(self, context: AdapterContext, offset: int) -> int:
        """Eight bytes."""
        view = context.view
        return int.from_bytes(view.port.load_field(view.block, view.offset + offset, 8), "little")

    def put(self, context: AdapterContext, offset: int, value: int) -> None:
        """Eight bytes; bits above them are dropped, as C does."""
        view = context.view
        view.port.store_field(view.block, view.offset + offset, (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little"))


class Pointer(ContextField):
    """A pointer or handle: a view, a packet, a register window, a lock, None."""

    size = 8

    def get(self, context: AdapterContext, offset: int) -> Any:
        """The object that was stored last; None before."""
        port, access = context._port, context._port.access
        if not context._block.live:
            port.load(context._block, context.view.offset + offset, 8)
        elif access is not None and not port.touched.get(context._virtual + offset, 0) & access.read_bit:
            port.touch_to_read(access, context._block, context.view.offset + offset, 8)
        return context.pointers.get(offset)

    def put(self, context: AdapterContext, offset: int, value: Any) -> None:
        """Store the object."""
        port, access = context._port, context._port.access
        if not context._block.live:
            port.load(context._block, context.view.offset + offset, 8)
        elif access is not None and not port.touched.get(context._virtual + offset, 0) & access.write_bit:
            port.touch_to_write(access, context._block, context.view.offset + offset, 8)
        context.pointers[offset] = value

    def __get__(self, context: AdapterContext | None, owner: type) -> Any:
        if context is None:
            return self
        port, offset = context._port, self.offset
        access = port.access
        if not context._block.live:
            port.load(context._block, context.view.offset + offset, 8)
        elif access is not None and not port.touched.get(context._virtual + offset, 0) & access.read_bit:
            port.touch_to_read(access, context._block, context.view.offset + offset, 8)
        return context.pointers.get(offset)


class Array(ContextField):
    """*count* fields of one type; ``context.name[i]`` reads and writes one."""

    def __init__(self, element: ContextField, count: int) -> None:
        super().__init__()
        self.element = element
        self.count = count
        self.size = element.size * count

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.element.name = name

    def __get__(self, context: AdapterContext | None, owner: type) -> Any:
        return self if context is None else ArrayView(self, context, self.offset)

    def get(self, context: AdapterContext, offset: int) -> ArrayView:
        return ArrayView(self, context, offset)

    def put(self, context: AdapterContext, offset: int, value: Any) -> None:
        raise AttributeError(f"{self.name} is an array: assign its elements")


class ArrayView:
    """The elements of one `Array` in one context."""

    __slots__ = ("_array", "_context", "_offset")

    def __init__(self, array: Array, context: AdapterContext, offset: int) -> None:
        self._array = array
        self._context = context
        self._offset = offset

    def __len__(self) -> int:
        return self._array.count

    def __getitem__(self, index: int) -> Any:
        array = self._array
        if not 0 <= index < array.count:
            raise IndexError(f"{array.name}[{index}]: the array has {array.count} elements")
        element, context = array.element, self._context
        offset = self._offset + index * element.size
        meet = context._port.on_meet
        if meet is not None:
            meet(context._block, context.view.offset + offset, element.size, False)
        return element.get(context, offset)

    def __setitem__(self, index: int, value: Any) -> None:
        array = self._array
        if not 0 <= index < array.count:
            raise IndexError(f"{array.name}[{index}]: the array has {array.count} elements")
        element, context = array.element, self._context
        offset = self._offset + index * element.size
        meet = context._port.on_meet
        if meet is not None:
            meet(context._block, context.view.offset + offset, element.size, True)
        element.put(context, offset, value)


class _ContextType(type):
    """Gives every context class empty slots, so that an attribute nobody declared cannot be assigned."""

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> _ContextType:
        space.setdefault("__slots__", ())
        return super().__new__(cls, name, bases, space)


class AdapterContext(metaclass=_ContextType):
    """Base of a miniport's context. It lies in memory that the miniport allocated: *view* is the pointer to it."""

    SIZE: ClassVar[int] = 0
    _fields: ClassVar[dict[str, ContextField]] = {}

    def __init_subclass__(cls) -> None:
        fields = {name: field for base in reversed(cls.__mro__) for name, field in vars(base).items()
                  if isinstance(field, ContextField)}
        offset = 0
        for field in fields.values():
            unit = field.element.size if isinstance(field, Array) else field.size
            offset = -(-offset // unit) * unit
            field.offset = offset
            offset += field.size
        cls.SIZE = max(-(-offset // 8) * 8, 8)
        cls._fields = fields

    __slots__ = ("_at", "_block", "_home", "_port", "_virtual", "pointers", "view")

    def __init__(self, view: View) -> None:
        self.view = view
        self.pointers: dict[int, Any] = {}
        view.fill(0, self.SIZE)
        self._block, self._port = view.block, view.port
        self._virtual = int(view)
        self._at = view.block.physical + view.offset
        whole = 0 <= view.offset <= view.block.size - self.SIZE and not view.block.runs and not self._at & 7
        # All of it was written just now, and is until the block is freed.
        self._home = view.block if whole and view.port.direct else _NOWHERE
        view.port.contexts.append(self)

    def field_at(self, offset: int) -> ContextField | None:
        """The field whose bytes hold *offset*, counted from the beginning of the context; None between and behind them."""
        return next((field for field in self._fields.values() if field.offset <= offset < field.offset + field.size), None)

    def at(self, name: str, index: int = 0) -> View:
        """A pointer to the number in field *name*, or to element *index* of an array of numbers: what NdisInterlockedIncrement
        takes. Pointers have none: they are not kept in emulated memory."""
        field = self._fields[name]
        element = field.element if isinstance(field, Array) else field
        count = field.count if isinstance(field, Array) else 1
        if isinstance(element, Pointer):
            raise TypeError(f"{name} is a pointer; only numbers lie in emulated memory")
        if not 0 <= index < count:
            raise IndexError(f"{name}[{index}]: the field has {count} elements")
        return self.view + (field.offset + index * element.size)
