# SPDX-License-Identifier: Apache-2.0
"""The miniport of the smart NIC: the reference miniport, and before it a boot step that brings the card its program. Read `boot`.

It comes deserialized, as what ``dmabed run --nic smart`` takes by default, and serialized.
"""

from miniport.smart.driver import SerializedSmartMiniport, SmartMiniport

__all__ = ["SerializedSmartMiniport", "SmartMiniport"]
