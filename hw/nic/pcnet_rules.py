# SPDX-License-Identifier: Apache-2.0
"""Rules that the PCnet models add: what the data sheet forbids a driver of these cards."""

from __future__ import annotations

from verifier.rule import rule

STOP_FIRST = rule(
    "pcnet-stop-first", "set STOP in CSR0 before such a register is written, or SPND in CSR5 where the card has it",
    text="A register that the data sheet calls accessible with STOP or SPND set is written only then; at other times the write is lost.",
    cards=("pcnet", "pcnet-isa"))
RINGS_FIRST = rule(
    "pcnet-rings-first", "write the address of an initialization block to CSR1 and CSR2, set INIT and wait for IDON before STRT",
    text="STRT is set after an initialization block was read, or after ring addresses and lengths were written to the card.",
    cards=("pcnet", "pcnet-isa"))
RESERVED_IN_MEMORY = rule(
    "desc-reserved", "build every initialization block and descriptor from zero, with ones where the data sheet asks for them",
    text="Reserved bits of an initialization block or a descriptor are written as zero, and those that must be one as one.",
    cards=("pcnet", "pcnet-isa"))
STYLE = rule(
    "pcnet-style", "write 0 to 3 to SWSTYLE in BCR20",
    text="Only the software styles that the data sheet defines are selected.",
    cards=("pcnet", "pcnet-isa"))
RAP_TORN = rule(
    "pcnet-rap-torn", "keep the ISR, timers and all other handlers out between the write of RAP and the access that it is for, or let "
    "each restore RAP",
    text="Between a write of RAP and the access to a data port that it is for, nobody else leaves another number in RAP.",
    cards=("pcnet", "pcnet-isa"))
