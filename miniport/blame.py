# SPDX-License-Identifier: Apache-2.0
"""Whose fault is an exception that left a handler: the miniport's, or the bed's?

An exception that the bed's own code raised is the miniport's fault where the miniport handed it nonsense, and a fault of the bed
everywhere else. What the miniport handed over is read from the traceback: the arguments of the first function of the bed below
the miniport's innermost line.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType, TracebackType

from verifier.errors import BedError, UsageError
from verifier.where import display_path, is_miniport, of_a_model, of_the_bed

_NONSENSE = (TypeError, ValueError, OverflowError, struct.error, RecursionError, MemoryError)
"""What an argument of a wrong type or size raises wherever it is first used, be it long after the call."""
_NDIS = (str(Path(__file__).parent / "ndis.py"), str(Path(__file__).parent / "miniport.py"))
"""Where a handler that is none, and a handler of the base class, fail."""


def entries(problem: BaseException) -> list[TracebackType]:
    """The traceback of *problem*, outermost first."""
    found, tb = [], problem.__traceback__
    while tb is not None:
        found.append(tb)
        tb = tb.tb_next
    return found


def fault_of_a_model(problem: BaseException) -> UsageError | None:
    """What to say of an exception that the model of a card raised, where it is none of the bed's; None for any other exception."""
    if isinstance(problem, BedError):
        return None
    last = entries(problem)[-1]
    for entry in reversed(entries(problem)):
        code = entry.tb_frame.f_code
        if of_a_model(code) or is_miniport(code):
            last = entry
            break
    code = last.tb_frame.f_code
    if not of_a_model(code):
        return None
    text = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
    return UsageError(f"the model of the card raised {text} in {code.co_qualname} at {display_path(code.co_filename)}:{last.tb_lineno}",
                      "mend the model; docs/add-a-nic.md says what each method is given")


def fault_of_the_bed(problem: BaseException) -> CodeType | None:
    """The code of the bed that raised *problem* without having been handed nonsense; None if it is the miniport's fault."""
    frames = [entry.tb_frame for entry in entries(problem)]
    own = [at for at, frame in enumerate(frames) if is_miniport(frame.f_code)]
    beds = [at for at, frame in enumerate(frames) if of_the_bed(frame.f_code)]
    if not beds or (own and own[-1] > beds[-1]):
        return None
    innermost = frames[beds[-1]].f_code
    if innermost.co_filename in _NDIS:
        return None
    if isinstance(problem, _NONSENSE) or (own and _explained(problem, list(_arguments(frames[own[-1] + 1])))):
        return None
    return innermost


def _explained(problem: BaseException, handed: list[object]) -> bool:
    """True if one of the values that the miniport *handed* over explains *problem*."""
    if isinstance(problem, AttributeError):
        if problem.obj is None:  # Python names the object only where an attribute is read
            return any(f"'{type(value).__name__}' object" in str(problem) for value in handed)
        return any(problem.obj is value for value in handed)
    if isinstance(problem, KeyError):
        return any(_same(key, value) or key == getattr(value, "address", None) for key in problem.args for value in handed)
    if isinstance(problem, IndexError):
        return any(isinstance(value, int) for value in handed)
    if isinstance(problem, ZeroDivisionError):
        return any(_same(value, 0) for value in handed)
    return False


def _same(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and one == other)


def _arguments(frame: FrameType) -> Iterator[object]:
    """The arguments of the call that *frame* runs, but for those of the types that the routine asks for; sequences are looked into."""
    code, values = frame.f_code, frame.f_locals
    row = frame.f_globals.get("ROW") if code.co_filename.startswith("<face of") else None
    wanted: dict[str, str] = row.implementation.__annotations__ if row is not None else {}
    for name in code.co_varnames[1:code.co_argcount + code.co_kwonlyargcount]:
        if name in values:
            right = set(re.findall(r"\w+", str(wanted.get(name, ""))))
            yield from (value for value in _inside(values[name]) if _type_name(value) not in right)


def _type_name(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _inside(value: object, depth: int = 3) -> Iterator[object]:
    yield value
    if isinstance(value, list | tuple | str | bytes) and depth:
        for item in value:
            yield from _inside(item, depth - 1)
