# SPDX-License-Identifier: Apache-2.0
"""Contiguous physical memory: page frames, placement and the Mm routines (floor 4)."""
