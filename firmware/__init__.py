# SPDX-License-Identifier: Apache-2.0
"""Programs that run on a card: images, what they are made of, and the program of the smart NIC (floor 2)."""
