# SPDX-License-Identifier: Apache-2.0
"""Offsets and sizes of packets and buffers, held against ctypes, which applies natural alignment by itself.

The structures below follow the declarations of ndis.h and wdm.h in mingw-w64, for a 64-bit target.
"""

from __future__ import annotations

from ctypes import (
    Structure,
    Union,
    c_int16,
    c_int32,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    sizeof,
)
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniport import packet_layout as layout

POINTER, UINT, ULONG, UCHAR, USHORT = c_uint64, c_uint32, c_uint32, c_uint8, c_uint16


class Private(Structure):
    _fields_: ClassVar = [
        ("PhysicalCount", UINT), ("TotalLength", UINT), ("Head", POINTER), ("Tail", POINTER), ("Pool", POINTER), ("Count", UINT),
        ("Flags", ULONG), ("ValidCounts", UCHAR), ("NdisPacketFlags", UCHAR), ("NdisPacketOobOffset", USHORT)]


class Reserved(Union):
    _fields_: ClassVar = [("MacReserved", UCHAR * 32), ("MiniportReserved", UCHAR * 16), ("MiniportReservedEx", UCHAR * 24)]


class Packet(Structure):
    _fields_: ClassVar = [("Private", Private), ("MacReserved", Reserved), ("Reserved", c_uint64 * 2), ("ProtocolReserved", UCHAR * 1)]


class Time(Union):
    _fields_: ClassVar = [("TimeToSend", c_uint64), ("TimeSent", c_uint64)]


class Oob(Structure):
    _fields_: ClassVar = [
        ("TimeToSend", Time), ("TimeReceived", c_uint64), ("HeaderSize", UINT), ("SizeMediaSpecificInfo", UINT),
        ("MediaSpecificInformation", POINTER), ("Status", c_int32)]


class Extension(Structure):
    _fields_: ClassVar = [("NdisPacketInfo", POINTER * 12)]


class Mdl(Structure):
    _fields_: ClassVar = [
        ("Next", POINTER), ("Size", c_int16), ("MdlFlags", c_int16), ("Process", POINTER), ("MappedSystemVa", POINTER),
        ("StartVa", POINTER), ("ByteCount", ULONG), ("ByteOffset", ULONG)]


class Element(Structure):
    _fields_: ClassVar = [("Address", c_uint64), ("Length", ULONG), ("Reserved", c_uint64)]


class List(Structure):
    _fields_: ClassVar = [("NumberOfElements", ULONG), ("Reserved", c_uint64), ("Elements", Element * 0)]


@pytest.mark.parametrize("ours, oracle", [
    (layout.PRIVATE, Private), (layout.PACKET, Packet), (layout.OOB, Oob), (layout.MDL, Mdl), (layout.SCATTER_GATHER_ELEMENT, Element),
    (layout.SCATTER_GATHER_LIST, List), (layout.EXTENSION, Extension)])
def test_offsets_and_sizes_are_those_of_a_64_bit_compiler(ours: layout.Layout, oracle: type[Structure]) -> None:
    names = {name for name, *_ in oracle._fields_} & set(ours.offsets)
    assert names or oracle is Extension
    assert {name: ours[name] for name in names} == {name: getattr(oracle, name).offset for name in names}
    assert ours.size == ours.struct.size
    if oracle is not Packet:
        assert ours.size == sizeof(oracle)


def test_a_packet_is_104_bytes_and_its_reserved_arrays_lie_where_drivers_expect_them() -> None:
    assert sizeof(Packet) == 104 and Packet.MacReserved.offset == layout.MINIPORT_RESERVED == 48
    assert Packet.Reserved.offset == layout.PACKET["Reserved0"] and layout.PACKET["Reserved1"] == layout.PACKET["Reserved0"] + 8
    assert Packet.ProtocolReserved.offset == layout.PROTOCOL_RESERVED == 96
    assert List.Elements.offset == layout.SCATTER_GATHER_LIST.size == 16


def test_per_packet_information_is_numbered_as_in_ndis_h() -> None:
    assert [layout.EXTENSION[name] for name in layout.PACKET_INFO] == [8 * n for n in range(12)]
    assert layout.EXTENSION["ScatterGatherListPacketInfo"] == 5 * 8 and layout.EXTENSION["PacketCancelId"] == 8 * 8


@given(st.integers(0, 1 << 12))
def test_out_of_band_data_lie_aligned_behind_protocol_reserved(length: int) -> None:
    at, size = layout.oob_offset(length), layout.packet_bytes(length)
    assert at % 8 == 0 and layout.PROTOCOL_RESERVED + length <= at < layout.PROTOCOL_RESERVED + length + 9
    assert size % 16 == 0 and size >= at + sizeof(Oob) + sizeof(Extension) > size - 16


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**63), st.integers(0, 2**32 - 1))
def test_a_buffer_descriptor_reads_back_as_an_mdl(after: int, address: int, length: int) -> None:
    mdl = Mdl.from_buffer_copy(layout.buffer_descriptor(after, address, length))
    assert (mdl.Next, mdl.MappedSystemVa, mdl.StartVa + mdl.ByteOffset, mdl.ByteCount) == (after, address, address, length)
    assert mdl.StartVa % 4096 == 0 and mdl.MdlFlags == layout.MDL_SOURCE_IS_NONPAGED_POOL and mdl.Size == sizeof(Mdl)


@given(st.lists(st.tuples(st.integers(0, 2**63), st.integers(0, 2**32 - 1)), max_size=5))
def test_a_scatter_gather_list_reads_back(pieces: list[tuple[int, int]]) -> None:
    data = layout.scatter_gather_list(pieces)
    assert List.from_buffer_copy(data).NumberOfElements == len(pieces)
    elements = (Element * len(pieces)).from_buffer_copy(data, sizeof(List))
    assert [(e.Address, e.Length) for e in elements] == pieces
