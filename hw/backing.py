# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of a machine's RAM lie: a sparse memory file, or chunks made on demand where there is none.

A backing is nothing but zero-filled storage addressed by physical address. Which bytes exist, were written, or
belong to a frame is the business of `hw.ram`. Opening one costs system calls, so a campaign opens one and lends it
to each world's `Ram` in turn.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Literal, Protocol, Self

from verifier.address import MIB, PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from verifier.errors import BedError, UsageError

BackingKind = Literal["auto", "file", "chunked"]

CHUNK_SHIFT = 21
CHUNK_SIZE = 1 << CHUNK_SHIFT
CHUNK_MASK = CHUNK_SIZE - 1
KEPT_BYTES = 64 * MIB
"""Storage that `Backing.zero` may leave in place, zeroed, for the next world; beyond it everything is given back."""


class Cells(Protocol):
    """Bytes by physical address; slices only, both bounds given and inside the backing."""

    def __getitem__(self, where: slice, /) -> bytes: ...

    def __setitem__(self, where: slice, data: bytes | bytearray | memoryview, /) -> None: ...


class Backing(ABC):
    """Zero-filled storage for the physical addresses 0 .. *size* - 1; a context manager that closes itself.

    *size* is in bytes, a positive multiple of the page size (`UsageError` otherwise).
    """

    cells: Cells

    def __init__(self, size: int) -> None:
        if size <= 0 or size & PAGE_MASK:
            raise UsageError(
                f"memory of {size} bytes is not a positive multiple of the page size, {PAGE_SIZE} bytes",
                "give a size in whole pages, for instance 256 MiB",
            )
        self.size = size

    @abstractmethod
    def fileno(self) -> int | None:
        """The file descriptor another mapping of the same bytes can be made of, or None if there is no open file."""

    @abstractmethod
    def zero(self, pages: Iterable[int]) -> None:
        """Zero the pages with these numbers. The caller names every page that may hold anything but zero."""

    @abstractmethod
    def stored(self) -> Iterator[tuple[int, bytes]]:
        """Number and content of every page that is not all zero, ascending: found in the storage itself, whatever anybody
        noted. Its cost is that of the pages that the storage holds."""

    @abstractmethod
    def close(self) -> None:
        """Give the memory and the file descriptor back. May be called again; no access is allowed afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class MemoryFile(Backing):
    """An anonymous, sparse file in memory (Linux `memfd_create`), mapped shared: pages never stored to cost nothing.

    Raises `OSError` where the system refuses the file or the mapping; `open_backing` turns it into an answer.
    """

    cells: mmap.mmap

    def __init__(self, size: int) -> None:
        self._fd = -1
        super().__init__(size)
        self._fd = os.memfd_create("dmabed-ram")
        try:
            os.ftruncate(self._fd, size)
            # Older mmap modules do not name MAP_NORESERVE; a shared mapping of a file is not accounted in any case.
            self.cells = mmap.mmap(self._fd, size, mmap.MAP_SHARED | getattr(mmap, "MAP_NORESERVE", 0))
        except BaseException:
            os.close(self._fd)
            self._fd = -1
            raise

    def fileno(self) -> int | None:
        return self._fd if self._fd >= 0 else None

    def zero(self, pages: Iterable[int]) -> None:
        cells = self.cells
        if os.fstat(self._fd).st_blocks * 512 > KEPT_BYTES:
            cells.madvise(mmap.MADV_REMOVE)
            return
        for page in pages:
            address = page << PAGE_SHIFT
            cells[address : address + PAGE_SIZE] = _ZERO_PAGE

    def stored(self) -> Iterator[tuple[int, bytes]]:
        end = 0
        while True:
            try:
                start = os.lseek(self._fd, end, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # no data behind *end*
                    return
                raise
            end = os.lseek(self._fd, start, os.SEEK_HOLE)
            for address in range(start, end, PAGE_SIZE):
                content = self.cells[address : address + PAGE_SIZE]
                if content != _ZERO_PAGE:
                    yield address >> PAGE_SHIFT, content

    def close(self) -> None:
        """Close the file and the mapping. A view that is still alive keeps the mapping until it is dropped."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        with contextlib.suppress(BufferError):  # a view holds the mapping and unmaps it when it goes
            self.cells.close()

    def __del__(self) -> None:
        self.close()


class ChunkedMemory(Backing):
    """No file: chunks of 2 MiB, made at the first store into each. For systems without `memfd_create`."""

    cells: _Chunks

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.cells = _Chunks()

    def fileno(self) -> int | None:
        return None

    def zero(self, pages: Iterable[int]) -> None:
        cells = self.cells
        if len(cells.chunks) * CHUNK_SIZE > KEPT_BYTES:
            cells.chunks.clear()
            return
        for page in pages:
            address = page << PAGE_SHIFT
            cells[address : address + PAGE_SIZE] = _ZERO_PAGE

    def stored(self) -> Iterator[tuple[int, bytes]]:
        for chunk in sorted(self.cells.chunks):
            for address in range(chunk << CHUNK_SHIFT, (chunk + 1) << CHUNK_SHIFT, PAGE_SIZE):
                content = self.cells[address : address + PAGE_SIZE]
                if content != _ZERO_PAGE:
                    yield address >> PAGE_SHIFT, content

    def close(self) -> None:
        self.cells.chunks.clear()


def open_backing(size: int, kind: BackingKind = "auto") -> Backing:
    """A backing of *size* bytes, a positive multiple of the page size.

    "auto" is a memory file where the system has one and can map it, else chunks. Raises `UsageError` for a bad size
    or kind, `BedError` if a memory file was asked for and cannot be had, or if file descriptors have run out.
    """
    if kind == "chunked":
        return ChunkedMemory(size)
    if kind not in ("auto", "file"):
        raise UsageError(f"there is no memory backing {kind!r}", "use auto, file or chunked")
    if not hasattr(os, "memfd_create"):
        if kind == "auto":
            return ChunkedMemory(size)
        raise BedError("this system has no memfd_create, so RAM cannot be a file", "use the chunked backing")
    try:
        return MemoryFile(size)
    except (OSError, OverflowError) as error:
        # Exhausted descriptors are a leak to be found, not a reason to go on more slowly.
        if kind == "auto" and getattr(error, "errno", None) not in (errno.EMFILE, errno.ENFILE):
            return ChunkedMemory(size)
        raise BedError(
            f"a memory file of {size} bytes cannot be had: {error}",
            "close backings that are no longer used, raise the limits (ulimit -n, -v), or use the chunked backing",
        ) from error


_ZERO_PAGE = bytes(PAGE_SIZE)


class _Chunks:
    """`Cells` made of 2 MiB pieces. Views, not bytearrays: a store of the wrong length must fail, never resize."""

    __slots__ = ("chunks",)

    def __init__(self) -> None:
        self.chunks: dict[int, memoryview] = {}

    def __getitem__(self, where: slice, /) -> bytes:
        start, stop = where.start, where.stop
        if start >> CHUNK_SHIFT == (stop - 1) >> CHUNK_SHIFT:
            return self._get(start, stop)
        return b"".join(self._get(low, high) for low, high in _pieces(start, stop))

    def __setitem__(self, where: slice, data: bytes | bytearray | memoryview, /) -> None:
        start, stop = where.start, where.stop
        if start >> CHUNK_SHIFT == (stop - 1) >> CHUNK_SHIFT:
            self._set(start, stop, data)
            return
        if len(data) != stop - start:
            raise ValueError(f"{len(data)} items do not fit {stop - start} cells")
        source = memoryview(data)
        for low, high in _pieces(start, stop):
            self._set(low, high, source[low - start : high - start])

    def _get(self, start: int, stop: int) -> bytes:
        chunk = self.chunks.get(start >> CHUNK_SHIFT)
        if chunk is None:
            return bytes(stop - start)
        offset = start & CHUNK_MASK
        return chunk[offset : offset + stop - start].tobytes()

    def _set(self, start: int, stop: int, data: bytes | bytearray | memoryview) -> None:
        chunk = self.chunks.get(start >> CHUNK_SHIFT)
        if chunk is None:
            chunk = self.chunks[start >> CHUNK_SHIFT] = memoryview(bytearray(CHUNK_SIZE))
        offset = start & CHUNK_MASK
        chunk[offset : offset + stop - start] = data


def _pieces(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The parts of [start, stop), each inside one chunk."""
    while start < stop:
        end = min(stop, (start | CHUNK_MASK) + 1)
        yield start, end
        start = end
