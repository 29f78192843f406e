# SPDX-License-Identifier: Apache-2.0
"""Writes ``miniport/adapter.pyi`` from the table of routines: ``python docs/make_stub.py``.

The methods of `miniport.adapter.Adapter` are made when it is imported, so that a type checker sees none of them. The stub
holds them with the types that the implementations state.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from inspect import cleandoc
from pathlib import Path
from textwrap import fill

from miniport import library
from miniport.adapter import Adapter
from miniport.adapter_state import AdapterState
from miniport.routine import BY_PYTHON, Routine

STUB = Path(__file__).resolve().parent.parent / "miniport" / "adapter.pyi"

HEAD = '''\
# SPDX-License-Identifier: Apache-2.0
"""What type checkers and editors know of `miniport.adapter`. ``docs/make_stub.py`` writes this file from the table of routines;
a test holds both together."""

'''
_WIDTH = 132
_INDENT = 8 * " "
_NAME = re.compile(r"\b[A-Z]\w*")
_BUILT_IN = frozenset({"None"})


def stub() -> str:
    """The whole file; the routines in the order of their Python names."""
    assert library.__all__, "importing the library fills the table"
    rows = sorted(BY_PYTHON.values(), key=lambda row: row.python)
    imports = {"miniport.adapter_state": {AdapterState.__name__}}
    for row in rows:
        for name in _names(row):
            imports.setdefault(_home(row.implementation.__module__, name), set()).add(name)
    standard = [module for module in imports if module.partition(".")[0] in sys.stdlib_module_names]
    groups = ["\n".join(f"from {module} import {', '.join(sorted(imports[module], key=_import_order))}" for module in sorted(group))
              for group in (standard, imports.keys() - set(standard))]
    members = [_property(name, member) for name, member in vars(Adapter).items() if isinstance(member, property)]
    return "".join([HEAD, "\n\n".join(group for group in groups if group), "\n\n",
                    f"class {Adapter.__name__}({AdapterState.__name__}):\n", f'    """{Adapter.__doc__}"""\n\n',
                    "\n\n".join([*members, *map(_method, rows)]), "\n"])


def _method(row: Routine) -> str:
    types = row.implementation.__annotations__
    plain = len(row.parameters) - len(row.defaults)
    parameters = ["self", *(f"{name}: {types[name]}" for name in row.parameters[:plain]),
                  *(f"{name}: {types[name]} = {value!r}" for name, value in zip(row.parameters[plain:], row.defaults, strict=True))]
    head = f"    def {row.python}({', '.join(parameters)}) -> {types['return']}:"
    if len(head) > _WIDTH:
        whole = f"{', '.join(parameters)})\0->\0{types['return']}:"  # no line ends around the arrow
        inner = fill(whole, _WIDTH, initial_indent=12 * " ", subsequent_indent=12 * " ").replace("\0", " ")
        head = f"    def {row.python}(\n{inner}"
    return f"{head}\n{_docstring(f'{row.name}. {_doc(row.implementation)}')}"


def _property(name: str, member: property) -> str:
    assert member.fget is not None
    return (f"    @property\n    def {name}(self) -> {member.fget.__annotations__['return']}:\n"
            f"{_docstring(_doc(member))}")


def _docstring(text: str) -> str:
    paragraphs = (" ".join(paragraph.split()) for paragraph in f'"""{text}"""'.replace("\\", "\\\\").split("\n\n"))
    return "\n\n".join(fill(paragraph, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_long_words=False,
                            break_on_hyphens=False) for paragraph in paragraphs)


def _doc(thing: object) -> str:
    return cleandoc(thing.__doc__ or "")


def _names(row: Routine) -> set[str]:
    """The names in the types of a row that have to be imported."""
    types = row.implementation.__annotations__
    used = " ".join(types[name] for name in (*row.parameters, "return"))
    return set(_NAME.findall(used)) - _BUILT_IN


def _home(module: str, name: str) -> str:
    """The module from which *module* takes *name*: itself where it makes it."""
    return _imported(module).get(name, module)


@cache
def _imported(module: str) -> dict[str, str]:
    """Every name that *module* imports from another, type-checking blocks included."""
    source = Path(sys.modules[module].__file__ or "").read_text(encoding="utf-8")
    return {alias.asname or alias.name: node.module for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.ImportFrom) and node.module is not None for alias in node.names}


def _import_order(name: str) -> tuple[bool, str]:
    """Constants first, then classes, as the linter sorts them."""
    return not name.isupper(), name


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
