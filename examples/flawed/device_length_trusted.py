# SPDX-License-Identifier: Apache-2.0
"""The length of a received frame is taken from the card without a look at it.

Wrong:    a register says how long the frame is, and the miniport gives its buffer that length.
Silicon:  a card that fails says 4095 or 0xFFFE: the protocol reads, and the transfer overwrites, what lies behind the buffer.
Expected: slave-subrange, with the call that sets the transfer up, under register-read:RX_LENGTH#3=0x0FFF.
Mend:     compare the length with that of the buffer, and drop the frame.
"""

from __future__ import annotations

from miniport.adapter import Adapter
from miniport.slave import SlaveMiniport, driver
from miniport.slave import hardware as hw
from miniport.slave.driver import BUFFER_BYTES, IDLE, RECEIVING
from miniport.status import NDIS_STATUS_SUCCESS


class DeviceLengthTrusted(SlaveMiniport):
    """Believes its card."""

    machine = {"nic": "isa-slave"}

    def _next(self, adapter: Adapter, context: driver.Context) -> None:
        """A frame on the card goes first. Else NDIS may send again."""
        if context.state != IDLE:
            return
        length = adapter.raw_read_port_ushort(context.ports, hw.RX_LENGTH)
        if length == hw.GONE:
            return
        if length:
            buffer = context.rx_packet.first
            adapter.adjust_buffer_length(buffer, BUFFER_BYTES)
            whole = -(-length // context.unit) * context.unit
            if adapter.setup_dma_transfer(context.channel, buffer, 0, whole, False) == NDIS_STATUS_SUCCESS:  # FLAW
                context.state, context.length = RECEIVING, length
                adapter.raw_write_port_ushort(context.ports, hw.COMMAND, hw.COMMAND_RECEIVE)
                return
            adapter.raw_write_port_ushort(context.ports, hw.COMMAND, hw.COMMAND_DROP)
        if context.refused:
            context.refused = 0
            adapter.send_resources_available()
