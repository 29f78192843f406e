# SPDX-License-Identifier: Apache-2.0
"""The miniport of the Intel 82540EM."""

from miniport.e1000.driver import E1000Miniport

__all__ = ["E1000Miniport"]
