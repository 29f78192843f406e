# SPDX-License-Identifier: Apache-2.0
"""The NDIS 5 that a miniport sees: routines, handlers, packets, time and interrupts (floor 5)."""
