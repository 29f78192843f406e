# SPDX-License-Identifier: Apache-2.0
"""The registry beyond plain reading: values that a driver writes, and subkeys. What is written lives as long as the world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.processor import APC_LEVEL, PASSIVE_LEVEL
from miniport.library.configuration import ConfigurationHandle
from miniport.routine import PASSIVE, routine
from miniport.status import NDIS_STATUS_FAILURE, NDIS_STATUS_NOT_SUPPORTED, NDIS_STATUS_SUCCESS

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

_BELOW_DISPATCH = (PASSIVE_LEVEL, APC_LEVEL)


@routine("NdisWriteConfiguration", irql=PASSIVE, fails=("FAILURE", "RESOURCES", "NOT_SUPPORTED"),
         c="VOID NdisWriteConfiguration(OUT PNDIS_STATUS, NDIS_HANDLE, PNDIS_STRING Keyword, PNDIS_CONFIGURATION_PARAMETER)",
         source="ddi:ndis/nf-ndis-ndiswriteconfiguration")
def write_configuration(ndis: Ndis, adapter: Adapter, handle: ConfigurationHandle, keyword: str, value: int | str) -> int:
    """Write a number or a string. Returns a status: NOT_SUPPORTED for a value of another type."""
    if not isinstance(value, int | str):
        ndis.refused("NdisWriteConfiguration")
        return NDIS_STATUS_NOT_SUPPORTED
    # Into the object of this world, beside the checks for its state: the registry is not the miniport's.
    vars(ndis.miniport)["registry"] = {**ndis.miniport.registry, handle.path + keyword: value}
    return NDIS_STATUS_SUCCESS


@routine("NdisOpenConfigurationKeyByName", irql=_BELOW_DISPATCH, fails=("FAILURE",), on_failure=lambda status: (status, None),
         c="VOID NdisOpenConfigurationKeyByName(OUT PNDIS_STATUS, NDIS_HANDLE, PNDIS_STRING SubKeyName, OUT PNDIS_HANDLE SubKeyHandle)",
         source="ddi:ndis/nf-ndis-ndisopenconfigurationkeybyname")
def open_configuration_key_by_name(ndis: Ndis, adapter: Adapter, handle: ConfigurationHandle, name: str,
                                   ) -> tuple[int, ConfigurationHandle | None]:
    """Open a subkey, which NdisCloseConfiguration closes. Returns (status, handle): FAILURE and None where there is none."""
    if name not in _subkeys(ndis, handle):
        return NDIS_STATUS_FAILURE, None
    return NDIS_STATUS_SUCCESS, _subkey(adapter, handle, name, "NdisOpenConfigurationKeyByName")


@routine("NdisOpenConfigurationKeyByIndex", irql=_BELOW_DISPATCH, fails=("FAILURE",), on_failure=lambda status: (status, None, None),
         c="VOID NdisOpenConfigurationKeyByIndex(OUT PNDIS_STATUS, NDIS_HANDLE, ULONG Index, OUT PNDIS_STRING KeyName, OUT PNDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndisopenconfigurationkeybyindex")
def open_configuration_key_by_index(ndis: Ndis, adapter: Adapter, handle: ConfigurationHandle, index: int,
                                    ) -> tuple[int, str | None, ConfigurationHandle | None]:
    """Open subkey *index*, from 0 in the order of the registry. Returns (status, name, handle): FAILURE behind the last one."""
    subkeys = _subkeys(ndis, handle)
    if not 0 <= index < len(subkeys):
        return NDIS_STATUS_FAILURE, None, None
    return NDIS_STATUS_SUCCESS, subkeys[index], _subkey(adapter, handle, subkeys[index], "NdisOpenConfigurationKeyByIndex")


def _subkeys(ndis: Ndis, handle: ConfigurationHandle) -> list[str]:
    """Names of the subkeys of *handle*, in order of appearance."""
    below = (name[len(handle.path):] for name in ndis.miniport.registry if name.startswith(handle.path))
    return list(dict.fromkeys(name.partition("\\")[0] for name in below if "\\" in name))


def _subkey(adapter: Adapter, handle: ConfigurationHandle, name: str, routine_name: str) -> ConfigurationHandle:
    subkey = ConfigurationHandle(f"{handle.path}{name}\\")
    adapter.claim(subkey, f"configuration handle of {name}", routine_name, also=("config-open-close",))
    return subkey
