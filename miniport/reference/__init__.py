# SPDX-License-Identifier: Apache-2.0
"""The reference miniport: exemplary code for the reference NIC, to be read from top to bottom, `core` first.

It comes deserialized, as what ``dmabed run`` takes by default, and serialized.
"""

from miniport.reference.driver import ReferenceMiniport
from miniport.reference.serialized import SerializedReferenceMiniport

__all__ = ["ReferenceMiniport", "SerializedReferenceMiniport"]
