# SPDX-License-Identifier: Apache-2.0
"""The registry: subkeys by name and by index, and values that a driver writes."""

from __future__ import annotations

from typing import Any

import pytest

from hw.processor import APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL
from miniport import status as s
from miniport.adapter import Adapter
from miniport.miniport import Miniport

REGISTRY: dict[str, int | str] = {
    "Speed": 100, "Rings\\Size": 16, "Rings\\Receive\\Size": 8, "Queues\\Size": 4, "Rings\\Name": "main"}


def with_registry(miniport_class: type[Miniport]) -> type[Miniport]:
    miniport_class.registry = dict(REGISTRY)
    return miniport_class


def test_a_subkey_is_opened_by_name_and_holds_its_own_values(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        key = adapter.open_configuration()[1]
        status, rings = adapter.open_configuration_key_by_name(key, "Rings")
        assert status == s.NDIS_STATUS_SUCCESS
        receive = adapter.open_configuration_key_by_name(rings, "Receive")[1]
        sizes = [adapter.read_configuration(handle, "Size") for handle in (key, rings, receive)]
        assert sizes == [(s.NDIS_STATUS_FAILURE, None), (s.NDIS_STATUS_SUCCESS, 16), (s.NDIS_STATUS_SUCCESS, 8)]
        assert adapter.read_configuration(key, "Speed") == (s.NDIS_STATUS_SUCCESS, 100)
        for handle in (receive, rings, key):
            adapter.close_configuration(handle)

    assert broken(live(with_registry(bare(initialize)))) == []


@pytest.mark.parametrize("name", ["", "Ring", "RingsX", "Speed", "Receive", "Rings\\Receive"])
def test_what_is_no_subkey_is_not_opened(live: Any, bare: Any, broken: Any, name: str) -> None:
    def initialize(adapter: Adapter) -> None:
        key = adapter.open_configuration()[1]
        assert adapter.open_configuration_key_by_name(key, name) == (s.NDIS_STATUS_FAILURE, None)
        adapter.close_configuration(key)

    assert broken(live(with_registry(bare(initialize)))) == []


def test_subkeys_are_opened_by_index_until_there_are_no_more(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        key = adapter.open_configuration()[1]
        names = []
        for index in (0, 1):
            status, name, handle = adapter.open_configuration_key_by_index(key, index)
            assert status == s.NDIS_STATUS_SUCCESS
            names.append((name, adapter.read_configuration(handle, "Size")[1]))
            adapter.close_configuration(handle)
        assert names == [("Rings", 16), ("Queues", 4)]
        for index in (-1, 2, 3):
            assert adapter.open_configuration_key_by_index(key, index) == (s.NDIS_STATUS_FAILURE, None, None)
        adapter.close_configuration(key)

    assert broken(live(with_registry(bare(initialize)))) == []


def test_what_is_written_is_read_and_stays_in_its_world(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        key = adapter.open_configuration()[1]
        rings = adapter.open_configuration_key_by_name(key, "Rings")[1]
        assert adapter.read_configuration(key, "Speed") == (s.NDIS_STATUS_SUCCESS, 100)
        assert adapter.write_configuration(key, "Speed", 1000) == s.NDIS_STATUS_SUCCESS
        assert adapter.write_configuration(rings, "Kind", "deep") == s.NDIS_STATUS_SUCCESS
        assert adapter.read_configuration(key, "Speed") == (s.NDIS_STATUS_SUCCESS, 1000)
        assert adapter.read_configuration(rings, "Kind") == (s.NDIS_STATUS_SUCCESS, "deep")
        for handle in (rings, key):
            adapter.close_configuration(handle)

    miniport_class = with_registry(bare(initialize))
    assert broken(live(miniport_class)) == [] and broken(live(miniport_class)) == []
    assert miniport_class.registry == REGISTRY


@pytest.mark.parametrize("value, status", [
    (0, s.NDIS_STATUS_SUCCESS), ("", s.NDIS_STATUS_SUCCESS), (b"raw", s.NDIS_STATUS_NOT_SUPPORTED), (None, s.NDIS_STATUS_NOT_SUPPORTED)])
def test_numbers_and_strings_are_written_and_nothing_else(live: Any, bare: Any, broken: Any, value: Any, status: int) -> None:
    def initialize(adapter: Adapter) -> None:
        key = adapter.open_configuration()[1]
        assert adapter.write_configuration(key, "Value", value) == status
        adapter.close_configuration(key)

    assert broken(live(bare(initialize))) == []


@pytest.mark.parametrize("effect", ["FAILURE", "RESOURCES", "NOT_SUPPORTED"])
def test_a_write_that_fails_writes_nothing(live: Any, bare: Any, broken: Any, effect: str) -> None:
    def initialize(adapter: Adapter) -> None:
        key = adapter.open_configuration()[1]
        assert adapter.write_configuration(key, "Speed", 1) == getattr(s, f"NDIS_STATUS_{effect}")
        assert adapter.read_configuration(key, "Speed") == (s.NDIS_STATUS_SUCCESS, 100)
        adapter.close_configuration(key)

    assert broken(live(with_registry(bare(initialize)), faults=(f"NdisWriteConfiguration#1={effect}",))) == []


@pytest.mark.parametrize("form, arguments, result", [
    ("ByName", ("Rings",), (s.NDIS_STATUS_FAILURE, None)), ("ByIndex", (0,), (s.NDIS_STATUS_FAILURE, None, None))])
def test_a_subkey_may_not_open(live: Any, bare: Any, broken: Any, form: str, arguments: tuple[Any, ...], result: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        key = adapter.open_configuration()[1]
        open_it = getattr(adapter, f"open_configuration_key_by_{form[2:].lower()}")
        assert open_it(key, *arguments) == result
        handle = open_it(key, *arguments)[-1]
        assert handle is not None
        adapter.close_configuration(handle)
        adapter.close_configuration(key)

    assert broken(live(with_registry(bare(initialize)), faults=(f"NdisOpenConfigurationKey{form}#1",))) == []


def test_a_subkey_that_is_not_closed_is_a_leak(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        key = adapter.open_configuration()[1]
        adapter.open_configuration_key_by_name(key, "Rings")
        adapter.close_configuration(key)

    world = live(with_registry(bare(initialize)))
    assert broken(world) == ["halt-undo-all"]
    [finding] = world.machine.findings.errors
    assert finding.also == ("config-open-close",) and "configuration handle of Rings" in finding.message


@pytest.mark.breaks("routine-irql")
@pytest.mark.keeps("routine-irql")
@pytest.mark.parametrize("level, rules", [(PASSIVE_LEVEL, []), (APC_LEVEL, []), (DISPATCH_LEVEL, ["routine-irql"])])
def test_subkeys_are_opened_below_dispatch_level(live: Any, bare: Any, broken: Any, level: int, rules: list[str]) -> None:
    def initialize(adapter: Adapter) -> None:
        key = adapter.open_configuration()[1]
        before = adapter._ndis.scheduler.raise_irql(level)
        handle = adapter.open_configuration_key_by_name(key, "Rings")[1]
        adapter._ndis.scheduler.lower_irql(before)
        adapter.close_configuration(handle)
        adapter.close_configuration(key)

    assert broken(live(with_registry(bare(initialize)))) == rules
