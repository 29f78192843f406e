# SPDX-License-Identifier: Apache-2.0
"""What the checks cost: one life with all of them, without findings, and with single groups of checks taken out.

A group is taken out here, by methods that do nothing, and never in the bed; what hot paths check in passing (bounds, life of a
block, memory that was never written) cannot be taken out so, and counts in every line. Opcodes are counted, too: they are the same in every
run and know nothing of the load of the machine. Run as ``python bench/checks.py`` from the repository, or by ``make bench``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from _measure import best_us, print_calibration

from dmabed import judge
from dmabed.bed import Bed
from hw.taint import Taint
from miniport.lock_order import LockOrder
from miniport.lockset import Lockset
from verifier.where import WhereCell

Group = tuple[tuple[Any, str, Callable[..., Any]], ...]


def _nothing(*arguments: Any, **options: Any) -> None:
    return None


GROUPS: dict[str, Group] = {
    "who touches a field with which locks": ((Lockset, "_access_of", _nothing),),
    "order of locks": ((LockOrder, "nested", _nothing),),
    "bytes of which frame": ((Taint, "store", _nothing), (Taint, "first_tagged", _nothing)),
    "lines of the miniport": ((WhereCell, "capture", _nothing),),
    "life of the adapter": tuple((judge, name, _nothing) for name in ("initialized", "halted", "shut_down", "receives_back")),
}
"""What does nothing where a group of checks is taken out."""


@contextmanager
def without(group: Group) -> Iterator[None]:
    """A group of checks taken out."""
    with ExitStack() as stack:
        for owner, name, function in group:
            assert callable(getattr(owner, name)), f"{owner.__name__}.{name} is no function"
            stack.enter_context(patch.object(owner, name, function))
        yield


def opcodes(work: Callable[[], object]) -> int:
    """Opcodes of Python that *work* executes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def figures(silicon: bool, group: Group) -> tuple[float, int]:
    """Microseconds and opcodes of one life."""
    with without(group):
        bed = Bed(frames=1, silicon=silicon)
        bed.world()
        return best_us(bed.world, seconds=0.1), opcodes(bed.world)


def main() -> None:
    """One line for all checks, for none of the findings, and for each group that is taken out."""
    every_us, every = figures(False, ())
    print(f"{'life of the reference miniport':<52}{every_us:10.2f} us {every:10d} opcodes")
    groups = {"findings (--silicon)": (True, ()), **{name: (False, group) for name, group in GROUPS.items()},
              "all of these": (True, tuple(part for group in GROUPS.values() for part in group))}
    for name, (silicon, group) in groups.items():
        us, count = figures(silicon, group)
        print(f"{'without ' + name:<52}{us:10.2f} us {count:10d} opcodes   less: {1 - us / every_us:6.1%} of the time, "
              f"{1 - count / every:6.1%} of the opcodes")


if __name__ == "__main__":
    print_calibration()
    main()
