# SPDX-License-Identifier: Apache-2.0
"""Doubly linked lists: a LIST_ENTRY is two pointers of 8 bytes in emulated memory, Flink and then Blink.

Heads and entries are views; ``entry - offset`` is CONTAINING_RECORD. Links that do not agree are a finding, and nothing is
unlinked then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport.library.interlocked import WITH_LOCK_IRQL, load_number, store_number, under_lock
from miniport.library.locks import SpinLock
from miniport.routine import alias, routine
from miniport.view import View
from verifier.address import hex_address
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

LINKED = rule(
    "list-linked", "initialize the head, insert an entry into one list at a time, and change a list under one lock",
    text="Both links of every entry of a list agree with those of its neighbours.")

LIST_ENTRY_BYTES = 16
_FLINK, _BLINK = 0, 8


@routine("NdisInitializeListHead", c="VOID NdisInitializeListHead(PLIST_ENTRY ListHead)", source="nt4:103ndisx_78", event=False)
def initialize_list_head(ndis: Ndis, adapter: Adapter, head: View) -> None:
    """Make an empty list of the 16 bytes at *head*."""
    _link(head, head)


alias("InitializeListHead", "NdisInitializeListHead", c="VOID InitializeListHead(PLIST_ENTRY ListHead)",
      source="ddi:wdm/nf-wdm-initializelisthead")


@routine("InsertHeadList", c="VOID InsertHeadList(PLIST_ENTRY ListHead, PLIST_ENTRY Entry)", source="ddi:wdm/nf-wdm-insertheadlist",
         event=False)
def insert_head_list(ndis: Ndis, adapter: Adapter, head: View, entry: View) -> None:
    """Insert at the front."""
    _insert(ndis, head, entry, _FLINK)


@routine("InsertTailList", c="VOID InsertTailList(PLIST_ENTRY ListHead, PLIST_ENTRY Entry)", source="ddi:wdm/nf-wdm-inserttaillist",
         event=False)
def insert_tail_list(ndis: Ndis, adapter: Adapter, head: View, entry: View) -> None:
    """Append at the end."""
    _insert(ndis, head, entry, _BLINK)


@routine("RemoveHeadList", c="PLIST_ENTRY RemoveHeadList(PLIST_ENTRY ListHead)", source="ddi:wdm/nf-wdm-removeheadlist", event=False)
def remove_head_list(ndis: Ndis, adapter: Adapter, head: View) -> View:
    """Take the first entry off; the head itself if the list is empty."""
    return _remove(ndis, head, _FLINK)


@routine("RemoveTailList", c="PLIST_ENTRY RemoveTailList(PLIST_ENTRY ListHead)", source="ddi:wdm/nf-wdm-removetaillist", event=False)
def remove_tail_list(ndis: Ndis, adapter: Adapter, head: View) -> View:
    """Take the last entry off; the head itself if the list is empty."""
    return _remove(ndis, head, _BLINK)


@routine("RemoveEntryList", c="BOOLEAN RemoveEntryList(PLIST_ENTRY Entry)", source="ddi:wdm/nf-wdm-removeentrylist", event=False)
def remove_entry_list(ndis: Ndis, adapter: Adapter, entry: View) -> bool:
    """Take an entry out of the list in which it is. Returns True if the list is empty then."""
    after = _unlink(ndis, entry)
    return after is not None and load_number(after, _FLINK, 8) == int(after)


@routine("IsListEmpty", c="BOOLEAN IsListEmpty(PLIST_ENTRY ListHead)", source="ddi:wdm/nf-wdm-islistempty", event=False)
def is_list_empty(ndis: Ndis, adapter: Adapter, head: View) -> bool:
    """True if nothing is in the list."""
    return load_number(head, _FLINK, 8) == int(head)


@routine("NdisInterlockedInsertHeadList", irql=WITH_LOCK_IRQL, event=False,
         c="PLIST_ENTRY NdisInterlockedInsertHeadList(PLIST_ENTRY ListHead, PLIST_ENTRY ListEntry, PNDIS_SPIN_LOCK)",
         source="ddi:ndis/nf-ndis-ndisinterlockedinsertheadlist")
def interlocked_insert_head_list(ndis: Ndis, adapter: Adapter, head: View, entry: View, lock: SpinLock) -> View | None:
    """Insert at the front, under a lock that the caller does not hold. Returns what was first before, None if nothing was."""
    return under_lock(ndis, "NdisInterlockedInsertHeadList", lock, lambda: _insert(ndis, head, entry, _FLINK))


@routine("NdisInterlockedInsertTailList", irql=WITH_LOCK_IRQL, event=False,
         c="PLIST_ENTRY NdisInterlockedInsertTailList(PLIST_ENTRY ListHead, PLIST_ENTRY ListEntry, PNDIS_SPIN_LOCK)",
         source="ddi:ndis/nf-ndis-ndisinterlockedinserttaillist")
def interlocked_insert_tail_list(ndis: Ndis, adapter: Adapter, head: View, entry: View, lock: SpinLock) -> View | None:
    """Append at the end, under a lock that the caller does not hold. Returns what was last before, None if nothing was."""
    return under_lock(ndis, "NdisInterlockedInsertTailList", lock, lambda: _insert(ndis, head, entry, _BLINK))


@routine("NdisInterlockedRemoveHeadList", irql=WITH_LOCK_IRQL, event=False,
         c="PLIST_ENTRY NdisInterlockedRemoveHeadList(PLIST_ENTRY ListHead, PNDIS_SPIN_LOCK)",
         source="ddi:ndis/nf-ndis-ndisinterlockedremoveheadlist")
def interlocked_remove_head_list(ndis: Ndis, adapter: Adapter, head: View, lock: SpinLock) -> View | None:
    """Take the first entry off, under a lock that the caller does not hold; None if the list is empty."""
    entry = under_lock(ndis, "NdisInterlockedRemoveHeadList", lock, lambda: _remove(ndis, head, _FLINK))
    return None if entry == head else entry


def _link(first: View, second: View) -> None:
    """Make *second* follow *first*."""
    store_number(first, _FLINK, 8, int(second))
    store_number(second, _BLINK, 8, int(first))


def _insert(ndis: Ndis, head: View, entry: View, side: int) -> View | None:
    """Insert *entry* next to *head*, before its first or behind its last entry. Returns that entry, None if there was none."""
    neighbour = _neighbour(ndis, head, side)
    if neighbour is None:
        return None
    if side == _FLINK:
        _link(entry, neighbour)
        _link(head, entry)
    else:
        _link(neighbour, entry)
        _link(entry, head)
    return None if neighbour == head else neighbour


def _remove(ndis: Ndis, head: View, side: int) -> View:
    entry = _neighbour(ndis, head, side)
    if entry is None or entry == head or _unlink(ndis, entry) is None:
        return head
    return entry


def _unlink(ndis: Ndis, entry: View) -> View | None:
    """Take *entry* out; what followed it, or None after a finding."""
    after, before = _neighbour(ndis, entry, _FLINK), _neighbour(ndis, entry, _BLINK)
    if after is None or before is None:
        return None
    _link(before, after)
    return after


def _neighbour(ndis: Ndis, entry: View, side: int) -> View | None:
    """What a link of *entry* points to, if that points back; None after a finding."""
    other = _BLINK if side == _FLINK else _FLINK
    address = load_number(entry, side, 8)
    name, mirror = ("Flink", "Blink") if side == _FLINK else ("Blink", "Flink")
    block = ndis.memory.virtual.block_at(address)
    if block is None:
        ndis.findings.report(
            LINKED, f"{name} of the list entry at {hex_address(int(entry))} holds {hex_address(address)}, where no memory is",
            block=entry.block)
        return None
    neighbour = View(ndis.port, block, address - block.virtual)
    back = load_number(neighbour, other, 8)
    if back != int(entry):
        ndis.findings.report(
            LINKED, f"{name} of the list entry at {hex_address(int(entry))} holds {hex_address(address)}, whose {mirror} holds "
            f"{hex_address(back)}", block=entry.block)
        return None
    return neighbour
