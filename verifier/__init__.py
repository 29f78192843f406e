# SPDX-License-Identifier: Apache-2.0
"""Findings, rules, the event record and the address book: floor 1, knows nothing of the floors above."""
