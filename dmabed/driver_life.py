# SPDX-License-Identifier: Apache-2.0
"""The driver's part of a world: driver_entry before the first adapter, the unload handler after the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.processor import PASSIVE_LEVEL
from miniport import rules
from miniport.driver import Driver
from miniport.handlers import Handler
from miniport.library.loading import REGISTERS, TERMINATE, UNLOAD_UNDO
from miniport.ndis import Ndis
from miniport.status import NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS, status_name
from verifier.where import where_of_function

if TYPE_CHECKING:
    from dmabed.world import World


def load(world: World) -> bool:
    """Call driver_entry. False if the driver is not there then: all adapters count as refused, with the status that it returned."""
    ndis = world.ndis
    versions = type(ndis.miniport).ndis_versions
    driver = Driver(ndis, versions[versions.index(world.ndis_version):])
    for seat in world.seats:
        seat.ndis.driver = driver
    status = ndis.call(Handler.DRIVER_ENTRY, lambda _: ndis.miniport.driver_entry(driver), irql=PASSIVE_LEVEL)
    if status == NDIS_STATUS_SUCCESS and driver.registered is not None:
        for seat in world.seats:
            seat.ndis.ndis_version = driver.registered
        return True
    _not_loaded(ndis, driver, status)
    for seat in world.seats:
        seat.refused = True
        seat.status = status if isinstance(status, int) and status != NDIS_STATUS_SUCCESS else NDIS_STATUS_FAILURE
    return False


def unload(world: World) -> None:
    """The last adapter is gone: call the unload handler, and see what the driver keeps."""
    ndis = world.ndis
    driver = ndis.driver
    assert driver is not None, "only a driver that was loaded is unloaded"
    handler = driver.unload_handler
    if handler is not None:
        ndis.call(Handler.UNLOAD, lambda _: handler(driver), irql=PASSIVE_LEVEL)
    _leaks(ndis, driver, "the driver was unloaded")


def _not_loaded(ndis: Ndis, driver: Driver, status: object) -> None:
    """driver_entry failed, or said that it did not: is that right, and is anything left?"""
    report, where = ndis.findings.report, where_of_function(ndis.miniport.driver_entry)
    if status == NDIS_STATUS_SUCCESS:
        report(REGISTERS, "driver_entry succeeded and no miniport is registered", where=where, subject=("driver_entry",))
        return
    if not isinstance(status, int):
        report(rules.INIT_STATUS, f"driver_entry returned {status_name(status)}", where=where, subject=("driver_entry",))
    if driver.wrapper:
        report(TERMINATE, f"driver_entry returned {status_name(status)} without NdisTerminateWrapper", where=where, subject=("wrapper",))
    _leaks(ndis, driver, "driver_entry failed")
    if not ndis.failed_routines:
        report(rules.INIT_FAILED, f"driver_entry returned {status_name(status)} although no routine failed", where=where,
               subject=("driver_entry",))


def _leaks(ndis: Ndis, driver: Driver, what: str) -> None:
    for claim in driver.claims.values():
        ndis.findings.report(
            claim.rule or UNLOAD_UNDO, f"{claim.what} of {claim.routine} is still held after {what}", where=claim.where,
            span=claim.block.span if claim.block is not None else None, block=claim.block, owner=claim.what, subject=(claim.what,),
            also=claim.also)
