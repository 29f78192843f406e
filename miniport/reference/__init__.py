# SPDX-License-Identifier: Apache-2.0
"""The reference miniport: exemplary code for the reference NIC, to be read from top to bottom."""

from miniport.reference.driver import ReferenceMiniport

__all__ = ["ReferenceMiniport"]
