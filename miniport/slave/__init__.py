# SPDX-License-Identifier: Apache-2.0
"""The miniport of the ISA card with slave DMA: exemplary code, to be read from top to bottom."""

from miniport.slave.driver import SlaveMiniport

__all__ = ["SlaveMiniport"]
