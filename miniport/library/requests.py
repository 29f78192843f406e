# SPDX-License-Identifier: Apache-2.0
"""Completion of what a miniport left pending: queries, sets and the reset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport import rules
from miniport.handlers import RUN_TIME
from miniport.routine import AT_DISPATCH, UP_TO_DISPATCH, routine
from verifier.rule import Rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis


@routine("NdisMQueryInformationComplete", irql=UP_TO_DISPATCH, handlers=RUN_TIME,
         c="VOID NdisMQueryInformationComplete(NDIS_HANDLE, NDIS_STATUS)", source="ddi:ndis/nf-ndis-ndismqueryinformationcomplete")
def query_information_complete(ndis: Ndis, adapter: Adapter, status: int, data: bytes = b"") -> None:
    """Complete the query for which `query_information` returned NDIS_STATUS_PENDING; *data* is what C writes into its buffer."""
    _no_lock(ndis, "NdisMQueryInformationComplete", rules.LOCK_UPCALL)
    ndis.protocol.requests.completed("NdisMQueryInformationComplete", True, status, data)


@routine("NdisMSetInformationComplete", irql=UP_TO_DISPATCH, handlers=RUN_TIME,
         c="VOID NdisMSetInformationComplete(NDIS_HANDLE, NDIS_STATUS)", source="ddi:ndis/nf-ndis-ndismsetinformationcomplete")
def set_information_complete(ndis: Ndis, adapter: Adapter, status: int) -> None:
    """Complete the set for which `set_information` returned NDIS_STATUS_PENDING."""
    _no_lock(ndis, "NdisMSetInformationComplete", rules.LOCK_UPCALL)
    ndis.protocol.requests.completed("NdisMSetInformationComplete", False, status, b"")


@routine("NdisMResetComplete", irql=AT_DISPATCH, irql_rule="reset-complete-irql", handlers=RUN_TIME,
         c="VOID NdisMResetComplete(NDIS_HANDLE, NDIS_STATUS, BOOLEAN AddressingReset)", source="ddi:ndis/nf-ndis-ndismresetcomplete")
def reset_complete(ndis: Ndis, adapter: Adapter, status: int, addressing_reset: bool) -> None:
    """Complete the reset for which `reset` returned NDIS_STATUS_PENDING. With *addressing_reset* NDIS sets filter and multicast list
    again."""
    _no_lock(ndis, "NdisMResetComplete", rules.RESET_LOCK)
    ndis.protocol.hang.reset_completed(status, addressing_reset)


def _no_lock(ndis: Ndis, name: str, rule: Rule) -> None:
    if ndis.held:
        lock = ndis.held[-1]
        ndis.findings.report(
            rule, f"{name} while {lock.name} is held: NDIS may call back into the miniport", subject=(lock,),
            related=[("acquired", lock.acquired_at)])
