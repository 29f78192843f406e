# SPDX-License-Identifier: Apache-2.0
"""Reads the frames of a capture file, and states the layouts of both formats.

Sources: "PCAP Capture File Format" (draft-ietf-opsawg-pcap) and "PCAP Next Generation Capture File Format"
(draft-ietf-opsawg-pcapng). Nothing is believed: every stated length is compared with the bytes that are there, and
a frame that is not whole is refused, because a test with half a frame would prove nothing.
"""

from __future__ import annotations

from pathlib import Path
from struct import Struct
from typing import NamedTuple

from hw.frames import HEADER_BYTES, MAX_FRAME_BYTES
from verifier.errors import UsageError

LINKTYPE_ETHERNET = 1
BLOCK_SECTION = 0x0A0D0D0A
BLOCK_INTERFACE = 1
BLOCK_PACKET = 2
"""Obsolete, written by old tools."""
BLOCK_SIMPLE = 3
BLOCK_ENHANCED = 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
BLOCK_OVERHEAD = 12
"""Type and total length before the body of a block, total length again behind it."""


class CaptureError(UsageError):
    """A capture file that cannot be used. The message names the file and the record, counted from 1."""


class Layout:
    """Every structure of both formats in one byte order: ``<`` or ``>``."""

    def __init__(self, order: str) -> None:
        self.file_header = Struct(order + "IHHiIII")  # magic, major, minor, zone, accuracy, snap length, link type
        self.record = Struct(order + "IIII")  # seconds, fraction, captured length, original length
        self.block = Struct(order + "II")  # type, total length
        self.length = Struct(order + "I")  # total length again, at the end
        self.section = Struct(order + "IHHq")  # byte order magic, major, minor, section length
        self.interface = Struct(order + "HHI")  # link type, reserved, snap length
        self.enhanced = Struct(order + "IIIII")  # interface, time high, time low, captured length, original length
        self.packet = Struct(order + "HHIIII")  # interface, drops, time high, time low, captured, original length
        self.simple = Struct(order + "I")  # original length
        self.option = Struct(order + "HH")  # code, length without padding


LITTLE = Layout("<")
BIG = Layout(">")


def read_frames(path: Path) -> list[bytes]:
    """The Ethernet frames of a pcap or pcapng file, in file order; times and options are ignored.

    Frames are 14 to 1514 bytes, without a frame check sequence. Raises CaptureError for a file that cannot be read
    or whose frames are not all whole; a file without frames gives an empty list.
    """
    name = path.name or str(path)
    try:
        if path.is_dir():
            raise CaptureError(f"{name} is a directory", "name a pcap or pcapng file")
        with path.open("rb") as file:
            start = file.read(_MAGIC_BYTES)
            _check_magic(start, name)
            data = start + file.read()
    except FileNotFoundError:
        raise CaptureError(f"{name} does not exist", "name an existing pcap or pcapng file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CaptureError(f"{name} cannot be read: {reason}", "check the path and the permissions") from error
    return parse_frames(data, name)


def parse_frames(data: bytes, name: str) -> list[bytes]:
    """Like read_frames, for the content of a file; *name* is what messages call it."""
    _check_magic(data[:_MAGIC_BYTES], name)
    layout = _PCAP_MAGICS.get(data[:4])
    return _PcapngReader(data, name).read() if layout is None else _read_pcap(data, name, layout)


_PCAPNG_MAGIC = BLOCK_SECTION.to_bytes(4, "big")
_PCAP_MAGICS = {
    layout.length.pack(magic): layout
    for magic in (0xA1B2C3D4, 0xA1B23C4D)  # microseconds, nanoseconds
    for layout in (LITTLE, BIG)
}
_COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gunzip <"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd <"),
    b"\xfd7zXZ\x00": ("xz", "unxz <"),
    b"\x04\x22\x4d\x18": ("lz4", "unlz4 <"),
    b"BZh": ("bzip2", "bunzip2 <"),
    b"PK\x03\x04": ("zip", "unzip -p"),
}
_MAGIC_BYTES = 8

_CONVERT = "let Wireshark's editcap write it again: editcap -F pcapng OLD NEW"
_COPY_AGAIN = "copy the file again, or keep its whole records: editcap OLD NEW"
_DAMAGED = "the file is damaged: capture or copy it again"


def _check_magic(start: bytes, name: str) -> None:
    if not start:
        raise CaptureError(f"{name} is empty", "name a pcap or pcapng file; one without frames still has a header")
    for magic, (what, tool) in _COMPRESSED.items():
        if start.startswith(magic):
            raise CaptureError(f"{name} is compressed ({what})", f"unpack it first: {tool} {name} > NEW")
    if start[:4] != _PCAPNG_MAGIC and start[:4] not in _PCAP_MAGICS:
        raise CaptureError(
            f"{name} is neither pcap nor pcapng: it starts with {start[:4].hex(' ')}",
            f"name a pcap or pcapng file; for another capture format, {_CONVERT}",
        )


def _read_pcap(data: bytes, name: str, layout: Layout) -> list[bytes]:
    header, record = layout.file_header, layout.record
    if len(data) < header.size:
        raise CaptureError(
            f"the file header of {name}, before record 1, is cut off: {header.size} bytes needed, {len(data)} there",
            _COPY_AGAIN,
        )
    _, major, minor, _, _, _, link = header.unpack_from(data)
    if (major, minor) != (2, 4):
        raise CaptureError(f"{name} is pcap version {major}.{minor}, readable is 2.4 (before record 1)", _CONVERT)
    _check_link(link & 0xFFFF, f"the file header of {name}, before record 1,")
    if link >> 16:
        raise CaptureError(
            f"the file header of {name}, before record 1, announces a frame check sequence (link type 0x{link:08x})",
            "capture without the frame check sequence",
        )
    frames: list[bytes] = []
    offset = header.size
    while offset < len(data):
        left = len(data) - offset
        if left < record.size:
            raise CaptureError(
                f"record {len(frames) + 1} of {name} is cut off: its header has {record.size} bytes, {left} left",
                _COPY_AGAIN,
            )
        _, _, captured, original = record.unpack_from(data, offset)
        offset += record.size
        _check_frame(captured, original, len(data) - offset, len(frames) + 1, name)
        frames.append(data[offset : offset + captured])
        offset += captured
    return frames


class _Interface(NamedTuple):
    link: int
    snap_length: int


class _PcapngReader:
    """Walks the blocks of one file; byte order and interfaces hold until the next section."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self._frames: list[bytes] = []
        self._interfaces: list[_Interface] = []
        self._layout = LITTLE
        self._blocks = 0
        self._readers = {
            BLOCK_SECTION: self._read_section,
            BLOCK_INTERFACE: self._read_interface,
            BLOCK_PACKET: self._read_packet,
            BLOCK_SIMPLE: self._read_simple,
            BLOCK_ENHANCED: self._read_enhanced,
        }

    def read(self) -> list[bytes]:
        offset = 0
        while offset < len(self._data):
            self._blocks += 1
            kind, total = self._frame_block(offset)
            reader = self._readers.get(kind)
            if reader is not None:
                reader(offset + self._layout.block.size, offset + total - self._layout.length.size)
            offset += total
        return self._frames

    @property
    def _number(self) -> int:
        """The record that is being read, or comes next."""
        return len(self._frames) + 1

    @property
    def _where(self) -> str:
        return f"block {self._blocks} of {self._name}, at record {self._number},"

    def _frame_block(self, offset: int) -> tuple[int, int]:
        """Type and total length of the block at *offset*, once both its lengths are proved."""
        left = len(self._data) - offset
        if left < BLOCK_OVERHEAD:
            raise CaptureError(
                f"{self._where} is cut off: a block has at least {BLOCK_OVERHEAD} bytes, {left} left", _COPY_AGAIN
            )
        if self._data.startswith(_PCAPNG_MAGIC, offset):
            self._layout = self._byte_order(offset + self._layout.block.size)
        kind, total = self._layout.block.unpack_from(self._data, offset)
        if total < BLOCK_OVERHEAD or total % 4:
            raise CaptureError(
                f"{self._where} states a length of {total} bytes, which must be a multiple of 4 from {BLOCK_OVERHEAD}",
                _DAMAGED,
            )
        if total > left:
            raise CaptureError(f"{self._where} is cut off: {total} bytes stated, {left} left", _COPY_AGAIN)
        (again,) = self._layout.length.unpack_from(self._data, offset + total - self._layout.length.size)
        if again != total:
            raise CaptureError(f"{self._where} states {total} bytes at its start but {again} at its end", _DAMAGED)
        return kind, total

    def _byte_order(self, offset: int) -> Layout:
        magic = self._data[offset : offset + 4]
        for layout in (LITTLE, BIG):
            if magic == layout.length.pack(BYTE_ORDER_MAGIC):
                return layout
        raise CaptureError(f"{self._where} has the unknown byte order magic {magic.hex(' ')}", _DAMAGED)

    def _read_section(self, start: int, end: int) -> None:
        _, major, minor, _ = self._fields(self._layout.section, start, end)
        if major != 1:
            raise CaptureError(f"{self._where} is pcapng version {major}.{minor}, readable is 1.x", _CONVERT)
        self._interfaces = []

    def _read_interface(self, start: int, end: int) -> None:
        link, _, snap_length = self._fields(self._layout.interface, start, end)
        self._interfaces.append(_Interface(link, snap_length))

    def _read_enhanced(self, start: int, end: int) -> None:
        fields = self._layout.enhanced
        interface, _, _, captured, original = self._fields(fields, start, end)
        self._interface(interface)
        self._add(start + fields.size, end, captured, original)

    def _read_packet(self, start: int, end: int) -> None:
        fields = self._layout.packet
        interface, _, _, _, captured, original = self._fields(fields, start, end)
        self._interface(interface)
        self._add(start + fields.size, end, captured, original)

    def _read_simple(self, start: int, end: int) -> None:
        """A Simple Packet Block belongs to interface 0, whose snap length says how much was captured."""
        fields = self._layout.simple
        (original,) = self._fields(fields, start, end)
        snap_length = self._interface(0).snap_length
        self._add(start + fields.size, end, min(original, snap_length or original), original)

    def _fields(self, fields: Struct, start: int, end: int) -> tuple[int, ...]:
        if end - start < fields.size:
            raise CaptureError(
                f"{self._where} is too short: its fields need {fields.size} bytes, it holds {end - start}", _DAMAGED
            )
        return fields.unpack_from(self._data, start)

    def _interface(self, index: int) -> _Interface:
        """Checked at the packet: an interface of another kind without packets does no harm."""
        if index >= len(self._interfaces):
            raise CaptureError(
                f"record {self._number} of {self._name} belongs to interface {index}, "
                f"but its section has described {len(self._interfaces)} so far",
                _DAMAGED,
            )
        interface = self._interfaces[index]
        _check_link(interface.link, f"record {self._number} of {self._name}")
        return interface

    def _add(self, start: int, end: int, captured: int, original: int) -> None:
        _check_frame(captured, original, end - start, self._number, self._name)
        self._frames.append(self._data[start : start + captured])


def _check_link(link: int, where: str) -> None:
    if link != LINKTYPE_ETHERNET:
        raise CaptureError(
            f"{where} has link type {link}, readable is {LINKTYPE_ETHERNET} (Ethernet)",
            "capture on an Ethernet interface, not on 'any', loopback or monitor-mode wireless",
        )


def _check_frame(captured: int, original: int, left: int, number: int, name: str) -> None:
    record = f"record {number} of {name}"
    if captured > left:
        raise CaptureError(f"{record} is cut off: {captured} bytes stated, {left} left", _COPY_AGAIN)
    if captured < original:
        raise CaptureError(
            f"{record} holds only the first {captured} of {original} bytes of its frame",
            "capture whole frames, for instance with tcpdump -s 0",
        )
    if captured > original:
        raise CaptureError(f"{record} states {captured} bytes captured of a frame of {original}", _DAMAGED)
    if captured > MAX_FRAME_BYTES:
        raise CaptureError(
            f"{record} is a frame of {captured} bytes, the longest without VLAN tag and FCS is {MAX_FRAME_BYTES}",
            "capture with offload off (ethtool -K IFACE tso off gso off gro off lro off), "
            f"or leave such frames out: tshark -r OLD -Y 'frame.len <= {MAX_FRAME_BYTES}' -w NEW",
        )
    if captured < HEADER_BYTES:
        raise CaptureError(
            f"{record} is a frame of {captured} bytes, an Ethernet header alone has {HEADER_BYTES}",
            f"leave such frames out: tshark -r OLD -Y 'frame.len >= {HEADER_BYTES}' -w NEW",
        )
