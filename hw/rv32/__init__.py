# SPDX-License-Identifier: Apache-2.0
"""The RV32IM processor of a smart card: one `Engine` interface, an engine of Python and one on Unicorn."""
