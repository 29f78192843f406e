# SPDX-License-Identifier: Apache-2.0
"""The regions of a core seen in bytes, halves and words, and which words translations were made from."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from hw.rv32.engine import Region


class LittleEndianUnits:
    """What `memoryview.cast` gives on a little-endian host, for any host."""

    def __init__(self, memory: bytearray, size: int) -> None:
        self.memory = memory
        self.size = size

    def __getitem__(self, index: int) -> int:
        return int.from_bytes(self.memory[index * self.size:(index + 1) * self.size], "little")

    def __setitem__(self, index: int, value: int) -> None:
        self.memory[index * self.size:(index + 1) * self.size] = value.to_bytes(self.size, "little")


Units = LittleEndianUnits | memoryview


def units(memory: bytearray, size: int) -> Units:
    """*memory* as unsigned numbers of *size* bytes (2 or 4), lowest byte first."""
    if sys.byteorder == "little":
        return memoryview(memory).cast("H" if size == 2 else "I")
    return LittleEndianUnits(memory, size)


class Memory:
    """All regions, lowest first. *views* holds bytes, halves, words and code marks of one after the other."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self.regions = tuple(regions)
        self._spans = [(region.base, region.end) for region in regions]
        self.words = [units(region.memory, 4) for region in regions]
        self.code = [bytearray(len(region.memory) // 4) for region in regions]
        """1 for each word that a translation was made from."""
        self.views = tuple(
            view
            for region, words, code in zip(regions, self.words, self.code, strict=True)
            for view in (region.memory, units(region.memory, 2), words, code)
        )

    def find(self, address: int) -> int:
        """Index of the region that holds *address*, -1 where none does."""
        for index, (base, end) in enumerate(self._spans):
            if base <= address < end:
                return index
        return -1

    def fetch(self, address: int) -> int | None:
        """The word at *address*, a multiple of 4; None where nothing can be executed."""
        index = self.find(address)
        if index < 0 or not self.regions[index].executable:
            return None
        return self.words[index][address - self.regions[index].base >> 2]

    def pieces(self, address: int, length: int) -> Iterator[tuple[int, int, int, int]]:
        """Of *length* bytes at *address*, what lies in regions: index, first and end offset there, and the address."""
        for index, (base, region_end) in enumerate(self._spans):
            start, end = max(address, base), min(address + length, region_end)
            if start < end:
                yield index, start - base, end - base, start

    def holds(self, address: int, code: bytes) -> bool:
        """Whether *code* is what can be executed at *address*."""
        return all(
            self.regions[index].executable and self.regions[index].memory[first:end] == code[at - address:at - address + end - first]
            for index, first, end, at in self.pieces(address, len(code))
        )

    def mark(self, address: int, length: int) -> None:
        """A translation was made of *length* bytes at *address*."""
        for index, first, end, _ in self.pieces(address, length):
            self.code[index][first >> 2:end >> 2] = b"\x01" * (end - first >> 2)

    def marked_word(self, address: int) -> bool:
        """Whether a translation was made of the word that holds the byte at *address*."""
        index = self.find(address)
        return index >= 0 and self.code[index][address - self.regions[index].base >> 2] == 1

    def marked(self, address: int, length: int) -> bool:
        """Whether a translation was made of one of *length* bytes at *address*."""
        return any(self.code[index].find(1, first >> 2, end + 3 >> 2) >= 0 for index, first, end, _ in self.pieces(address, length))

    def forget_marks(self) -> None:
        for code in self.code:
            code[:] = bytes(len(code))
