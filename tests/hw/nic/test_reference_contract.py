# SPDX-License-Identifier: Apache-2.0
"""What a driver of the reference NIC may count on holds for the smart NIC from READY on: the tests of the one run on the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.hw.nic import test_reference_registers, test_reference_rings
from tests.hw.nic.smart_rig import SmartRig

WIRED = {
    "test_the_map_has_the_registers_of_the_data_sheet_and_no_other": "asks the class, not a card",
    "test_a_register_has_the_bits_of_the_data_sheet": "asks the class, not a card",
    "test_after_power_up_a_register_reads_as_the_data_sheet_says": "ID has another revision",
    "test_port_space_shows_the_same_registers": "ID has another revision",
    "test_reset_gives_every_register_its_reset_value_and_drops_the_line": "ID has another revision",
    "test_the_card_is_plugged_in_as_windows_finds_it": "another device id",
    "test_an_access_where_no_register_is_is_a_finding": "there are more registers",
    "test_limits_tell_what_the_card_was_built_with": "limits of one bit leave no room for an image",
    "test_a_frame_follows_when_the_bits_of_the_one_before_have_passed": "the program needs time of its own",
    "test_the_transmitter_fetches_200_ns_after_the_doorbell": "the program needs time of its own",
    "test_a_length_stored_after_ownership_comes_too_late": "the program fetches at the doorbell; the finding is the same",
    "test_a_change_after_the_doorbell_is_a_change_of_what_the_card_owns": "the program fetches later; the finding is the same",
}
"""Tests of the reference NIC that say what a smart one does otherwise, each with the reason; `test_smart_card.py` has its own."""


@pytest.fixture
def rig() -> SmartRig:
    """A smart NIC with its own limits, ready, engines off, nothing programmed."""
    return SmartRig()


@pytest.fixture(scope="session")
def make_rig() -> Callable[..., SmartRig]:
    """Makes such rigs: ``make_rig(limits=…, bus_offset=…)``."""
    return SmartRig


globals().update({
    name: function for module in (test_reference_registers, test_reference_rings) for name, function in vars(module).items()
    if name.startswith("test_") and name not in WIRED})
