# SPDX-License-Identifier: Apache-2.0
"""The core of firmware-driven devices and the images that run on it (floor 2)."""
