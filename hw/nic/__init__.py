# SPDX-License-Identifier: Apache-2.0
"""NIC models. `MODELS` names them; ``docs/add-a-nic.md`` builds one from nothing."""

from hw.nic.base import LivePointer, Nic
from hw.nic.reference import ReferenceNic

MODELS: dict[str, type[Nic]] = {ReferenceNic.model: ReferenceNic}

__all__ = ["MODELS", "LivePointer", "Nic", "ReferenceNic"]
