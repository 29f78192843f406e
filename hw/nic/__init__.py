# SPDX-License-Identifier: Apache-2.0
"""NIC models. `MODELS` names them; ``docs/add-a-nic.md`` builds one from nothing."""

from hw.nic.base import LivePointer, Nic
from hw.nic.isa_slave import IsaSlaveNic, IsaSlaveWordNic
from hw.nic.reference import ReferenceNic

MODELS: dict[str, type[Nic]] = {model.model: model for model in (ReferenceNic, IsaSlaveNic, IsaSlaveWordNic)}

__all__ = ["MODELS", "IsaSlaveNic", "IsaSlaveWordNic", "LivePointer", "Nic", "ReferenceNic"]
