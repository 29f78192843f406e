# SPDX-License-Identifier: Apache-2.0
"""The machine: clock, processors, RAM, bus, DMA port, PCI, NIC models, wire. Knows nothing of Windows but IRQL."""
