# SPDX-License-Identifier: Apache-2.0
"""Ethernet frames for tests: their limits, a deterministic generator, and a readable comparison.

Lengths are those of IEEE 802.3 without the four bytes of frame check sequence.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from verifier.errors import UsageError

ADDRESS_BYTES = 6
HEADER_BYTES = 14
"""Destination, source and EtherType: the shortest thing that is a frame at all."""
MAX_FRAME_BYTES = 1514
ETHERTYPE_TEST = 0x88B5
"""Local experimental EtherType 1 (IEEE 802, clause 9.2): no protocol answers it."""
TEST_LENGTHS = (60, 61, 64, 512, 1513, 1514)
"""Both legal ends, one inside each, the smallest frame with its FCS as a length, and a middle one."""

_NUMBER_BYTES = 4
_ROW_BYTES = 16
_ROWS_AROUND = 2


def test_frames(count: int, seed: int, source: bytes, destination: bytes) -> list[bytes]:
    """*count* frames (0 or more) from *source* to *destination* (6 bytes each), lengths cycling TEST_LENGTHS.

    The payload is the frame's number from 0 (4 bytes, big endian) and then content that *seed* (any integer) and the
    number alone decide: the first n frames of a longer list are the list of n frames. Raises UsageError for a
    negative count or an address that is not 6 bytes.
    """
    return list(_test_frames(count, seed, source, destination))


# pytest would take it for a test in every module that imports it by name.
vars(test_frames)["__test__"] = False


def describe_difference(expected: bytes, actual: bytes) -> str:
    """Say at which byte *actual* first departs from *expected*, with the rows around it as hexadecimal.

    Rows of 16 bytes, two before and two after; ``>`` marks a row that differs, ``--`` a byte that one frame lacks.
    """
    if expected == actual:
        return f"no difference: both frames have the same {len(expected)} bytes"
    first = _first_difference(expected, actual)
    row = first // _ROW_BYTES
    last_row = (max(len(expected), len(actual)) - 1) // _ROW_BYTES
    rows = range(max(row - _ROWS_AROUND, 0), min(row + _ROWS_AROUND, last_row) + 1)
    lines = [
        f"byte {first} (0x{first:04x}) differs: expected {_byte_at(expected, first)}, got {_byte_at(actual, first)}"
        f" ({len(expected)} bytes expected, {len(actual)} bytes got)"
    ]
    for start in (row * _ROW_BYTES for row in rows):
        want, have = expected[start : start + _ROW_BYTES], actual[start : start + _ROW_BYTES]
        if want == have:
            lines.append(f"    0x{start:04x} both      {_hex_row(want, len(want))}")
        else:
            width = max(len(want), len(have))
            lines.append(f"  > 0x{start:04x} expected  {_hex_row(want, width)}")
            lines.append(f"  > 0x{start:04x} got       {_hex_row(have, width)}")
    return "\n".join(lines)


@lru_cache(maxsize=16)
def _test_frames(count: int, seed: int, source: bytes, destination: bytes) -> tuple[bytes, ...]:
    if count < 0:
        raise UsageError(f"{count} test frames were asked for", "ask for 0 or more")
    for role, address in (("source", source), ("destination", destination)):
        if len(address) != ADDRESS_BYTES:
            raise UsageError(
                f"the {role} address has {len(address)} bytes, an Ethernet address has {ADDRESS_BYTES}",
                "give 6 bytes, for instance bytes.fromhex('020000000001')",
            )
    header = destination + source + ETHERTYPE_TEST.to_bytes(2, "big")
    return tuple(header + _payload(number, seed) for number in range(count))


def _payload(number: int, seed: int) -> bytes:
    """SHAKE-128 (FIPS 202) fills it: the same bytes from every Python, unlike the methods of random.Random."""
    size = TEST_LENGTHS[number % len(TEST_LENGTHS)] - HEADER_BYTES - _NUMBER_BYTES
    return number.to_bytes(_NUMBER_BYTES, "big") + hashlib.shake_128(f"{seed}/{number}".encode()).digest(size)


def _first_difference(expected: bytes, actual: bytes) -> int:
    shorter = min(len(expected), len(actual))
    return next((i for i in range(shorter) if expected[i] != actual[i]), shorter)


def _byte_at(frame: bytes, index: int) -> str:
    return f"0x{frame[index]:02x}" if index < len(frame) else "the end of the frame"


def _hex_row(row: bytes, width: int) -> str:
    return " ".join([f"{byte:02x}" for byte in row] + ["--"] * (width - len(row)))
