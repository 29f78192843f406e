# SPDX-License-Identifier: Apache-2.0
"""Exceptions that leave a handler: nonsense from the miniport is its finding, at its line; a fault of the bed is a `BedError`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from miniport.library import timers
from miniport.protocol import Protocol, upper_edge
from miniport.routine import BY_PYTHON
from miniport.status import NDIS_STATUS_FAILURE
from verifier.errors import BedError, NotModelledError
from verifier.where import line_of

NONSENSE = [None, 0, -1, 1 << 70, 3.5, "nonsense", b"x", object(), (None,), [None], "memory", "packet"]


def handed(adapter: Any, what: Any) -> Any:
    """*what*, or an object of the bed of that name."""
    if what == "memory":
        return adapter.allocate_memory_with_tag(64, 0x41414141)[1]
    if what == "packet":
        return adapter.allocate_packet(adapter.allocate_packet_pool(4, 16)[1])[1]
    return what


@pytest.mark.parametrize("python", sorted(BY_PYTHON))
def test_nonsense_handed_to_a_routine_is_never_a_fault_of_the_bed(live: Any, bare: Any, python: str) -> None:
    count = len(BY_PYTHON[python].parameters)
    for what in NONSENSE:
        def initialize(adapter: Any, what: Any = what) -> int:
            getattr(adapter, python)(*[handed(adapter, what)] * count)
            return NDIS_STATUS_FAILURE

        try:
            live(bare(initialize))
        except NotModelledError:
            continue


@pytest.mark.parametrize("nonsense", [
    pytest.param(lambda adapter: adapter.close_configuration(-1), id="a number for a handle, of which an attribute is set"),
    pytest.param(lambda adapter: adapter.free_packet(None), id="None for a packet"),
    pytest.param(lambda adapter: adapter.free_buffer(handed(adapter, "packet")), id="a packet for a buffer"),
    pytest.param(lambda adapter: adapter.free_packet("packet"), id="a string for a packet"),
])
@pytest.mark.breaks("miniport-exception")
def test_nonsense_is_found_at_the_line_that_hands_it_over(live: Any, bare: Any, nonsense: Callable[[Any], Any]) -> None:
    found = live(bare(nonsense)).machine.findings.errors[0]
    assert found.rule.id == "miniport-exception"
    assert found.where is not None
    assert found.where[0] is nonsense.__code__
    assert line_of(found.where) == nonsense.__code__.co_firstlineno


def test_an_exception_of_the_miniport_is_its_own_whatever_its_type(live: Any, bare: Any) -> None:
    for problem in (KeyError("a"), AssertionError(), UnboundLocalError(), AttributeError(), SystemExit(0)):
        def initialize(adapter: Any, problem: BaseException = problem) -> int:
            raise problem

        assert [f.rule.id for f in live(bare(initialize)).machine.findings.errors] == ["miniport-exception"]


@pytest.mark.parametrize("statement", [
    "self.entri", "self.entri = 1", "{}[7]", "[][0]", "1 // 0", "assert False", "unknown", "raise StopIteration", "None.entry",
    "raise NotImplementedError"])
def test_a_fault_of_a_routine_is_a_fault_of_the_bed(live: Any, bare: Any, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    def initialize(adapter: Any) -> None:
        adapter.set_timer(adapter.initialize_timer(lambda adapter, context: None), 5)

    monkeypatch.setattr(timers.Timer, "arm", in_file_of(timers, statement))
    with pytest.raises(BedError, match=r"(?s)in broken: .*") as raised:
        live(bare(initialize))
    assert type(raised.value) is BedError
    assert "fault of the bed" in raised.value.remedy


def test_a_fault_of_the_protocol_is_a_fault_of_the_bed(live: Any, hooked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "send_completed", in_file_of(upper_edge, "{}[7]"))
    with pytest.raises(BedError, match="KeyError in broken: 7"):
        live(hooked(), frames=1)


def in_file_of(module: Any, statement: str) -> Any:
    """A method that executes *statement* and seems to stand in the file of *module*."""
    space: dict[str, Any] = {}
    exec(compile(f"def broken(self, *arguments, **options):\n    {statement}", module.__file__, "exec"), space)
    return space["broken"]
