# SPDX-License-Identifier: Apache-2.0
"""Writes the frames of the wire as a pcapng file ("PCAP Next Generation Capture File Format",
draft-ietf-opsawg-pcapng), little endian, the same bytes for the same calls on every host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hw.capture_read import (
    BLOCK_ENHANCED,
    BLOCK_INTERFACE,
    BLOCK_OVERHEAD,
    BLOCK_SECTION,
    BYTE_ORDER_MAGIC,
    LINKTYPE_ETHERNET,
    LITTLE,
)
from hw.whole_file import write_whole
from verifier.errors import UsageError

TIME_LIMIT_NS = 1 << 64
FRAME_LIMIT_BYTES = 1 << 18
"""The longest record that Wireshark and libpcap read."""
OPTION_LIMIT_BYTES = 0xFFFF

_OPTION_END = 0
_OPTION_COMMENT = 1
_SECTION_APPLICATION = 4
_INTERFACE_NAME = 2
_INTERFACE_TIME_RESOLUTION = 9
_PACKET_FLAGS = 2
_NANOSECONDS = b"\x09"
"""Time resolution: units of 10 to the power of minus 9 seconds."""
_INBOUND, _OUTBOUND = 0b01, 0b10
_LENGTH_UNKNOWN = -1
_NO_SNAP_LENGTH = 0


class CaptureWriter:
    """Collects frames in memory: one section, one Ethernet interface, one Enhanced Packet Block per frame.

    *application* and *interface* are written as shb_userappl and if_name. The file holds no host time, host name
    or path. Every method may be called again at any time.
    """

    def __init__(self, application: str = "dmabed", interface: str = "nic0") -> None:
        section = LITTLE.section.pack(BYTE_ORDER_MAGIC, 1, 0, _LENGTH_UNKNOWN)
        described = LITTLE.interface.pack(LINKTYPE_ETHERNET, 0, _NO_SNAP_LENGTH)
        self._data = bytearray()
        self._data += _block(BLOCK_SECTION, section + _text(_SECTION_APPLICATION, application) + _END)
        self._data += _block(
            BLOCK_INTERFACE,
            described + _text(_INTERFACE_NAME, interface) + _option(_INTERFACE_TIME_RESOLUTION, _NANOSECONDS) + _END,
        )

    def add(self, time_ns: int, frame: bytes, *, inbound: bool, comments: Sequence[str] = ()) -> None:
        """Append *frame* as seen by the NIC at virtual *time_ns* (0 up to 2^64 - 1, in any order).

        Frames that break Ethernet's limits are kept as they are, up to 262,144 bytes: a capture shows what happened.
        *inbound* is the direction towards the NIC. Each comment is one opt_comment of at most 65,535 bytes of
        UTF-8. Raises UsageError, and appends nothing, if a value is out of its range.
        """
        if not 0 <= time_ns < TIME_LIMIT_NS:
            raise UsageError(f"time {time_ns} ns does not fit 64 bits", "give nanoseconds from 0 up to 2^64 - 1")
        size = len(frame)
        if size > FRAME_LIMIT_BYTES:
            raise UsageError(
                f"a frame of {size} bytes is longer than the {FRAME_LIMIT_BYTES} that readers of captures accept",
                "record the frames one by one",
            )
        fields = LITTLE.enhanced.pack(0, time_ns >> 32, time_ns & 0xFFFF_FFFF, size, size)
        options = _FLAGS_INBOUND if inbound else _FLAGS_OUTBOUND
        if comments:
            options += b"".join([_text(_OPTION_COMMENT, comment) for comment in comments])
        self._data += _block(BLOCK_ENHANCED, b"".join((fields, frame, bytes(-size % 4), options, _END)))

    def to_bytes(self) -> bytes:
        """The whole file."""
        return bytes(self._data)

    def save(self, path: Path) -> None:
        """Write the file to *path*, whole or not at all: a file that stood there is replaced in one step.

        A symbolic link is followed; a device or pipe is written to directly. Raises UsageError if that fails.
        """
        write_whole(path, self._data, "capture")


def _block(kind: int, body: bytes) -> bytes:
    total = BLOCK_OVERHEAD + len(body)
    return b"".join((LITTLE.block.pack(kind, total), body, LITTLE.length.pack(total)))


def _option(code: int, value: bytes) -> bytes:
    size = len(value)
    if size > OPTION_LIMIT_BYTES:
        raise UsageError(
            f"a text of {size} bytes does not fit an option of a capture, which holds {OPTION_LIMIT_BYTES}",
            "shorten the comment or name, or give several comments",
        )
    return LITTLE.option.pack(code, size) + value + bytes(-size % 4)


def _text(code: int, text: str) -> bytes:
    """UTF-8; a lone surrogate is written as its escape, so that a comment never stops a run."""
    return _option(code, text.encode(errors="backslashreplace"))


_END = _option(_OPTION_END, b"")
_FLAGS_INBOUND = _option(_PACKET_FLAGS, LITTLE.length.pack(_INBOUND))
_FLAGS_OUTBOUND = _option(_PACKET_FLAGS, LITTLE.length.pack(_OUTBOUND))
