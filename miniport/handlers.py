# SPDX-License-Identifier: Apache-2.0
"""The handlers of an NDIS 5 miniport, one bit each, and the sets of them in which a routine may be called.

Plain integers: they are compared at every call of every routine.
"""

from __future__ import annotations

NAMES = (
    "driver_entry", "initialize", "halt", "shutdown", "isr", "handle_interrupt", "enable_interrupt", "disable_interrupt",
    "send", "query_information", "set_information", "return_packet", "reset", "check_for_hang", "synchronize",
    "pnp_event_notify", "timer", "work_item", "allocate_complete",
    "send_packets", "transfer_data", "unload",
)
"""Handlers by the number of their bit."""


class Handler:
    """The bit of each handler. `NONE` is the system: no handler runs."""

    NONE = 0
    DRIVER_ENTRY = 1 << 0
    INITIALIZE = 1 << 1
    HALT = 1 << 2
    SHUTDOWN = 1 << 3
    ISR = 1 << 4
    HANDLE_INTERRUPT = 1 << 5
    ENABLE_INTERRUPT = 1 << 6
    DISABLE_INTERRUPT = 1 << 7
    SEND = 1 << 8
    QUERY_INFORMATION = 1 << 9
    SET_INFORMATION = 1 << 10
    RETURN_PACKET = 1 << 11
    RESET = 1 << 12
    CHECK_FOR_HANG = 1 << 13
    SYNCHRONIZE = 1 << 14
    PNP_EVENT_NOTIFY = 1 << 15
    TIMER = 1 << 16
    WORK_ITEM = 1 << 17
    ALLOCATE_COMPLETE = 1 << 18
    SEND_PACKETS = 1 << 19
    TRANSFER_DATA = 1 << 20
    UNLOAD = 1 << 21


METHODS = {0: "none"} | {1 << bit: name for bit, name in enumerate(NAMES)}
"""The name of the Python handler for each bit: ``handle_interrupt``."""

INIT = Handler.INITIALIZE
INIT_OR_HALT = Handler.INITIALIZE | Handler.HALT
ANYWHERE = (1 << len(NAMES)) - 1
NOT_SHUTDOWN = ANYWHERE & ~Handler.SHUTDOWN
NOT_AT_DIRQL = ANYWHERE & ~(Handler.ISR | Handler.SYNCHRONIZE | Handler.DISABLE_INTERRUPT)
RUN_TIME = NOT_AT_DIRQL & ~Handler.SHUTDOWN
