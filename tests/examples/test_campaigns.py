# SPDX-License-Identifier: Apache-2.0
"""A campaign finds for itself each flaw that shows only under a fault or an interleaving, and nothing in the clean twin.

No campaign here is told where to look: it tries every single fault of its kinds at every point of the life.
"""

from __future__ import annotations

import pytest

from dmabed.bed import Bed
from dmabed.campaign import Campaign, Plan, Selection, run
from tests.examples.test_examples import EXAMPLES, EXPECTED, FAULTS

FAULT_KINDS = ("routine", "device", "async", "race", "upper-edge")
FOUND_BY = {
    "address_of_five_bytes": FAULT_KINDS,
    "async_counted_late": FAULT_KINDS,
    "async_not_awaited_in_halt": FAULT_KINDS,
    "freed_twice_in_unwind": FAULT_KINDS,
    "halt_on_half_an_adapter": FAULT_KINDS,
    "isr_table_replaced": ("interrupt",),
    "leak_on_second_failure": FAULT_KINDS,
    "never_hangs": FAULT_KINDS,
    "null_written": FAULT_KINDS,
    "packets_kept_in_halt": FAULT_KINDS,
    "pci_revision_believed": FAULT_KINDS,
    "registry_value_as_index": FAULT_KINDS,
    "reset_forgets_packets": FAULT_KINDS,
    "room_seen_too_early": FAULT_KINDS,
    "shutdown_sleeps": ("life",),
    "slot_lost_without_buffer": FAULT_KINDS,
    "timer_cancel_ignored": FAULT_KINDS,
    "too_few_map_registers": FAULT_KINDS,
}
"""The kinds of fault that the campaign on an example tries."""
SWEPT_FRAMES = 2
"""Frames of a life that is swept at every switching point."""


def campaign(folder: str, name: str) -> Campaign:
    """Every single fault; what only a fault brings about is not gone into."""
    kinds = FOUND_BY[name]
    options = {} if kinds == FAULT_KINDS else {"frames": SWEPT_FRAMES}
    return run(Plan(Bed(str(EXAMPLES / folder / f"{name}.py"), **options).spec, Selection(kinds), deepest=1))


def rules_of(done: Campaign) -> dict[str, set[str]]:
    """By id of a failing world, the rules that it broke."""
    return {record.case.id: {finding["rule"] for finding in record.findings} for record in done.failing}


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(FOUND_BY))
def test_the_campaign_finds_the_flaw_and_where_it_shows(name: str) -> None:
    found = rules_of(campaign("flawed", name))
    assert "no-fault" not in found
    point, = FAULTS[name]
    revealing = {world for world, rules in found.items() if EXPECTED[name] in rules}
    assert revealing if point.startswith(("preempt", "register-access")) and name != "isr_table_replaced" else point in revealing


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(FOUND_BY))
def test_the_campaign_on_the_clean_twin_sees_only_good_outcomes(name: str) -> None:
    done = campaign("clean", name)
    assert (done.verdict, rules_of(done)) == ("clean", {})
    assert set(done.outcomes) <= {"recovered", "degraded", "refused"}
    assert done.armed == done.fired > 50


def test_at_least_fifteen_flaws_show_only_under_a_fault_or_an_interleaving() -> None:
    assert len(FOUND_BY) >= 15
    assert set(FOUND_BY) <= set(FAULTS)
