# SPDX-License-Identifier: Apache-2.0
"""From the counts of a life to the faults that can be armed in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from dmabed.fault_points import KINDS, effects_of
from dmabed.spec import WorldSpec
from hw.inject import Effect, Fault
from verifier.errors import UsageError

FAMILY_OF = {"slow-K": (3,)}
"""Which numbers stand for K where an effect is a family; `ONE` for those that are not listed."""
ONE = (1,)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which fault points are tried. *kinds* of `KINDS`; *only* and *skip* are globs over ``NAME``, ``NAME#N`` and
    ``NAME#N=EFFECT``; with *chaos* what only broken hardware does, in place of what documents allow; with *persistent* each fault
    stays."""

    kinds: tuple[str, ...] = KINDS
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    chaos: bool = False
    persistent: bool = False

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                near = get_close_matches(kind, KINDS, 1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise UsageError(f"there is no kind of fault {kind!r}", f"{hint}known: {', '.join(KINDS)}")

    @property
    def what(self) -> str:
        """What is looked for, in words: ``fault point of kind async``."""
        kinds = "" if set(self.kinds) == set(KINDS) else f" of kind {' or '.join(self.kinds)}"
        return f"fault point{kinds}{' for chaos' if self.chaos else ''}"

    def wants(self, effect: Effect) -> bool:
        """True if *effect* is of the class and of a kind that is tried."""
        return effect.kind in self.kinds and effect.chaos == self.chaos

    def takes(self, name: str, fault: str, point: str) -> bool:
        """True if the globs let a fault through."""
        texts = (name, point, fault)
        if self.only and not any(fnmatchcase(text, glob) for glob in self.only for text in texts):
            return False
        return not any(fnmatchcase(text, glob) for glob in self.skip for text in texts)

    def effects(self, name: str, spec: WorldSpec) -> list[Effect]:
        """The effects of the point *name* that are tried."""
        return [effect for effect in effects_of(name, spec) if self.wants(effect)]

    def faults(self, name: str, low: int, high: int, spec: WorldSpec) -> Iterator[str]:
        """Every fault at the uses of *name* from *low* + 1 to *high*."""
        effects = self.effects(name, spec)
        if not effects:
            return
        first = effects_of(name, spec)[0].name
        for count in range(low + 1, high + 1):
            point = f"{name}#{count}"
            for effect in effects:
                for spelling in _spellings(effect):
                    plain = effect.name == first and effect.kind == "routine"
                    fault = Fault(name, count, "fail" if plain else spelling, self.persistent)
                    if self.takes(name, str(fault), point):
                        yield str(fault)

    def all_faults(self, counts: Mapping[str, int], spec: WorldSpec) -> Iterator[str]:
        """Every fault of a life with these counts, by the order in which the names came up."""
        for name, count in counts.items():
            yield from self.faults(name, 0, count, spec)


def _spellings(effect: Effect) -> list[str]:
    if not effect.name.endswith("-K"):
        return [effect.name]
    return [f"{effect.name.removesuffix('K')}{number}" for number in FAMILY_OF.get(effect.name, ONE)]
