# SPDX-License-Identifier: Apache-2.0
"""The two variants: those of the reference miniport over a core with a boot step."""

from __future__ import annotations

from pathlib import Path

import firmware
from miniport.reference import ReferenceMiniport, SerializedReferenceMiniport
from miniport.smart.boot import IMAGE_FILE, SmartCore

FILES = {IMAGE_FILE: Path(firmware.__file__).with_name("images").joinpath("smart.img").read_bytes()}
"""What NdisOpenFile finds: the program that comes with the card. A program of your own stands here under the same name."""


class SmartMiniport(ReferenceMiniport, SmartCore):
    """Miniport of the smart NIC, deserialized."""

    files = FILES


class SerializedSmartMiniport(SerializedReferenceMiniport, SmartCore):
    """Miniport of the smart NIC, serialized."""

    files = FILES
