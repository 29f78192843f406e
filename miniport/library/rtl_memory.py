# SPDX-License-Identifier: Apache-2.0
"""Memory by the runtime library of the kernel (Rtl), and what ndis.h has besides NdisZeroMemory and NdisMoveMemory. All of it is
nonpaged here, so that any IRQL will do where the pages ask for resident memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport.library import memory
from miniport.routine import ANY, UP_TO_DISPATCH, alias, routine
from miniport.view import View
from verifier.address import Span
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

NO_OVERLAP = rule(
    "memory-copy-overlap", "copy between ranges that overlap with RtlMoveMemory",
    text="RtlCopyMemory copies between ranges that do not overlap.")


assert memory.__name__, "importing it enters the routines of which some here are second names"


@routine("NdisFillMemory", irql=ANY, event=False, c="VOID NdisFillMemory(PVOID Destination, ULONG Length, UCHAR Fill)",
         source="ddi:ndis/nf-ndis-ndisfillmemory")
def fill_memory(ndis: Ndis, adapter: Adapter, destination: View, length: int, fill: int) -> None:
    """Fill memory with a byte, of which the lowest 8 bits count."""
    destination.fill(0, length, fill & 0xFF)


@routine("NdisEqualMemory", irql=UP_TO_DISPATCH, event=False,
         c="ULONG NdisEqualMemory(CONST VOID* Source1, CONST VOID* Source2, ULONG Length)", source="ddi:ndis/nf-ndis-ndisequalmemory")
def equal_memory(ndis: Ndis, adapter: Adapter, source1: View, source2: View, length: int) -> bool:
    """True if *length* bytes of both are the same."""
    return source1.read(0, length) == source2.read(0, length)


@routine("NdisRetrieveUlong", irql=ANY, event=False, c="VOID NdisRetrieveUlong(PULONG Destination, PULONG Source)",
         source="ddi:ndis/nf-ndis-ndisretrieveulong")
def retrieve_ulong(ndis: Ndis, adapter: Adapter, destination: View, source: View) -> None:
    """Copy four bytes from any address to one that is a multiple of 4."""
    destination.write(0, source.read(0, 4))


@routine("NdisStoreUlong", irql=ANY, event=False, c="VOID NdisStoreUlong(PULONG Destination, ULONG Value)",
         source="ddi:ndis/nf-ndis-ndisstoreulong")
def store_ulong(ndis: Ndis, adapter: Adapter, destination: View, value: int) -> None:
    """Store four bytes at any address."""
    destination.write_ulong(0, value)


@routine("RtlCopyMemory", irql=ANY, event=False, c="VOID RtlCopyMemory(PVOID Destination, CONST VOID* Source, SIZE_T Length)",
         source="ddi:wdm/nf-wdm-rtlcopymemory")
def rtl_copy_memory(ndis: Ndis, adapter: Adapter, destination: View, source: View, length: int) -> None:
    """Copy memory between ranges that do not overlap."""
    if length > 0 and Span(int(destination), length).overlaps(Span(int(source), length)):
        ndis.findings.report(
            NO_OVERLAP, f"RtlCopyMemory of 0x{length:x} bytes: destination {Span(int(destination), length)} overlaps source "
            f"{Span(int(source), length)}", space="virtual", span=Span(int(destination), length), block=destination.block)
    destination.write(0, source.read(0, length))


@routine("RtlCompareMemory", irql=ANY, event=False,
         c="SIZE_T RtlCompareMemory(CONST VOID* Source1, CONST VOID* Source2, SIZE_T Length)", source="ddi:wdm/nf-wdm-rtlcomparememory")
def rtl_compare_memory(ndis: Ndis, adapter: Adapter, source1: View, source2: View, length: int) -> int:
    """How many bytes are the same until the first that differs; *length* if none does."""
    first, second = source1.read(0, length), source2.read(0, length)
    return next((i for i in range(length) if first[i] != second[i]), length)


alias("RtlMoveMemory", "NdisMoveMemory", python="rtl_move_memory",
      c="VOID RtlMoveMemory(PVOID Destination, CONST VOID* Source, SIZE_T Length)", source="ddi:wdm/nf-wdm-rtlmovememory")
alias("RtlFillMemory", "NdisFillMemory", python="rtl_fill_memory",
      c="VOID RtlFillMemory(PVOID Destination, SIZE_T Length, INT Fill)", source="ddi:wdm/nf-wdm-rtlfillmemory")
alias("RtlZeroMemory", "NdisZeroMemory", python="rtl_zero_memory", c="VOID RtlZeroMemory(PVOID Destination, SIZE_T Length)",
      source="ddi:wdm/nf-wdm-rtlzeromemory")
alias("RtlEqualMemory", "NdisEqualMemory", python="rtl_equal_memory", irql=ANY,
      c="LOGICAL RtlEqualMemory(CONST VOID* Source1, CONST VOID* Source2, SIZE_T Length)", source="ddi:wdm/nf-wdm-rtlequalmemory")
