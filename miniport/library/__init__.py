# SPDX-License-Identifier: Apache-2.0
"""The routines of NDIS 5 and the Mm routines, each with its row of the table. Importing this package fills the table."""

from miniport.library import (
    configuration,
    indications,
    interrupts,
    locks,
    memory,
    packets,
    registers,
    registration,
    shared,
)

__all__ = ["configuration", "indications", "interrupts", "locks", "memory", "packets", "registers", "registration", "shared"]
