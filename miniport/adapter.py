# SPDX-License-Identifier: Apache-2.0
"""The face of NDIS that a Python miniport calls: one method for each row of the table, snake_case of the NDIS name.

The methods are generated from the table when this module is imported; `dmabed` prints them with ``docs/routines.md``.
Failures are the status codes and None of the documents, never exceptions; several out parameters come as a tuple.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniport import library
from miniport.adapter_state import AdapterState
from miniport.library.loading import driver_of
from miniport.routine import BY_PYTHON, generate
from miniport.status import NDIS_ATTRIBUTE_DESERIALIZE
from verifier.errors import NotModelledError
from verifier.events import Kind

if TYPE_CHECKING:
    from miniport.driver import Driver


class Adapter(AdapterState):
    """One adapter as its miniport sees it."""

    __slots__ = ()

    @property
    def serialized(self) -> bool:
        """True if NDIS serializes the handlers: the miniport did not set NDIS_ATTRIBUTE_DESERIALIZE."""
        return not self.attributes & NDIS_ATTRIBUTE_DESERIALIZE

    @property
    def driver(self) -> Driver:
        """The driver to which the adapter belongs, with `context` for what all adapters share."""
        return driver_of(self._ndis)

    @property
    def registered_version(self) -> tuple[int, int]:
        """The NDIS version that the miniport registered: what a driver keeps in a global after NdisMRegisterMiniport."""
        return self._ndis.ndis_version

    def __getattr__(self, name: str) -> Any:
        raise NotModelledError(
            f"adapter.{name} is no routine that the bed models",
            "docs/routines.md lists the routines; docs/add-a-routine.md says how to add one")


assert library.__all__, "importing the library fills the table"

for _row in BY_PYTHON.values():
    setattr(Adapter, _row.python, generate(_row, Kind.ROUTINE.value))
