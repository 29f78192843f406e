# SPDX-License-Identifier: Apache-2.0
"""The miniports of the PCnet cards: `PcnetMiniport` for the Am79C970A on PCI, deserialized, and `PcnetIsaMiniport` for the Am79C960 on
ISA, serialized. Read `core` first, after `miniport.reference.core`."""

from miniport.pcnet.driver import PcnetIsaMiniport, PcnetMiniport

__all__ = ["PcnetIsaMiniport", "PcnetMiniport"]
