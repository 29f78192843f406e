# SPDX-License-Identifier: Apache-2.0
"""Which statements of a miniport run, noted in every world of a campaign at hardly any cost.

A trace (`sys.settrace`) makes a life four times as long, because it slows the bed down with the miniport. Instead the functions of the
miniport are compiled once more with a note in front of each statement, and that code runs in place of their own while worlds are
lived. Lines, names and closures are those of the source. A function whose source does not give the code that runs stays as it is,
and nothing is known of it.
"""

from __future__ import annotations

import ast
import linecache
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType

from miniport.miniport import Miniport
from verifier.where import is_miniport

_MARK = "\0note\0"
"""A constant that stands in the compiled code for the function that is called in front of each statement."""
_COLUMNS = 12
"""Bits of a place that hold the column."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Key = tuple[str, int]
"""Name of a function and its first line, which is that of its first decorator."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its file, its place there (`place_of`) and the method that it belongs to."""

    path: str
    place: int
    function: str

    @property
    def line(self) -> int:
        """Its first line."""
        return self.place >> _COLUMNS

    @property
    def source(self) -> str:
        """The text of its first line, from where it begins."""
        text = linecache.getline(self.path, self.line).encode()
        return text[self.place & (1 << _COLUMNS) - 1:].decode(errors="replace").strip()


def place_of(line: int, column: int) -> int:
    """Line and column of a statement as one number: two of them may share a line."""
    return line << _COLUMNS | min(column, (1 << _COLUMNS) - 1)


class Probes:
    """The statements of one class's methods, as far as they are a miniport's, and which of them ran while they were `planted`."""

    def __init__(self, miniport: type[Miniport]) -> None:
        self.ran: dict[str, set[int]] = {}
        """Places of the statements that ran, by file."""
        self.statements: list[Statement] = []
        self.unknown: list[str] = []
        """Methods of which nothing is known."""
        self._code: list[tuple[FunctionType, CodeType, CodeType]] = []
        """Each method with its own code and the one that notes."""
        self._planted = 0
        files: dict[str, dict[_Key, _Compiled]] = {}
        for method in _methods(miniport):
            code = method.__code__
            path = code.co_filename
            if path not in files:
                files[path] = _compiled(path, self.ran.setdefault(path, set()).add)
            found = files[path].get((code.co_name, code.co_firstlineno))
            if found is None or found.plain != code:
                self.unknown.append(code.co_qualname)
                continue
            self._code.append((method, code, found.noting))
            self.statements += [Statement(path, place, code.co_qualname) for place in found.places]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """While this is open, what runs is noted in `ran`; the first to open it begins anew."""
        if not self._planted:
            for places in self.ran.values():
                places.clear()
            for method, _, noting in self._code:
                method.__code__ = noting
        self._planted += 1
        try:
            yield
        finally:
            self._planted -= 1
            if not self._planted:
                for method, own, _ in self._code:
                    method.__code__ = own


_made: dict[type[Miniport], Probes] = {}
_KEPT = 8
"""Classes of which the probes are kept."""


def probes_of(miniport: type[Miniport]) -> Probes:
    """The probes of *miniport*, made once in a process."""
    probes = _made.get(miniport)
    if probes is None:
        if len(_made) == _KEPT:
            _made.pop(next(iter(_made)))
        probes = _made[miniport] = Probes(miniport)
    return probes


def _methods(miniport: type[Miniport]) -> list[FunctionType]:
    """The functions of the class and of those it comes from, as far as they are a miniport's, each once."""
    found: dict[int, FunctionType] = {}
    for owner in miniport.__mro__:
        for value in vars(owner).values():
            function = getattr(value, "__func__", value)
            if isinstance(function, FunctionType) and is_miniport(function.__code__) and not function.__name__.startswith("<"):
                found[id(function)] = function
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A function of a source file: the code that it gives, the one that notes, and the places of its statements and of those of the
    functions inside it."""

    plain: CodeType
    noting: CodeType
    places: list[int]


def _compiled(path: str, note: Callable[[int], None]) -> dict[_Key, _Compiled]:
    """The functions of the file at *path*, whose statements call *note* with their place; none where no source compiles."""
    source = "".join(linecache.getlines(path))
    try:
        tree = ast.parse(source, path)
        functions = [node for node in ast.walk(tree) if isinstance(node, _Function)]
        own: dict[ast.AST, list[int]] = {}
        for function in functions:
            own[function] = []
            function.body = _noted(function.body, own[function])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a constant that is called
            plain = {_key(code): code for code in _codes(compile(source, path, "exec", dont_inherit=True))}
            noting = {_key(code): code for code in _codes(compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True))}
    except (SyntaxError, ValueError):
        return {}
    found = {}
    for function in functions:
        key = function.name, min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
        places = [place for node in ast.walk(function) for place in own.get(node, ())]
        if key in plain and key in noting:
            found[key] = _Compiled(plain[key], _calling(noting[key], note), places)
    return found


def _noted(body: list[ast.stmt], places: list[int]) -> list[ast.stmt]:
    """*body* with a note in front of each statement that does something; their places are added to *places*. What stands in an inner
    function is left to that one."""
    found: list[ast.stmt] = []
    for statement in body:
        for block in _blocks(statement):
            block[:] = _noted(block, places)
        bare = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not bare and not isinstance(statement, ast.Global | ast.Nonlocal):
            place = place_of(statement.lineno, statement.col_offset)
            places.append(place)
            note = ast.Expr(ast.Call(ast.Constant(_MARK), [ast.Constant(place)], []))
            found.append(ast.copy_location(note, statement))
            note.end_lineno, note.end_col_offset = note.lineno, note.col_offset
        found.append(statement)
    return found


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The lists of statements that stand in a compound statement."""
    if isinstance(statement, _Function | ast.ClassDef):
        return
    for part in (statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        for name in ("body", "orelse", "finalbody"):
            if block := getattr(part, name, None):
                yield block


def _key(code: CodeType) -> _Key:
    return code.co_name, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _calling(code: CodeType, note: Callable[[int], None]) -> CodeType:
    """*code* and what lies in it with *note* in place of the mark."""
    return code.replace(co_consts=tuple(
        _calling(constant, note) if isinstance(constant, CodeType) else note if constant == _MARK else constant
        for constant in code.co_consts))
