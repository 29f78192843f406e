# SPDX-License-Identifier: Apache-2.0
"""The small miniports of the tests of routines, for the tests of rules."""

from __future__ import annotations

from tests.miniport.conftest import all_broken, bare, broken, hooked, live, told

__all__ = ["all_broken", "bare", "broken", "hooked", "live", "told"]
