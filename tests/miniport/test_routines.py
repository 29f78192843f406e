# SPDX-License-Identifier: Apache-2.0
"""The table of routines and the face that is generated from it: every row, at every IRQL, in every handler."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from allocator.frames import FrameTree
from allocator.memory_manager import MemoryManager
from dmabed.fault_points import checked_fault
from dmabed.spec import WorldSpec
from hw.inject import parse_fault
from hw.machine import Machine
from hw.memory_layout import ram_ranges
from hw.nic import MODELS
from hw.processor import APC_LEVEL, DISPATCH_LEVEL, FIRST_DIRQL, HIGH_LEVEL, PASSIVE_LEVEL
from miniport import rules
from miniport import status as s
from miniport.adapter import Adapter
from miniport.handlers import ANYWHERE, METHODS, NAMES, Handler
from miniport.miniport import Miniport
from miniport.ndis import Ndis
from miniport.nulls import POISON_ADDRESS
from miniport.reference import ReferenceMiniport
from miniport.routine import BY_PYTHON, TABLE, Routine, failure_of, generate, irql_limits, irql_rule, routine
from miniport.versions import WINDOWS
from verifier.errors import NotModelledError, UsageError
from verifier.events import Kind
from verifier.rule import declared_rules
from verifier.where import line_of

ROWS = list(TABLE.values())
CHECKED = [row for row in ROWS if not row.direct]
LEVELS = (PASSIVE_LEVEL, APC_LEVEL, DISPATCH_LEVEL, FIRST_DIRQL, HIGH_LEVEL)

REGISTER_ACCESSES = frozenset(
    f"{verb}{size}" for verb in ("NdisReadRegister", "NdisWriteRegister", "NdisRawReadPort", "NdisRawWritePort")
    for size in ("Uchar", "Ushort", "Ulong")) | frozenset(
    f"{verb}_{kind}_{size}" for verb in ("READ", "WRITE") for kind in ("REGISTER", "PORT") for size in ("UCHAR", "USHORT", "ULONG"))
HAL_BUFFERS = frozenset(f"{verb}_{kind}_BUFFER_{size}" for verb in ("READ", "WRITE") for kind in ("REGISTER", "PORT")
                        for size in ("UCHAR", "USHORT", "ULONG"))
ANY_IRQL = REGISTER_ACCESSES | frozenset("""
    NdisGetVersion NdisMSynchronizeWithInterrupt NdisStallExecution NdisAllocateSpinLock NdisFreeSpinLock NdisZeroMemory
    NdisMoveMemory MmGetPhysicalAddress DbgPrint NdisInterlockedIncrement NdisInterlockedDecrement InterlockedExchange
    InterlockedCompareExchange InterlockedExchangeAdd InterlockedOr InterlockedAnd NdisInitializeListHead
    InsertHeadList InsertTailList RemoveHeadList RemoveTailList RemoveEntryList IsListEmpty NdisGetCurrentSystemTime
    NdisGetSystemUpTime NdisMoveFromMappedMemory NdisMoveToMappedMemory NdisZeroMappedMemory NdisRawReadPortBufferUchar
    NdisRawReadPortBufferUshort NdisRawReadPortBufferUlong NdisRawWritePortBufferUchar NdisRawWritePortBufferUshort
    NdisRawWritePortBufferUlong NdisMoveMappedMemory NdisFillMemory NdisRetrieveUlong NdisStoreUlong RtlCopyMemory RtlMoveMemory
    RtlZeroMemory RtlFillMemory RtlCompareMemory RtlEqualMemory NdisGetPhysicalAddressHigh NdisGetPhysicalAddressLow
    NdisSetPhysicalAddressHigh NdisSetPhysicalAddressLow InitializeListHead NdisInitializeReadWriteLock KeBugCheckEx
    ASSERT NdisChainBufferAtFront NdisChainBufferAtBack NdisUnchainBufferAtFront NdisUnchainBufferAtBack""".split()) | HAL_BUFFERS
ANY_IRQL_FROM_XP = frozenset("""
    NdisInterlockedAddUlong NdisInterlockedInsertHeadList NdisInterlockedInsertTailList NdisInterlockedRemoveHeadList""".split())
"""Before, DISPATCH_LEVEL or below (nt4:103ndisx_81 to _84)."""
IMMEDIATE = frozenset(f"NdisImmediate{verb}Port{size}" for verb in ("Read", "Write") for size in ("Uchar", "Ushort", "Ulong"))
PCI_IMMEDIATE = frozenset(["NdisImmediateReadPciSlotInformation", "NdisImmediateWritePciSlotInformation"])
LOADING = {
    "NdisMInitializeWrapper": "driver_entry", "NdisInitializeWrapper": "driver_entry", "NdisMRegisterMiniport": "driver_entry",
    "NdisMRegisterUnloadHandler": "driver_entry", "NdisTerminateWrapper": "driver_entry initialize unload",
    "NdisMRegisterDevice": "driver_entry initialize", "NdisMDeregisterDevice": "driver_entry initialize halt unload",
}
"""The handlers of the routines that a driver calls for itself."""
FILES = frozenset("NdisOpenFile NdisMapFile NdisUnmapFile NdisCloseFile".split())
PASSIVE_ONLY = frozenset("""
    NdisOpenConfiguration NdisReadConfiguration NdisReadNetworkAddress NdisCloseConfiguration NdisReadPciSlotInformation
    NdisWritePciSlotInformation NdisMQueryAdapterResources NdisMPciAssignResources NdisMSetAttributesEx NdisMSetAttributes
    NdisMRegisterAdapterShutdownHandler NdisMDeregisterAdapterShutdownHandler NdisMMapIoSpace NdisMUnmapIoSpace
    NdisMRegisterIoPortRange NdisMDeregisterIoPortRange NdisMRegisterInterrupt NdisMDeregisterInterrupt
    NdisMAllocateMapRegisters NdisMFreeMapRegisters NdisQueryMapRegisterCount NdisMInitializeScatterGatherDma
    NdisMAllocateSharedMemory NdisInitializeTimer NdisWaitEvent NdisInitializeString NdisFreeString NdisAnsiStringToUnicodeString
    NdisUnicodeStringToAnsiString NdisUpcaseUnicodeString NdisEqualString NdisWriteConfiguration NdisSystemProcessorCount
    NdisGetCacheFillSize NdisMQueryAdapterInstanceName NdisMGetDeviceProperty
    NdisMRegisterDmaChannel NdisMDeregisterDmaChannel NdisReadEisaSlotInformation NdisReadPcmciaAttributeMemory
    """.split()) | IMMEDIATE | FILES - {"NdisMapFile"} | LOADING.keys()
DISPATCH_ONLY = frozenset("""
    NdisReleaseSpinLock NdisDprAcquireSpinLock NdisDprReleaseSpinLock NdisMResetComplete NdisReleaseReadWriteLock
    NdisDprAllocatePacket NdisDprFreePacket""".split())
BY_HANDLER = frozenset(["NdisMFreeSharedMemory"])
"""Its IRQL depends on the handler, not on the row: test_shared_memory.py."""
INIT_ONLY = frozenset("""
    NdisMQueryAdapterResources NdisMPciAssignResources
    NdisMSetAttributesEx NdisMSetAttributes NdisMRegisterAdapterShutdownHandler NdisMMapIoSpace NdisMRegisterIoPortRange
    NdisMRegisterInterrupt NdisMAllocateMapRegisters NdisQueryMapRegisterCount NdisMInitializeScatterGatherDma
    NdisMAllocateSharedMemory NdisMRegisterDmaChannel NdisReadEisaSlotInformation""".split()) | IMMEDIATE | PCI_IMMEDIATE | FILES
INIT_AND_HALT = frozenset("""
    NdisMDeregisterAdapterShutdownHandler NdisMUnmapIoSpace NdisMDeregisterIoPortRange
    NdisMDeregisterInterrupt NdisMFreeMapRegisters NdisMDeregisterDmaChannel""".split())


SHARED_FACES = frozenset(f"{verb}_REGISTER_{size}" for verb in ("READ", "WRITE") for size in ("UCHAR", "USHORT", "ULONG")) | {
    "InitializeListHead", "NdisInitializeWrapper"}
"""Second names whose face is that of the first: ``read_register_ulong`` is READ_REGISTER_ULONG and NdisReadRegisterUlong."""


def documented_irql(name: str, windows: str) -> tuple[int, int]:
    """The IRQL that the documents of *windows* give, written down apart from the table."""
    old, newest = windows in ("nt4", "2000"), windows in ("2008", "7")
    if name.endswith("Node"):
        return (PASSIVE_LEVEL, DISPATCH_LEVEL)  # it came with Windows Vista
    if name.startswith("MmAllocateContiguousMemory"):
        return (PASSIVE_LEVEL, PASSIVE_LEVEL if old else DISPATCH_LEVEL)
    if name == "MmFreeContiguousMemory":
        return (PASSIVE_LEVEL, PASSIVE_LEVEL if old else DISPATCH_LEVEL if newest else APC_LEVEL)
    if name in ("NdisMSleep", "NdisOpenConfigurationKeyByName", "NdisOpenConfigurationKeyByIndex"):
        return (PASSIVE_LEVEL, APC_LEVEL)
    if name == "NdisMInitializeTimer":
        return (PASSIVE_LEVEL, PASSIVE_LEVEL if old else DISPATCH_LEVEL)
    if name == "NdisInitializeEvent":
        return (PASSIVE_LEVEL, PASSIVE_LEVEL if old else HIGH_LEVEL)
    if name in ANY_IRQL_FROM_XP:
        return (PASSIVE_LEVEL, DISPATCH_LEVEL if old else HIGH_LEVEL)
    if name in ANY_IRQL or name in BY_HANDLER:
        return (PASSIVE_LEVEL, HIGH_LEVEL)
    if name in PASSIVE_ONLY:
        return (PASSIVE_LEVEL, PASSIVE_LEVEL)
    if name in DISPATCH_ONLY:
        return (DISPATCH_LEVEL, DISPATCH_LEVEL)
    return (PASSIVE_LEVEL, DISPATCH_LEVEL)


def ndis_on(windows: str) -> Ndis:
    """An NDIS with an adapter, on which rows can be called by themselves."""
    ranges = ram_ranges(2 << 20)
    machine = Machine(ranges)
    nic = machine.add_nic(MODELS["reference"])
    memory = MemoryManager(machine, FrameTree([(r.start >> 12, r.size >> 12) for r in ranges]))
    ndis = Ndis(machine, memory, ReferenceMiniport(), nic, windows, (5, 0))
    ndis.adapter = Adapter(ndis, nic, 0)
    return ndis


def hollow(row: Routine) -> Any:
    """The generated method of a row whose implementation does nothing."""
    return generate(dataclasses.replace(row, implementation=lambda ndis, adapter, *arguments: None), Kind.ROUTINE.value)


def reported(ndis: Ndis) -> list[str]:
    findings = ndis.findings
    return [f.rule.id for f in (*findings.errors, *findings.notices)] + [c.rule.id for f in findings.errors for c in f.consequences]


# What a row says


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_face_has_the_documented_name_the_parameters_and_a_docstring(row: Routine) -> None:
    method = getattr(Adapter, row.python)
    assert method.__name__ == row.python
    assert row.python == row.python.lower()
    plain = row.name.lower().replace("_", "")
    assert row.python.replace("_", "") in (plain.removeprefix("ndism"), plain.removeprefix("ndis"), plain)
    own = list(inspect.signature(method).parameters.values())[1:]
    theirs = list(inspect.signature(row.implementation).parameters.values())[1 if row.direct else 2:]
    assert [p.name for p in own] == [p.name for p in theirs] == list(row.parameters)
    assert [p.default for p in own] == [p.default for p in theirs]
    doc = inspect.getdoc(method) or ""
    first = BY_PYTHON[row.python]
    assert doc.startswith("" if row.direct else f"{first.name}. ") and doc.endswith(".") and len(doc) > len(row.name) + 10
    assert first is row or (first.implementation is row.implementation and row.name in SHARED_FACES)


def test_names_that_share_a_face_are_those_that_mean_the_same_in_snake_case() -> None:
    assert {row.name for row in ROWS if BY_PYTHON[row.python] is not row} == SHARED_FACES


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_has_a_prototype_of_its_own_name_and_names_its_document(row: Routine) -> None:
    result, _, rest = row.c.partition(f" {row.name}(")
    assert result in ("VOID", "NDIS_STATUS", "PVOID", "ULONG", "UINT", "BOOLEAN", "PHYSICAL_ADDRESS", "LONG", "CCHAR", "PLIST_ENTRY",
                      "UCHAR", "USHORT", "SIZE_T", "LOGICAL"), row.c
    assert rest.endswith(")")
    assert row.source.startswith(("ddi:", "docs:", "ndis5:", "nt4:", "osr:", "seed", "[K]"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rules_that_a_row_names_are_declared(row: Routine) -> None:
    named = {*row.irql_rule.values(), row.handlers_rule} - {""}
    assert named <= declared_rules().keys()


def test_index_of_a_row_is_its_place_in_the_table() -> None:
    assert [row.index for row in ROWS] == list(range(len(ROWS)))


def test_a_routine_that_stands_in_the_table_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="NdisMSleep stands in the table twice"):
        routine("NdisMSleep", c="", source="")(lambda ndis, adapter: None)


def test_a_failure_that_no_status_names_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown failure 'SURPRISE'"):
        routine("NdisNothing", c="", source="", fails=("SURPRISE",))(lambda ndis, adapter: None)
    assert "NdisNothing" not in TABLE


def test_a_routine_that_is_not_modelled_is_loud() -> None:
    with pytest.raises(NotModelledError, match=r"adapter\.allocate_everything is no routine"):
        getattr(ndis_on("2003").adapter, "allocate" + "_everything")


# IRQL


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_irql_limits_are_those_of_the_documents_on_every_windows(row: Routine) -> None:
    assert {w: irql_limits(row, w) for w in WINDOWS} == {w: documented_irql(row.name, w) for w in WINDOWS}


def test_register_accesses_are_the_only_rows_without_checks() -> None:
    assert {row.name for row in ROWS if row.direct} == REGISTER_ACCESSES


@pytest.mark.parametrize("windows", WINDOWS)
def test_a_call_outside_the_documented_irql_is_a_finding_and_one_inside_is_none(windows: str) -> None:
    wrong = []
    for row in CHECKED:
        low, high = documented_irql(row.name, windows)
        method = hollow(row)
        for irql in LEVELS:
            ndis = ndis_on(windows)
            ndis.scheduler.current.irql = irql
            method(ndis.adapter, *(None,) * len(row.parameters))
            expected = [] if low <= irql <= high else [irql_rule(row, windows) or "routine-irql"]
            if reported(ndis) != expected:
                wrong.append((row.name, irql, reported(ndis), expected))
    assert wrong == []


@pytest.mark.breaks("contig-free-irql-pre2008")
def test_the_finding_names_routine_both_levels_and_windows() -> None:
    ndis = ndis_on("xp")
    ndis.scheduler.current.irql = DISPATCH_LEVEL
    hollow(TABLE["MmFreeContiguousMemory"])(ndis.adapter, None)
    [finding] = ndis.findings.errors
    assert finding.rule.id == "contig-free-irql-pre2008"
    assert finding.message == ("MmFreeContiguousMemory was called at DISPATCH_LEVEL; Windows XP asks for APC_LEVEL or below")


@pytest.mark.breaks("contig-free-irql-2008", "contig-free-irql-nt4", "contig-free-irql-pre2008")
@pytest.mark.keeps("contig-free-irql-2008", "contig-free-irql-nt4", "contig-free-irql-pre2008")
@pytest.mark.parametrize("windows, rule", [("nt4", "contig-free-irql-nt4"), ("2000", "contig-free-irql-nt4"),
                                           ("xp", "contig-free-irql-pre2008"), ("vista", "contig-free-irql-pre2008"),
                                           ("2008", "contig-free-irql-2008"), ("7", "contig-free-irql-2008")])
def test_free_of_contiguous_memory_above_the_limit_breaks_the_rule_of_its_windows(windows: str, rule: str) -> None:
    ndis = ndis_on(windows)
    ndis.scheduler.current.irql = FIRST_DIRQL
    hollow(TABLE["MmFreeContiguousMemory"])(ndis.adapter, None)
    assert reported(ndis) == [rule]


# Handlers


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_routines_of_initialize_and_halt_are_limited_to_them(row: Routine) -> None:
    if row.name in INIT_ONLY:
        assert row.handlers == Handler.INITIALIZE
    elif row.name in INIT_AND_HALT:
        assert row.handlers == Handler.INITIALIZE | Handler.HALT
    elif row.name in LOADING:
        assert {METHODS[bit] for bit in METHODS if row.handlers & bit} == set(LOADING[row.name].split())
    else:
        assert row.handlers & (Handler.SEND | Handler.HANDLE_INTERRUPT | Handler.HALT | Handler.INITIALIZE) == (
            Handler.SEND | Handler.HANDLE_INTERRUPT | Handler.HALT | Handler.INITIALIZE)


@pytest.mark.parametrize("handler", [1 << bit for bit in range(len(NAMES))], ids=lambda h: METHODS[h])
def test_a_call_from_a_forbidden_handler_is_a_finding_and_from_another_is_none(handler: int) -> None:
    wrong = []
    for row in CHECKED:
        ndis = ndis_on("2003")
        ndis.handler = handler
        ndis.scheduler.current.irql = irql_limits(row, "2003")[0]
        hollow(row)(ndis.adapter, *(None,) * len(row.parameters))
        if row.handlers & handler:
            expected = []
        elif row.handlers_rule:
            expected = [row.handlers_rule]
        else:
            expected = ["int-isr-any-irql-only" if handler & (Handler.ISR | Handler.SYNCHRONIZE) else "routine-context"]
        if reported(ndis) != expected:
            wrong.append((row.name, reported(ndis), expected))
    assert wrong == []


@pytest.mark.breaks("int-isr-any-irql-only")
@pytest.mark.keeps("int-isr-any-irql-only")
@pytest.mark.parametrize("row", CHECKED, ids=lambda row: row.name)
def test_isr_may_call_only_what_any_irql_allows(row: Routine) -> None:
    ndis = ndis_on("2003")
    ndis.handler = Handler.ISR
    ndis.scheduler.current.irql = ndis.nic.interrupt_line.irql
    hollow(row)(ndis.adapter, *(None,) * len(row.parameters))
    assert bool(reported(ndis)) == (row.name not in ANY_IRQL | ANY_IRQL_FROM_XP | {"NdisInitializeEvent"} | BY_HANDLER)


def test_no_handler_at_all_asks_for_no_context() -> None:
    assert METHODS[Handler.NONE] == "none"
    ndis = ndis_on("2003")
    hollow(TABLE["NdisMAllocateSharedMemory"])(ndis.adapter, 1, False)
    assert reported(ndis) == []


def test_every_handler_has_one_bit_and_a_name_that_a_miniport_supplies() -> None:
    bits = [bit for bit in METHODS if bit]
    assert sum(bits) == ANYWHERE and all(bit & (bit - 1) == 0 for bit in bits)
    beside = {"synchronize", "check_for_hang", "timer", "work_item", "unload"}
    assert {METHODS[bit] for bit in bits if hasattr(Miniport, METHODS[bit])} >= set(NAMES) - beside


# Failures


NO_HANDLE = {"FAILURE": (s.NDIS_STATUS_FAILURE, None)}
NO_PACKET = {"RESOURCES": (s.NDIS_STATUS_RESOURCES, None)}
NO_CLAIM = {"RESOURCE_CONFLICT": (s.NDIS_STATUS_RESOURCE_CONFLICT, None), **NO_PACKET, **NO_HANDLE}
NO_LIST = {"RESOURCES": (s.NDIS_STATUS_RESOURCES, ()), "FAILURE": (s.NDIS_STATUS_FAILURE, ())}
NULL: dict[str, Any] = {"null": None}
BUFFER = SimpleNamespace(length=60, span=lambda: (None, 60))
ARGUMENTS = {"NdisQueryBufferSafe": (BUFFER, 0), "NdisGetFirstBufferFromPacketSafe": (SimpleNamespace(first=BUFFER, length=64), 0)}
"""Arguments of which a failure tells; those of all others are None."""
FAILURES: dict[str, Any] = {
    "NdisAllocateMemory": NO_HANDLE, "NdisAllocateMemoryWithTag": NO_HANDLE, "NdisAllocateBuffer": NO_HANDLE,
    "NdisOpenConfiguration": NO_HANDLE, "NdisReadConfiguration": NO_HANDLE, "NdisReadNetworkAddress": NO_HANDLE,
    "NdisAllocatePacketPool": NO_PACKET, "NdisAllocatePacket": NO_PACKET,
    "NdisMMapIoSpace": NO_CLAIM, "NdisMRegisterIoPortRange": NO_CLAIM, "NdisMRegisterInterrupt": NO_CLAIM,
    "NdisMQueryAdapterResources": NO_LIST, "NdisMPciAssignResources": NO_LIST,
    "MmAllocateContiguousMemory": NULL, "MmAllocateContiguousMemorySpecifyCache": NULL,
    "MmAllocateContiguousMemorySpecifyCacheNode": NULL,
    "NdisMAllocateSharedMemory": {"null": (None, POISON_ADDRESS)},
    "NdisMAllocateMapRegisters": {"RESOURCES": s.NDIS_STATUS_RESOURCES},
    "NdisMInitializeScatterGatherDma": {"RESOURCES": s.NDIS_STATUS_RESOURCES, "NOT_SUPPORTED": s.NDIS_STATUS_NOT_SUPPORTED},
    "NdisQueryMapRegisterCount": {"NOT_SUPPORTED": (s.NDIS_STATUS_NOT_SUPPORTED, 0)},
    "NdisReadPciSlotInformation": {"null": b""}, "NdisImmediateReadPciSlotInformation": {"null": b""},
    "NdisReadPcmciaAttributeMemory": {"null": b""},
    "NdisReadEisaSlotInformation": {"FAILURE": (s.NDIS_STATUS_FAILURE, None, None), "RESOURCES": (s.NDIS_STATUS_RESOURCES, None, None)},
    "ExAllocatePool": NULL, "ExAllocatePoolWithTag": NULL, "NdisMInitializeWrapper": {"null": False},
    "NdisMRegisterMiniport": {"RESOURCES": s.NDIS_STATUS_RESOURCES, "BAD_CHARACTERISTICS": s.NDIS_STATUS_BAD_CHARACTERISTICS,
                              "BAD_VERSION": s.NDIS_STATUS_BAD_VERSION, "FAILURE": s.NDIS_STATUS_FAILURE},
    "NdisMRegisterDevice": {"FAILURE": (s.NDIS_STATUS_FAILURE, None), "RESOURCES": (s.NDIS_STATUS_RESOURCES, None)},
    "NdisWriteEventLogEntry": {"RESOURCES": s.NDIS_STATUS_RESOURCES, "BUFFER_TOO_SHORT": s.NDIS_STATUS_BUFFER_TOO_SHORT},
    "NdisAllocateFromNPagedLookasideList": NULL, "NdisInitializeString": NULL,
    "NdisAnsiStringToUnicodeString": {"FAILURE": s.NDIS_STATUS_FAILURE},
    "NdisUnicodeStringToAnsiString": {"FAILURE": s.NDIS_STATUS_FAILURE}, "NdisUpcaseUnicodeString": {"FAILURE": s.NDIS_STATUS_FAILURE},
    "NdisOpenFile": {"FILE_NOT_FOUND": (s.NDIS_STATUS_FILE_NOT_FOUND, None, 0), "RESOURCES": (s.NDIS_STATUS_RESOURCES, None, 0),
                     "ERROR_READING_FILE": (s.NDIS_STATUS_ERROR_READING_FILE, None, 0)},
    "NdisMapFile": {"ALREADY_MAPPED": (s.NDIS_STATUS_ALREADY_MAPPED, None)},
    "NdisWriteConfiguration": {"FAILURE": s.NDIS_STATUS_FAILURE, "RESOURCES": s.NDIS_STATUS_RESOURCES,
                               "NOT_SUPPORTED": s.NDIS_STATUS_NOT_SUPPORTED},
    "NdisOpenConfigurationKeyByName": NO_HANDLE, "NdisOpenConfigurationKeyByIndex": {"FAILURE": (s.NDIS_STATUS_FAILURE, None, None)},
    "NdisMQueryAdapterInstanceName": {"RESOURCES": (s.NDIS_STATUS_RESOURCES, None)},
    "NdisMRemoveMiniport": {"FAILURE": s.NDIS_STATUS_FAILURE},
    "NdisMAllocateSharedMemoryAsync": {"FAILURE": s.NDIS_STATUS_FAILURE},
    "NdisAllocatePacketPoolEx": NO_PACKET, "NdisDprAllocatePacket": NO_PACKET, "NdisCopyBuffer": NO_HANDLE,
    "NdisQueryBufferSafe": {"null": (None, BUFFER.length)}, "NdisGetFirstBufferFromPacketSafe": {"null": (BUFFER, None, 60, 64)},
    "NdisCopyFromPacketToPacketSafe": {"null": 0},
    "NdisMRegisterDmaChannel": NO_CLAIM, "NdisMSetupDmaTransfer": {"RESOURCES": s.NDIS_STATUS_RESOURCES},
}
"""Faults, section 5.1: what each routine that can fail answers, apart from the table."""


def test_the_routines_that_can_fail_are_the_documented_ones_with_the_documented_statuses() -> None:
    assert {row.name: set(row.fails) for row in ROWS if row.fails} == {name: set(ways) for name, ways in FAILURES.items()}


@pytest.mark.parametrize("name, effect", [(name, effect) for name, ways in FAILURES.items() for effect in ("fail", *ways)])
def test_an_injected_failure_gives_the_documented_result_and_nothing_is_claimed(name: str, effect: str) -> None:
    row = TABLE[name]
    expected = FAILURES[name][row.fails[0] if effect == "fail" else effect]
    fault = parse_fault(f"{name}#1={effect}")
    ranges = ram_ranges(2 << 20)
    machine = Machine(ranges, faults=(fault,))
    nic = machine.add_nic(MODELS["reference"])
    memory = MemoryManager(machine, FrameTree([(r.start >> 12, r.size >> 12) for r in ranges]))
    ndis = Ndis(machine, memory, ReferenceMiniport(), nic, "2003", (5, 1))
    ndis.adapter = Adapter(ndis, nic, 0)
    result = getattr(ndis.adapter, row.python)(*ARGUMENTS.get(name, (None,) * len(row.parameters)))
    assert result == expected and type(result) is type(expected)
    assert machine.injector is not None and machine.injector.fired == [fault]
    assert ndis.failed_routines == [name]
    assert not ndis.adapter.claims and not machine.book.made
    assert machine.events.events[-1][1:] == (Kind.ROUTINE, 0, name, expected)
    assert machine.events.events[-2][1:] == (Kind.FAULT, 0, f"{name}#1", effect)


def test_the_device_address_of_a_failed_allocation_is_poison_and_within_no_reach() -> None:
    assert POISON_ADDRESS != 0 and POISON_ADDRESS >> 40


@pytest.mark.parametrize("row", [row for row in ROWS if not row.fails], ids=lambda row: row.name)
def test_a_routine_that_never_fails_takes_no_fault(row: Routine) -> None:
    with pytest.raises(UsageError, match="never fails"):
        failure_of(row, "fail")
    with pytest.raises(UsageError):
        checked_fault(parse_fault(f"{row.name}#1"))


def test_a_fault_of_a_shared_face_has_the_first_name() -> None:
    with pytest.raises(UsageError, match="NdisInitializeWrapper never fails under this name") as caught:
        failure_of(TABLE["NdisInitializeWrapper"], "fail")
    assert caught.value.remedy == "name the fault NdisMInitializeWrapper#N"


@pytest.mark.parametrize("name", FAILURES)
def test_an_undocumented_status_is_refused_and_the_documented_ones_are_named(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        failure_of(TABLE[name], "NO_CABLE")
    assert all(way in caught.value.remedy for way in FAILURES[name])


@pytest.mark.parametrize("name", [row.name for row in ROWS if row.name.lower().split("ndis")[-1].lstrip("m").startswith(
    ("free", "release", "deregister", "close", "unmap", "complete"))])
def test_release_routines_never_fail(name: str) -> None:
    assert TABLE[name].fails == ()


def test_the_third_call_fails_and_the_others_do_not(live: Any, bare: Any) -> None:
    got = []

    def initialize(adapter: Any) -> None:
        for _ in range(4):
            status, memory = adapter.allocate_memory_with_tag(16, "Test")
            got.append(status)
            if memory is not None:
                adapter.free_memory(memory, 16)

    world = live(bare(initialize), faults=("NdisAllocateMemoryWithTag#3",))
    assert got == [s.NDIS_STATUS_SUCCESS] * 2 + [s.NDIS_STATUS_FAILURE, s.NDIS_STATUS_SUCCESS]
    assert world.not_fired == []


def test_a_fault_whose_call_never_comes_is_told(live: Any, bare: Any) -> None:
    assert live(bare(), faults=("NdisAllocateMemoryWithTag#3",)).not_fired == ["NdisAllocateMemoryWithTag#3"]


# Records


@pytest.mark.parametrize("row", CHECKED, ids=lambda row: row.name)
def test_a_call_is_recorded_exactly_where_the_row_says_so(row: Routine) -> None:
    ndis = ndis_on("2003")
    before = len(ndis.machine.events.events)
    hollow(row)(ndis.adapter, *(None,) * len(row.parameters))
    calls = [event for event in list(ndis.machine.events.events)[before:] if event[1] == Kind.ROUTINE]
    assert [event[3] for event in calls] == ([row.name] if row.event else [])


@pytest.mark.breaks("miniport-exception")
def test_a_finding_is_placed_at_the_line_of_the_miniport(live: Any, bare: Any) -> None:
    def initialize(adapter: Any) -> None:
        adapter.my_own_state = 1

    world = live(bare(initialize))
    assert world.outcome == "crash"
    [finding] = world.machine.findings.errors
    assert finding.rule is rules.MINIPORT_EXCEPTION
    assert finding.where is not None and Path(finding.where[0].co_filename) == Path(__file__)
    assert line_of(finding.where) == initialize.__code__.co_firstlineno + 1


def test_world_spec_takes_every_documented_fault() -> None:
    for name, ways in FAILURES.items():
        spec = WorldSpec(faults=tuple(f"{name}#{n}={way}" for n, way in enumerate(ways, 1)))
        assert len(spec.parsed_faults()) == len(ways)
