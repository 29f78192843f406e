# SPDX-License-Identifier: Apache-2.0
"""What a campaign is to do, as plain data, and the cases that follow from what its worlds show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from dmabed.after_fault import effect_of
from dmabed.campaign.model import Case, Record
from dmabed.campaign.points import Selection
from dmabed.fault_points import KINDS
from dmabed.spec import WorldSpec
from hw.inject import parse_fault
from hw.processor import Random
from verifier.errors import UsageError

PAIR_KINDS = ("routine", "device")
"""Kinds of which pairs are tried."""
SWEEPS = ("interrupt", "life")
"""Kinds that are tried one at a time at every point of a life: nothing grows behind them, and they are tried behind nothing."""
FROM_ABOVE = ("upper-edge",)
"""Kinds whose further uses behind a fault are not tried: they are the protocol's doing, and each would bring more of them."""
SERIES = 8
"""Uses of a long series that are tried."""
MOST_RANDOM = 4
"""The most faults of a random set."""


def _named(globs: Sequence[str]) -> str:
    """Globs as a message shows them, an empty one included."""
    return ",".join(glob or "''" for glob in globs)


@dataclass(frozen=True, slots=True)
class Plan:
    """One campaign. Every single fault of *selection* is tried in the world of *spec* and under each of *conditions*; with *pairs*
    also every second fault behind a first one, with *random* as many sets of 1 to 4 faults that *seed* draws. *shard* (I, N) is
    the part that this machine does. No world has more than *deepest* faults.

    Of a series of uses of one name that a fault brings about, as the reads of a loop that polls, the first and the last are tried,
    *series* in all; 0 tries every one."""

    spec: WorldSpec
    selection: Selection = field(default_factory=Selection)
    conditions: tuple[str, ...] = ()
    pairs: bool = False
    random: int = 0
    seed: int = 1
    shard: tuple[int, int] = (1, 1)
    deepest: int = 4
    series: int = SERIES

    def __post_init__(self) -> None:
        if not self.selection.kinds:
            raise UsageError("no kind of fault is named", f"known: {', '.join(KINDS)}")
        number, shards = self.shard
        if not 1 <= number <= shards <= 10_000:
            raise UsageError(f"shard {number}/{shards} does not exist", "give I/N with I from 1 to N, and N up to 10,000")
        if not 0 <= self.random <= 10_000_000:
            raise UsageError(f"{self.random} random sets are not offered", "give from 0 to 10,000,000")

    def mine(self, case: Case) -> bool:
        """True if the case belongs to this shard."""
        return case.in_shard(*self.shard)

    def recordings(self) -> list[Case]:
        """The lives without a fault, from which the fault points come."""
        return [Case((), condition) for condition in ("", *self.conditions)]

    def singles(self, recordings: Sequence[Record]) -> Iterator[Case]:
        """One case for each fault of each recording. `UsageError` if there are faults and the globs of the selection leave none: a
        campaign of nothing proves nothing."""
        found = False
        for recording in recordings:
            counts = {name: high for name, (_, high) in recording.behind.items()}
            for fault in self.selection.all_faults(counts, self.spec):
                found = True
                case = Case((fault,), recording.case.condition)
                if self.mine(case):
                    yield case
        if not found:
            self.refuse_globs(recordings)

    def refuse_globs(self, recordings: Sequence[Record]) -> None:
        """`UsageError` if the lives have faults but for the globs of the selection, which leave none of them."""
        selection = self.selection
        every = replace(selection, only=(), skip=())
        counts = {name: high for recording in recordings for name, (_, high) in recording.behind.items()}
        if next(every.all_faults(counts, self.spec), None) is None:
            return
        if not selection.only:
            raise UsageError(f"skip {_named(selection.skip)}: this leaves no {selection.what}", "skip less")
        near = get_close_matches(selection.only[0].partition("#")[0].strip("*"), counts, 1)
        hint = f"did you mean {near[0]}? " if near and not selection.skip else ""
        besides = f", skip {_named(selection.skip)}" if selection.skip else ""
        raise UsageError(f"only {_named(selection.only)}{besides}: no {selection.what} of this life is called so",
                         f"{hint}dmabed faults --list shows every point")

    def sets(self, recording: Record) -> Iterator[Case]:
        """The random sets, drawn from the faults of *recording*."""
        counts = {name: high for name, (_, high) in recording.behind.items()}
        faults = list(self.selection.all_faults(counts, self.spec))
        rng, drawn = Random(self.seed ^ 0x6A09E667F3BCC908), set()
        for _ in range(self.random if faults else 0):
            chosen: dict[str, int] = {}
            for _ in range(1 + rng.below(MOST_RANDOM)):
                number = rng.below(len(faults))
                chosen.setdefault(faults[number].partition("=")[0], number)
            case = Case(tuple(faults[number] for number in sorted(chosen.values())), recording.case.condition)
            if case.id not in drawn and self.mine(case):
                drawn.add(case.id)
                yield case


class Tree:
    """Grows the cases of one campaign behind the faults that fired. What a fault brings about, such as the calls of an unwind, is
    reached in no recording; each such use is tried once behind the fault that brought it."""

    def __init__(self, plan: Plan, recordings: Sequence[Record]) -> None:
        self._plan = plan
        selection = plan.selection
        self._grown = replace(selection, kinds=tuple(kind for kind in selection.kinds if kind not in (*SWEEPS, *FROM_ABOVE)))
        self._second = replace(selection, kinds=tuple(kind for kind in selection.kinds if kind in PAIR_KINDS))
        self._recorded = {r.case.condition: {name: high for name, (_, high) in r.behind.items()} for r in recordings}
        self._known: dict[str, dict[str, int]] = {}
        """By root, uses beyond the recording that are tried already."""
        self.found = 0
        """Uses that only worlds with a fault have."""
        self.left_out = 0
        """Of them those that lie behind as many faults as a world may have, or inside a series."""

    def behind(self, record: Record) -> Iterator[Case]:
        """The cases that follow from a world that did not fail."""
        case, plan = record.case, self._plan
        if any(self._kind(fault) in SWEEPS for fault in case.faults):
            return
        recorded = self._recorded[case.condition]
        known = self._known.setdefault(case.root or case.id, {})
        pair = plan.pairs and not case.condition and len(case.faults) == 1 and self._kind(case.faults[0]) in PAIR_KINDS
        stays = case.faults[-1].partition("#")[0] if case.faults and plan.selection.persistent else ""
        for name, (low, high) in record.behind.items():
            if name == stays or not self._grown.effects(name, plan.spec):
                continue  # it fails anyway, or is only swept
            tried = max(recorded.get(name, 0), known.get(name, 0))
            if high > tried:
                known[name] = high
                self.found += high - max(tried, low)
            if len(case.faults) >= plan.deepest:
                self.left_out += max(0, high - max(tried, low))
                continue
            if pair:
                for fault in self._second.faults(name, low, min(high, tried), plan.spec):
                    yield case.plus(fault)
            begin = max(low, tried)
            for first, last in ends(begin, high, plan.series):
                for fault in self._grown.faults(name, first, last, plan.spec):
                    yield case.plus(fault)
            self.left_out += max(0, high - begin - plan.series) if plan.series else 0
        if not known:
            del self._known[case.root or case.id]

    def _kind(self, fault: str) -> str:
        effect = effect_of(parse_fault(fault), self._plan.spec)
        return effect.kind if effect is not None else ""


def ends(low: int, high: int, most: int) -> Iterator[tuple[int, int]]:
    """The first and the last uses from *low* + 1 to *high*, *most* in all."""
    if not most or high - low <= most:
        yield low, high
    else:
        yield low, low + most - most // 2
        yield high - most // 2, high


def not_used(base: Mapping[str, tuple[int, int]], other: Record) -> Iterator[tuple[str, str]]:
    """Fault points of the recording that the life under a condition does not reach."""
    for name, (_, high) in base.items():
        have = other.behind.get(name, (0, 0))[1]
        if have < high:
            point = f"{name}#{have + 1}" + (f" to #{high}" if high > have + 1 else "")
            yield f"{point}@{other.case.condition}", f"not used under {other.case.condition}"
