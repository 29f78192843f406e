# SPDX-License-Identifier: Apache-2.0
"""A hypothesis state machine of lives: what a miniport does in any legal order, judged after every step.

::

    from dmabed.lives_machine import miniport_machine

    TestMyMiniport = miniport_machine(MyMiniport, nic="reference")

pytest and unittest run it. A failing life is shrunk, and its steps are printed as a Python program of `dmabed.stepper`. It needs
hypothesis, which ``pip install dmabed[hypothesis]`` brings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dmabed.bed import Bed
from dmabed.stepper import ENDS, Stepper
from miniport.miniport import Miniport
from miniport.status import (
    NDIS_PACKET_TYPE_ALL_MULTICAST,
    NDIS_PACKET_TYPE_BROADCAST,
    NDIS_PACKET_TYPE_DIRECTED,
    NDIS_PACKET_TYPE_MULTICAST,
    NDIS_PACKET_TYPE_PROMISCUOUS,
    OID_NAMES,
)
from verifier.errors import UsageError

if TYPE_CHECKING:
    import unittest

EXAMPLES = 20
"""Lives that one test tries, unless its ``settings`` say otherwise."""
STEPS = 20
"""Steps of a life, at most."""
SEEDS = 8
"""Seeds of placement and scheduling that are tried."""
MOST_FRAMES = 6
MOST_RECEIVED = 4
"""Frames that arrive one behind the other: no card has so few descriptors that it has to drop one."""
_LENGTHS = (14, 59, 60, 61, 64, 512, 1513, 1514)
_QUERY_LENGTHS = (0, 3, 4, 5, 6, 8, 16, 512)
_OPEN = NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST | NDIS_PACKET_TYPE_PROMISCUOUS
"""Every set of the packet filter has these: no frame may be lost by it."""
_BESIDES = (0, NDIS_PACKET_TYPE_MULTICAST, NDIS_PACKET_TYPE_ALL_MULTICAST)
_LATE = ("late", "at-halt", "early")
"""What may become of an asynchronous completion that does bring memory."""


def miniport_machine(miniport: type[Miniport] | str | None = None, *, examples: int = EXAMPLES, steps: int = STEPS,
                     **options: Any) -> type[unittest.TestCase]:
    """A test case that lives lives of *miniport* in every legal order of steps: *examples* lives of up to *steps* steps each.

    *miniport* and *options* are those of `dmabed.bed.Bed`. The lives are the same in every run; ``settings`` of the test case may be
    replaced as hypothesis says. `UsageError` for an option that does not exist, and where hypothesis is not installed."""
    try:
        import hypothesis
        from hypothesis import stateful
        from hypothesis import strategies as st
    except ModuleNotFoundError as missing:
        if missing.name != "hypothesis":
            raise
        raise UsageError("miniport_machine needs hypothesis, which is not installed", "pip install dmabed[hypothesis]") from None

    bed = Bed(miniport, **options)
    lengths = st.lists(st.sampled_from(_LENGTHS) | st.integers(14, 1514), min_size=1, max_size=MOST_FRAMES)
    arriving = st.lists(st.sampled_from(_LENGTHS[2:]) | st.integers(60, 1514), min_size=1, max_size=MOST_RECEIVED)
    queried = st.sampled_from(sorted(name for name in OID_NAMES.values() if "_PNP_" not in name))
    late = _allocates_later(bed.miniport)

    def when(*states: str, can: str = "") -> Callable[[Any], bool]:
        return lambda self: self.state in states and (not can or can in self.possible)

    class Lives(stateful.RuleBasedStateMachine):
        """One life after the other."""

        def __init__(self) -> None:
            super().__init__()
            self.life: Stepper | None = None

        @property
        def state(self) -> str:
            """The state of the life, ``over`` between two."""
            return self.life.state if self.life is not None else "over"

        @property
        def possible(self) -> frozenset[str]:
            """Lives that the machine can have."""
            return self.life.possible if self.life is not None else frozenset()

        @property
        def running(self) -> Stepper:
            """The life that goes on."""
            assert self.life is not None, "the rules' preconditions hold"
            return self.life

        @stateful.precondition(when("over", "refused"))
        @stateful.rule(seed=st.integers(1, SEEDS))
        def initialize(self, seed: int) -> None:
            self._begin(seed=seed)

        @stateful.precondition(lambda self: late and self.state in ("over", "refused"))
        @stateful.rule(seed=st.integers(1, SEEDS), completion=st.sampled_from(_LATE))
        def initialize_and_complete_late(self, seed: int, completion: str) -> None:
            self._begin(seed=seed, faults=[f"allocate-complete#1={completion}"])

        def _begin(self, **drawn: Any) -> None:
            self.teardown()
            self.life = Stepper(miniport, **{**options, **drawn})
            self.life.initialize()

        @stateful.precondition(when("up"))
        @stateful.rule(lengths=lengths)
        def send(self, lengths: list[int]) -> None:
            self.running.send(lengths)

        @stateful.precondition(when("up"))
        @stateful.rule(lengths=lengths)
        def hand_down(self, lengths: list[int]) -> None:
            self.running.hand_down(lengths)

        @stateful.precondition(when("up"))
        @stateful.rule(lengths=arriving)
        def receive(self, lengths: list[int]) -> None:
            self.running.receive(lengths)

        @stateful.precondition(when("up"))
        @stateful.rule(oid=queried, length=st.sampled_from(_QUERY_LENGTHS))
        def query(self, oid: str, length: int) -> None:
            self.running.query(oid, length)

        @stateful.precondition(when("up"))
        @stateful.rule(besides=st.sampled_from(_BESIDES))
        def set_filter(self, besides: int) -> None:
            self.running.set("OID_GEN_CURRENT_PACKET_FILTER", (_OPEN | besides).to_bytes(4, "little"))

        @stateful.precondition(when("up"))
        @stateful.rule(groups=st.integers(0, 4))
        def set_multicast(self, groups: int) -> None:
            self.running.set("OID_802_3_MULTICAST_LIST", b"".join(b"\x01\x00\x5e\x00\x00" + bytes([n]) for n in range(groups)))

        @stateful.precondition(when("up"))
        @stateful.rule()
        def interrupt(self) -> None:
            self.running.interrupt()

        @stateful.precondition(when("up"))
        @stateful.rule()
        def reset(self) -> None:
            self.running.reset()

        @stateful.precondition(when("up"))
        @stateful.rule()
        def unplug(self) -> None:
            self.running.unplug()

        @stateful.precondition(when("up"))
        @stateful.rule(microseconds=st.integers(0, 300))
        def wait(self, microseconds: int) -> None:
            self.running.wait(microseconds)

        @stateful.precondition(when("up", can="suspend"))
        @stateful.rule()
        def suspend(self) -> None:
            self.running.suspend()

        @stateful.precondition(when("up", can="rebalance"))
        @stateful.rule()
        def rebalance(self) -> None:
            self.running.rebalance()

        @stateful.precondition(when("up"))
        @stateful.rule()
        def restart(self) -> None:
            self.running.restart()

        @stateful.precondition(when("up"))
        @stateful.rule(life=st.sampled_from(ENDS))
        def end(self, life: str) -> None:
            self.running.end(life)

        def teardown(self) -> None:
            """Halt what still runs, and give the memory back."""
            life, self.life = self.life, None
            if life is not None:
                try:
                    if life.state == "up":
                        life.end("halt")
                finally:
                    life.close()

    case = Lives.TestCase
    case.settings = hypothesis.settings(
        max_examples=examples, stateful_step_count=steps, derandomize=True, database=None, deadline=None, print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck), phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink))
    case.__name__ = case.__qualname__ = f"{bed.miniport.__name__}Lives"
    return case


def _allocates_later(miniport: type[Miniport]) -> bool:
    """True if the miniport supplies the handler to which asynchronous allocations come."""
    return miniport.allocate_complete is not Miniport.allocate_complete
