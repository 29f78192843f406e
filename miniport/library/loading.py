# SPDX-License-Identifier: Apache-2.0
"""How a driver is loaded: the wrapper, the registration of the miniport, the unload handler.

A class is a driver of its own, so that the handlers of the characteristics are its methods; of the structure that C passes only
its version and its length are left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from miniport.handlers import Handler
from miniport.routine import PASSIVE, alias, routine
from miniport.status import NDIS_STATUS_BAD_CHARACTERISTICS, NDIS_STATUS_BAD_VERSION, NDIS_STATUS_SUCCESS
from miniport.versions import CHARACTERISTICS_LENGTH, ndis_of
from verifier.errors import NotModelledError
from verifier.rule import Severity, rule
from verifier.where import where_of_function

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.driver import Driver
    from miniport.ndis import Ndis

WRAPPER_FIRST = rule(
    "wrapper-first", "call NdisMInitializeWrapper first thing in driver_entry",
    text="NdisMInitializeWrapper comes before every other call of NDIS: no miniport, unload handler or device is registered without it.")
TERMINATE = rule(
    "wrapper-terminate-on-failure", "call NdisTerminateWrapper on every path of driver_entry that fails",
    text="A driver_entry that fails after NdisMInitializeWrapper calls NdisTerminateWrapper.")
REGISTERS = rule(
    "driver-entry-registers", "return the status of NdisMRegisterMiniport, or register the miniport",
    text="A driver_entry that succeeds has registered the miniport and not terminated the wrapper.")
LENGTH = rule(
    "miniport-characteristics-length", "pass the size of the characteristics structure of the version that is registered",
    text="CharacteristicsLength is at least the size of the structure of the NDIS version that the characteristics state.")
SHUTDOWN_REGISTERED = rule(
    "shutdown-registered", "supply a shutdown handler that turns the card's interrupts and DMA off", severity=Severity.WARNING)
UNLOAD_AFTER_REGISTER = rule(
    "unload-handler-after-register", "call NdisMRegisterUnloadHandler after NdisMRegisterMiniport has succeeded",
    text="The unload handler is registered after the miniport.")
UNLOAD_UNDO = rule(
    "unload-undo-all", "give back what driver_entry took in an unload handler, and on every path of driver_entry that fails",
    also=("pool-leak-unload", "contig-free-before-unload"),
    text="What driver_entry took is given back before the driver is unloaded.")


@routine("NdisMInitializeWrapper", irql=PASSIVE, handlers=Handler.DRIVER_ENTRY, fails=("null",), on_failure=lambda status: False,
         c="VOID NdisMInitializeWrapper(OUT PNDIS_HANDLE NdisWrapperHandle, PVOID SystemSpecific1, PVOID SystemSpecific2, PVOID "
           "SystemSpecific3)", source="ddi:ndis/nf-ndis-ndisminitializewrapper")
def initialize_wrapper(ndis: Ndis, adapter: Adapter) -> bool:
    """Tell NDIS that a miniport driver begins. Returns True, and False where C gets a NULL handle. The handle is left out of all
    faces."""
    driver = driver_of(ndis)
    early = next((claim for claim in driver.claims.values() if claim.routine.startswith("Ndis")), None)
    if early is not None:
        ndis.findings.report(WRAPPER_FIRST, f"{early.routine} was called before NdisMInitializeWrapper", subject=("wrapper",),
                             related=[("called", early.where)])
    driver.wrapper = True
    return True


alias("NdisInitializeWrapper", "NdisMInitializeWrapper",
      c="VOID NdisInitializeWrapper(OUT PNDIS_HANDLE NdisWrapperHandle, PVOID SystemSpecific1, PVOID SystemSpecific2, PVOID "
        "SystemSpecific3)", source="ddi:ndis/nf-ndis-ndisinitializewrapper")


@routine("NdisMRegisterMiniport", irql=PASSIVE, handlers=Handler.DRIVER_ENTRY,
         fails=("RESOURCES", "BAD_CHARACTERISTICS", "BAD_VERSION", "FAILURE"),
         c="NDIS_STATUS NdisMRegisterMiniport(NDIS_HANDLE NdisWrapperHandle, PNDIS_MINIPORT_CHARACTERISTICS, UINT CharacteristicsLength)",
         source="ndis5:ff553602")
def register_miniport(ndis: Ndis, adapter: Adapter, major_ndis_version: int, minor_ndis_version: int, characteristics_length: int,
                      ) -> int:
    """Register the class as a miniport of that NDIS version. *characteristics_length* is the size in bytes of the structure that C
    passes, as in `miniport.versions.CHARACTERISTICS_LENGTH`. Returns a status: NDIS_STATUS_BAD_VERSION for a version that this
    Windows does not know, NDIS_STATUS_BAD_CHARACTERISTICS for a length below that of the version; then NdisTerminateWrapper is due.
    The handlers are the methods of the class; one that is missing is found when NDIS calls it."""
    driver = driver_of(ndis)
    needs_wrapper(ndis, "NdisMRegisterMiniport")
    version = (major_ndis_version, minor_ndis_version)
    if version not in CHARACTERISTICS_LENGTH or version > ndis_of(ndis.windows):
        ndis.refused("NdisMRegisterMiniport")
        return NDIS_STATUS_BAD_VERSION
    if version < (4, 0):
        raise NotModelledError(f"miniports of NDIS {version[0]}.{version[1]} are not modelled", "register 4.0, 5.0 or 5.1")
    least = CHARACTERISTICS_LENGTH[version]
    if characteristics_length < least:
        ndis.findings.report(
            LENGTH, f"NdisMRegisterMiniport: {characteristics_length} bytes of characteristics, and those of NDIS "
            f"{version[0]}.{version[1]} have {least}", subject=("characteristics",))
        ndis.refused("NdisMRegisterMiniport")
        return NDIS_STATUS_BAD_CHARACTERISTICS
    if version >= (5, 1) and not ndis.miniport.overrides("shutdown"):
        ndis.findings.report(
            SHUTDOWN_REGISTERED, f"{type(ndis.miniport).__name__} registers as NDIS {version[0]}.{version[1]} and supplies no shutdown "
            "handler: its card runs on when the system goes down", where=where_of_function(ndis.miniport.initialize),
            subject=("characteristics", "shutdown"))
    driver.registered = version
    return NDIS_STATUS_SUCCESS


@routine("NdisTerminateWrapper", irql=PASSIVE, handlers=Handler.DRIVER_ENTRY | Handler.INITIALIZE | Handler.UNLOAD,
         c="VOID NdisTerminateWrapper(NDIS_HANDLE NdisWrapperHandle, PVOID SystemSpecific)",
         source="ddi:ndis/nf-ndis-ndisterminatewrapper")
def terminate_wrapper(ndis: Ndis, adapter: Adapter) -> None:
    """Give back what NdisMInitializeWrapper took, on a path of driver_entry that fails. A miniport that was registered is no longer.
    Elsewhere the call changes nothing: what NDIS does then is not modelled."""
    driver = driver_of(ndis)
    if ndis.handler == Handler.DRIVER_ENTRY:
        needs_wrapper(ndis, "NdisTerminateWrapper")
        driver.wrapper = False
        driver.registered = None


@routine("NdisMRegisterUnloadHandler", irql=PASSIVE, handlers=Handler.DRIVER_ENTRY,
         c="VOID NdisMRegisterUnloadHandler(NDIS_HANDLE NdisWrapperHandle, PDRIVER_UNLOAD UnloadHandler)",
         source="ddi:ndis/nf-ndis-ndismregisterunloadhandler")
def register_unload_handler(ndis: Ndis, adapter: Adapter, unload_handler: Callable[[Driver], Any]) -> None:
    """Let *unload_handler(driver)* be called at PASSIVE_LEVEL when the last adapter is halted and the driver leaves."""
    driver = driver_of(ndis)
    needs_wrapper(ndis, "NdisMRegisterUnloadHandler")
    if driver.wrapper and driver.registered is None:
        ndis.findings.report(UNLOAD_AFTER_REGISTER, "NdisMRegisterUnloadHandler before the miniport is registered", subject=("unload",))
    driver.unload_handler = unload_handler


def needs_wrapper(ndis: Ndis, name: str) -> None:
    """A finding if *name* is called before NdisMInitializeWrapper, or after NdisTerminateWrapper."""
    if not driver_of(ndis).wrapper:
        ndis.findings.report(WRAPPER_FIRST, f"{name} without NdisMInitializeWrapper", subject=("wrapper",))


def driver_of(ndis: Ndis) -> Driver:
    """The driver to which the adapter of *ndis* belongs."""
    driver = ndis.driver
    assert driver is not None, "a driver is loaded before its miniport is called"
    return driver
