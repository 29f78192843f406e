# SPDX-License-Identifier: Apache-2.0
"""Which lines of a miniport ran, so that a verdict can say what it did not see."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

from verifier.where import is_miniport


class LineTrace:
    """Notes the lines of the miniport's code that run between `start` and `stop`, and what else is called."""

    def __init__(self) -> None:
        self.ran: dict[CodeType, set[int]] = {}
        self.called: set[CodeType] = set()
        """What else was called: code of the bed and of libraries."""
        self._before: Any = None

    def start(self) -> None:
        """Begin to trace this thread. A tracer that is there already (a debugger, a coverage run) is left alone."""
        self._before = sys.gettrace()
        if self._before is None:
            sys.settrace(self._call)

    def stop(self) -> None:
        """End the trace."""
        if self._before is None:
            sys.settrace(None)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not is_miniport(frame.f_code):
            self.called.add(frame.f_code)
            return None
        lines = self.ran.setdefault(frame.f_code, set())
        lines.add(frame.f_lineno)

        def local(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                lines.add(frame.f_lineno)
            return local
        return local

    def missed(self, miniport_class: type) -> dict[str, list[int]]:
        """Lines of the class's own methods, and of functions they lie beside, that never ran, by file."""
        missed: dict[str, set[int]] = {}
        for code, lines in statement_lines(miniport_class):
            missed.setdefault(code.co_filename, set()).update(lines - self.ran.get(code, set()))
        return {name: sorted(lines) for name, lines in sorted(missed.items()) if lines}


def statement_lines(miniport_class: type) -> Iterator[tuple[CodeType, set[int]]]:
    """Each function of the class and of those it comes from, as far as they are a miniport's, with the lines of its statements."""
    for owner in miniport_class.__mro__:
        for value in vars(owner).values():
            function = getattr(value, "__func__", value)
            code = getattr(function, "__code__", None)
            if isinstance(code, CodeType) and is_miniport(code):
                yield from _with_inner(code)


def _with_inner(code: CodeType) -> Iterator[tuple[CodeType, set[int]]]:
    yield code, {line for _, _, line in code.co_lines() if line is not None and line != code.co_firstlineno}
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and not constant.co_name.startswith("<"):
            yield from _with_inner(constant)
