# SPDX-License-Identifier: Apache-2.0
"""All bytes of a fragment are copied, the last one of an odd length, too.

Twin of ``flawed/stale_last_byte.py``.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.view import View


class StaleLastByte(Example):
    """Copies by words, and then what is left."""

    machine = {"frames": 16}

    def copy(self, adapter: Adapter, packet: Packet, data: View) -> int:
        """Copy all fragments: whole words, then the odd byte."""
        length = 0
        _, _, buffer, _ = adapter.query_packet(packet)
        while buffer is not None:
            source, size = adapter.query_buffer(buffer)
            words = size & ~1
            if words:
                data.write(length, source.read(0, words))
            if size & 1:
                data.write_uchar(length + words, source.read_uchar(words))
            length += size
            buffer = adapter.get_next_buffer(buffer)
        return length
