# SPDX-License-Identifier: Apache-2.0
"""NIC models. `MODELS` names them; ``docs/add-a-nic.md`` builds one from nothing."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from hw.nic.base import LivePointer, Nic

TABLE: dict[str, str] = {
    "reference": "hw.nic.reference:ReferenceNic",
    "smart": "hw.nic.smart:SmartNic",
    "isa-slave": "hw.nic.isa_slave:IsaSlaveNic",
    "isa-slave-16": "hw.nic.isa_slave:IsaSlaveWordNic",
    "e1000": "hw.nic.e1000:E1000Nic",
    "rtl8139": "hw.nic.rtl8139:Rtl8139Nic",
    "pcnet": "hw.nic.pcnet:PcnetNic",
    "pcnet-isa": "hw.nic.pcnet_isa:PcnetIsaNic",
}
"""Where the class of each model stands: ``module:Class``."""


class Models(Mapping[str, type[Nic]]):
    """The models by name. A model's module is imported when somebody asks for it: a world needs one of them."""

    def __getitem__(self, name: str) -> type[Nic]:
        module, _, model = TABLE[name].partition(":")
        found: type[Nic] = getattr(import_module(module), model)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(TABLE)

    def __len__(self) -> int:
        return len(TABLE)

    def __contains__(self, name: object) -> bool:
        return name in TABLE


MODELS = Models()

__all__ = ["MODELS", "TABLE", "LivePointer", "Models", "Nic"]
