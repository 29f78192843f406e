# SPDX-License-Identifier: Apache-2.0
"""The length of a received frame is compared with that of the buffer.

Twin of ``flawed/device_length_trusted.py``.
"""

from __future__ import annotations

from miniport.adapter import Adapter
from miniport.slave import SlaveMiniport, driver
from miniport.slave import hardware as hw
from miniport.slave.driver import BUFFER_BYTES, IDLE, RECEIVING


class DeviceLengthTrusted(SlaveMiniport):
    """Believes no card."""

    machine = {"nic": "isa-slave"}

    def _next(self, adapter: Adapter, context: driver.Context) -> None:
        """A frame on the card goes first. Else NDIS may send again."""
        if context.state != IDLE:
            return
        length = adapter.raw_read_port_ushort(context.ports, hw.RX_LENGTH)
        if length == hw.GONE:
            return
        if length > BUFFER_BYTES:
            adapter.raw_write_port_ushort(context.ports, hw.COMMAND, hw.COMMAND_DROP)
        elif length:
            buffer = context.rx_packet.first
            adapter.adjust_buffer_length(buffer, BUFFER_BYTES)
            if self._begin(adapter, context, RECEIVING, buffer, length):
                return
            adapter.raw_write_port_ushort(context.ports, hw.COMMAND, hw.COMMAND_DROP)
        if context.refused:
            context.refused = 0
            adapter.send_resources_available()
