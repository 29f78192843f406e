# SPDX-License-Identifier: Apache-2.0
"""Rules of the attributes that a miniport sets."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s


@pytest.mark.breaks("attr5-once")
@pytest.mark.keeps("attr5-once")
@pytest.mark.parametrize("times", [1, 2, 3])
def test_the_attributes_are_set_once(live: Any, bare: Any, broken: Any, times: int) -> None:
    def initialize(adapter: Any) -> None:
        for _ in range(times):
            adapter.set_attributes_ex(None, 0, 0, s.NDIS_INTERFACE_PCI)

    assert broken(live(bare(initialize, attributes=None))) == ["attr5-once"] * (times > 1)


@pytest.mark.breaks("attr5-no-ignore")
@pytest.mark.keeps("attr5-no-ignore")
@pytest.mark.parametrize("flag, rules", [
    (s.NDIS_ATTRIBUTE_IGNORE_PACKET_TIMEOUT, ["attr5-no-ignore"]), (s.NDIS_ATTRIBUTE_IGNORE_REQUEST_TIMEOUT, ["attr5-no-ignore"]),
    (s.NDIS_ATTRIBUTE_INTERMEDIATE_DRIVER, ["attr5-no-ignore"]), (s.NDIS_ATTRIBUTE_DESERIALIZE, []), (0, [])])
def test_a_nic_driver_leaves_the_time_outs_alone(live: Any, bare: Any, broken: Any, flag: int, rules: list[str]) -> None:
    assert broken(live(bare(attributes=flag))) == rules


@pytest.mark.breaks("attr5-surprise")
@pytest.mark.keeps("attr5-surprise")
@pytest.mark.parametrize("windows, rules", [("2000", ["attr5-surprise"]), ("xp", []), ("7", [])])
def test_surprise_remove_ok_came_with_windows_xp(live: Any, bare: Any, broken: Any, windows: str, rules: list[str]) -> None:
    world = live(bare(attributes=s.NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK), windows=windows, ndis="5.0")
    assert broken(world) == rules


@pytest.mark.breaks("attr5-first")
@pytest.mark.keeps("attr5-first")
@pytest.mark.parametrize("first", [True, False])
def test_the_attributes_come_before_hardware_is_claimed(live: Any, bare: Any, broken: Any, first: bool) -> None:
    def attributes(adapter: Any) -> None:
        adapter.set_attributes_ex(None, 0, s.NDIS_ATTRIBUTE_BUS_MASTER, s.NDIS_INTERFACE_PCI)

    def interrupt(adapter: Any) -> None:
        line = next(r for r in adapter.query_adapter_resources()[1] if r.kind == "interrupt")
        adapter.deregister_interrupt(adapter.register_interrupt(line.start, line.level, True, True, line.mode)[1])

    def initialize(adapter: Any) -> None:
        for step in (attributes, interrupt) if first else (interrupt, attributes):
            step(adapter)

    assert ("attr5-first" in broken(live(bare(initialize, attributes=None)))) == (not first)


@pytest.mark.breaks("attr5-passive-init")
@pytest.mark.keeps("attr5-passive-init")
@pytest.mark.parametrize("handler", ["initialize", "halt"])
def test_the_attributes_are_set_in_initialize(live: Any, bare: Any, all_broken: Any, handler: str) -> None:
    def step(adapter: Any) -> None:
        adapter.set_attributes_ex(None, 0, 0, s.NDIS_INTERFACE_PCI)

    world = live(bare(**{handler: step}, attributes=None if handler == "initialize" else 0))
    assert ("attr5-passive-init" in all_broken(world)) == (handler == "halt")
