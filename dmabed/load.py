# SPDX-License-Identifier: Apache-2.0
"""Finds the miniport that a user named: ``module:Class``, ``FILE.py[:Class]``, or the reference miniport of a NIC."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from miniport.miniport import Miniport
from verifier.errors import UsageError

REFERENCE = {"reference": "miniport.reference:ReferenceMiniport", "isa-slave": "miniport.slave:SlaveMiniport",
             "isa-slave-16": "miniport.slave:SlaveMiniport"}
"""The reference miniport of each NIC."""

_loaded: dict[tuple[str, str], ModuleType] = {}


def find_miniport(name: str | None, nic: str) -> tuple[type[Miniport], Path]:
    """The miniport class and the folder of its source. `UsageError` with the remedy for anything that cannot be used."""
    if name is None and nic not in REFERENCE:
        raise UsageError(f"there is no reference miniport of NIC {nic!r}", "name a miniport: FILE.py[:Class] or module:Class")
    text = name if name is not None else REFERENCE[nic]
    if text.endswith((".c", ".h")) or (Path(text).is_dir() and name is not None):
        raise UsageError(f"{text} is no Python miniport", "this version runs Python miniports: FILE.py[:Class] or module:Class")
    head, _, class_name = text.rpartition(":") if _has_class(text) else (text, "", "")
    is_file = head.endswith(".py") or "/" in head or "\\" in head
    module = _load_file(Path(head)) if is_file else _import(head)
    return _class_of(module, class_name, text), Path(module.__file__ or ".").resolve().parent


def _has_class(text: str) -> bool:
    head, colon, tail = text.rpartition(":")
    return bool(colon) and tail.isidentifier() and len(head) > 1


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        near = get_close_matches(path.name, [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else [], 1)
        hint = f"did you mean {path.parent / near[0]}?" if near else "give the path of a Python file with a Miniport subclass"
        raise UsageError(f"there is no file {path}", hint)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror}", "check the file's permissions") from None
    key = str(path.resolve()), digest
    known = _loaded.get(key)
    if known is not None:
        return known
    module_name = f"_dmabed_{path.stem}_{digest[:12]}"
    spec = importlib.util.spec_from_file_location(module_name, path.resolve())
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file", "give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    folder = str(path.resolve().parent)
    before = set(sys.modules)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except SystemExit as stop:
        sys.modules.pop(module_name, None)
        raise UsageError(f"{path} ends the program when it is imported (exit {stop.code})",
                         "put such code under if __name__ == '__main__'") from None
    except Exception as problem:
        sys.modules.pop(module_name, None)
        raise UsageError(f"{path} cannot be imported: {_short(problem, path)}", "mend the file; python -m py_compile shows more") from None
    finally:
        sys.path.remove(folder)
        _forget_neighbours(before, folder)
    _loaded[key] = module
    return module


def _forget_neighbours(before: set[str], folder: str) -> None:
    """Helpers beside one miniport must not be taken for those of another that have the same names."""
    for name in set(sys.modules) - before:
        origin = getattr(sys.modules[name], "__file__", None)
        if origin is not None and str(Path(origin).resolve().parent) == folder and not name.startswith("_dmabed_"):
            del sys.modules[name]


def _import(name: str) -> ModuleType:
    sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        missing = problem.name or name
        raise UsageError(f"there is no module {missing!r}", "name a module on the path, or a file: FILE.py[:Class]") from None
    except SystemExit as stop:
        raise UsageError(f"module {name} ends the program when it is imported (exit {stop.code})",
                         "put such code under if __name__ == '__main__'") from None
    except Exception as problem:
        raise UsageError(f"module {name} cannot be imported: {_short(problem, None)}", "mend the module") from None
    finally:
        sys.path.remove("")


def _class_of(module: ModuleType, class_name: str, text: str) -> type[Miniport]:
    own = {name: value for name, value in vars(module).items()
           if isinstance(value, type) and issubclass(value, Miniport) and value is not Miniport}
    if class_name:
        chosen = own.get(class_name)
        if chosen is None:
            near = get_close_matches(class_name, own, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"{text}: no subclass of Miniport is called {class_name!r}", f"{hint}known: {', '.join(own) or 'none'}")
        return chosen
    local = {name: value for name, value in own.items() if value.__module__ == module.__name__}
    if len(local) != 1:
        what = "no subclass of Miniport" if not local else f"{len(local)} subclasses of Miniport"
        raise UsageError(f"{text} holds {what}", f"name one: {text}:{next(iter(local), 'Class')}")
    return next(iter(local.values()))


def _short(problem: Exception, path: Path | None) -> str:
    line = ""
    if isinstance(problem, SyntaxError):
        line = f" (line {problem.lineno})"
    elif path is not None:
        frames = [f for f in traceback.extract_tb(problem.__traceback__) if f.filename == str(path.resolve())]
        line = f" (line {frames[-1].lineno})" if frames else ""
    text = str(problem.msg if isinstance(problem, SyntaxError) else problem)
    return f"{type(problem).__name__}: {text}{line}"
