# SPDX-License-Identifier: Apache-2.0
"""The miniport on the bed: plain lives, every failure of every routine, and lives in any order of steps."""

import pytest
from mynic import MyNic

from dmabed.lives_machine import miniport_machine


@pytest.mark.parametrize("life", ["halt", "power-off", "bug-check", "surprise"])
def test_every_life_is_clean(bed, life):
    assert bed.run(MyNic, life=life)["verdict"] == "clean"


@pytest.mark.every_fault(MyNic, kinds="routine")
def test_survives_every_failing_routine():
    pass


def test_initialize_without_shared_memory_is_refused(bed):
    bed.inject("NdisMAllocateSharedMemory#1")
    assert bed.run(MyNic)["verdict"] == "refused"


TestLives = miniport_machine(MyNic, examples=5)
