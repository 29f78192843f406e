# SPDX-License-Identifier: Apache-2.0
"""Rules that bind the program on a smart NIC, and not the driver. A fault that was injected breaks none of them."""

from __future__ import annotations

from verifier.rule import rule

FIRMWARE_TRAP = rule(
    "firmware-trap", "look at the line of the firmware: it reads or writes where nothing of the card answers, or jumps out of its code",
    text="Firmware never traps: no access outside of the card's RAM and devices, none that is misaligned, no illegal instruction.",
    cards=("smart",))
FIRMWARE_HANG = rule(
    "firmware-hang", "bound the loop, or write HEARTBEAT in it; write SLEEP where there is nothing to do",
    text="Firmware writes HEARTBEAT or goes to sleep at least once in a millisecond.",
    cards=("smart",))
FIRMWARE_ASSERT = rule(
    "firmware-assert", "look at the assertion: the firmware found itself to be wrong there",
    text="No assertion of the firmware fails, whatever the driver does.",
    cards=("smart",))
