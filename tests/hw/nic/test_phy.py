# SPDX-License-Identifier: Apache-2.0
"""The registers and the link of a PHY."""

from __future__ import annotations

import pytest

from hw.clock import Clock
from hw.nic.phy import ANAR, ANLPAR, AUTONEG_NS, BMCR, BMSR, LINK, PARTNER_OFFERS, PHYID1, PHYID2, Phy

RESET, LOCK_100_FULL, POWER_DOWN, RESTART, AUTONEG = 0x8000, 0x2100, 0x0800, 0x0200, 0x1000


class Bench:
    """A PHY with a cable and somebody who listens."""

    def __init__(self, cable: bool = True) -> None:
        self.clock, self.cable, self.told = Clock(), cable, []
        self.phy = Phy(self.clock, lambda: self.cable, self.told.append, control=0x1100, status=0x7809, identifier=0x0141_0C20,
                       offers=0x01E1, extended={16: 5})

    told: list[bool]

    def plug(self, cable: bool) -> None:
        self.cable = cable
        self.phy.cable_changed(cable)

    def passes(self, ns: int = AUTONEG_NS) -> None:
        self.clock.advance(ns)

    def link_bit(self) -> bool:
        value = self.phy.read(BMSR)
        assert value is not None
        return bool(value & LINK)


@pytest.mark.parametrize("cable", [False, True])
def test_long_after_power_up_the_link_is_that_of_the_cable(cable: bool) -> None:
    bench = Bench(cable)
    assert (bench.phy.link, bench.link_bit(), bench.told) == (cable, cable, [])


def test_the_identifier_and_unknown_registers() -> None:
    phy = Bench().phy
    assert (phy.read(PHYID1), phy.read(PHYID2), phy.read(16), phy.read(7)) == (0x0141, 0x0C20, 5, None)
    assert (phy.write(7, 1), phy.write(16, 6), phy.read(16)) == (False, True, 6)


@pytest.mark.parametrize("register", [BMSR, PHYID1, PHYID2, ANLPAR])
def test_what_is_read_only_stays(register: int) -> None:
    phy = Bench().phy
    before = phy.read(register)
    assert phy.write(register, 0)
    assert phy.read(register) == before


def test_a_lost_link_is_latched_until_it_was_read() -> None:
    bench = Bench()
    bench.plug(False)
    bench.plug(True)
    assert not bench.phy.link
    bench.passes(AUTONEG_NS - 1)
    assert not bench.phy.link
    bench.passes(1)
    assert (bench.told, bench.link_bit(), bench.link_bit()) == ([False, True], False, True)


def test_the_partner_is_known_when_the_negotiation_is_over() -> None:
    bench = Bench()
    assert bench.phy.read(ANLPAR) == PARTNER_OFFERS
    bench.phy.write(BMCR, AUTONEG | RESTART)
    assert (bench.phy.read(ANLPAR), bench.phy.read(BMCR)) == (0, AUTONEG)
    bench.passes()
    assert bench.phy.read(ANLPAR) == PARTNER_OFFERS


def test_reset_restores_the_registers() -> None:
    bench = Bench()
    bench.phy.write(ANAR, 0)
    bench.phy.write(BMCR, RESET)
    assert (bench.phy.read(ANAR), bench.phy.read(BMCR), bench.phy.link) == (0x01E1, 0x1100, False)
    bench.passes()
    assert bench.phy.link


@pytest.mark.parametrize("control, link", [(LOCK_100_FULL, True), (0x0100, False), (0x2140, False)])
def test_a_forced_speed_has_to_be_that_of_the_wire(control: int, link: bool) -> None:
    bench = Bench(cable=False)
    bench.phy.write(BMCR, control)
    bench.plug(True)
    bench.passes()
    assert bench.phy.link is link


def test_without_a_common_speed_there_is_no_link() -> None:
    bench = Bench()
    bench.phy.write(ANAR, 0x0061)
    bench.phy.write(BMCR, AUTONEG | RESTART)
    bench.passes()
    assert not bench.phy.link


def test_powered_down_there_is_no_link() -> None:
    bench = Bench()
    bench.phy.write(BMCR, AUTONEG | POWER_DOWN)
    bench.passes()
    assert not bench.phy.link
    bench.phy.write(BMCR, AUTONEG)
    bench.passes()
    assert bench.phy.link


def test_a_negotiation_that_never_ends() -> None:
    bench = Bench()
    bench.phy.never = True
    bench.phy.reset()
    bench.passes(1000 * AUTONEG_NS)
    assert (bench.phy.link, bench.told) == (False, [False])
