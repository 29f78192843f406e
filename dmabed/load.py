# SPDX-License-Identifier: Apache-2.0
"""Finds the class that a user named: ``module:Class`` or ``FILE.py[:Class]``; and the miniport of a NIC where none is named."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from hw.nic import MODELS, Nic
from miniport.miniport import Miniport
from verifier.errors import UsageError
from verifier.where import adopt

REFERENCE = {"reference": "miniport.reference:ReferenceMiniport", "smart": "miniport.smart:SmartMiniport",
             "isa-slave": "miniport.slave:SlaveMiniport", "isa-slave-16": "miniport.slave:SlaveMiniport",
             "rtl8139": "miniport.rtl8139:Rtl8139Miniport", "e1000": "miniport.e1000:E1000Miniport",
             "pcnet": "miniport.pcnet:PcnetMiniport", "pcnet-isa": "miniport.pcnet:PcnetIsaMiniport"}
"""The reference miniport of each NIC."""

NIC_GROUP = "dmabed.nics"
"""The entry points by which an installed package offers models."""

SAYS = ("model", "description", "registers", "default_limits", "vendor_id", "device_id")
"""What a model declares."""
ANSWERS = ("live_pointers", "stops_dma", "pending_causes", "interrupts_enabled", "receive_frame", "link_changed", "power_on_reset")
"""What a model defines."""

Base = TypeVar("Base")

_elsewhere: dict[str, str] = {}
"""Where files of models lie, by the names by which they are asked for."""
_loaded: dict[tuple[str, str], ModuleType] = {}


def find_miniport(name: str | None, nic: str) -> tuple[type[Miniport], Path]:
    """The miniport class and the folder of its source. `UsageError` with the remedy for anything that cannot be used."""
    text = name if name is not None else REFERENCE.get(nic) or _miniport_of(nic)
    if text.endswith((".c", ".h")) or (Path(text).is_dir() and name is not None):
        raise UsageError(f"{text} is no Python miniport", "this version runs Python miniports: FILE.py[:Class] or module:Class")
    return load_class(text, Miniport)


def _miniport_of(nic: str) -> str:
    """What the model of a NIC that is none of the bed's says of its miniport: a file is looked for beside the model's."""
    model = find_nic(nic)
    if model.miniport is None:
        raise UsageError(f"there is no reference miniport of NIC {nic!r}",
                         f'name a miniport: FILE.py[:Class] or module:Class; or write miniport = "FILE.py" into {model.__name__}')
    if not is_file(model.miniport):
        return model.miniport
    folder = Path(getattr(sys.modules[model.__module__], "__file__", None) or ".").parent
    return str(folder / model.miniport)


def is_file(text: str) -> bool:
    """True if *text* names a file or a class in one, and no module."""
    head = text.rpartition(":")[0] if _has_class(text) else text
    return head.endswith((".py", ".py:")) or "/" in head or "\\" in head


def find_nic(name: str) -> type[Nic]:
    """The model of a NIC: one of the bed's, one that an installed package offers as entry point ``dmabed.nics``, or
    ``FILE.py[:Class]`` or ``module:Class``. `UsageError` with the remedy for anything that cannot be used."""
    if name in MODELS:
        return MODELS[name]
    if is_file(name) or _has_class(name):
        return _whole(load_class(_elsewhere.get(name, name), Nic)[0], name)
    offered = _offered()
    if name in offered:
        return _whole(load_class(offered[name], Nic)[0], offered[name])
    known = [*MODELS, *offered]
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"no NIC is called {name!r}", f"{hint}known: {', '.join(known)}; or give a model of yours: FILE.py[:Class]")


def offered_nics() -> dict[str, type[Nic]]:
    """The models that installed packages offer, by name. `UsageError` for one that cannot be loaded."""
    return {name: _whole(load_class(text, Nic)[0], text) for name, text in _offered().items()}


def _offered() -> dict[str, str]:
    """Where the models that installed packages offer stand, by name."""
    from importlib.metadata import entry_points
    return {point.name: point.value for point in sorted(entry_points(group=NIC_GROUP), key=lambda point: point.name)}


def _whole(model: type[Nic], text: str) -> type[Nic]:
    """*model* if it says of itself all that a model must say."""
    missing = [name for name in SAYS if not hasattr(model, name)]
    file = getattr(sys.modules.get(model.__module__), "__file__", None)
    if file is not None:
        if any(isinstance(value, type) and issubclass(value, Miniport) and value.__module__ == model.__module__
               for value in vars(sys.modules[model.__module__]).values()):
            raise UsageError(f"{text} holds a miniport, too", "put it into a file of its own: the bed tells by the file whose a line is")
        adopt(file)
    missing += [name for name in ANSWERS if getattr(model, name) is getattr(Nic, name)]
    if missing:
        raise UsageError(f"{text}: {model.__name__} lacks {', '.join(missing)}", "docs/add-a-nic.md says what each of them is")
    return model


def lies_at(name: str, file: str) -> None:
    """From here on, the model that is asked for as *name* is the one in *file*: a worker has it at another place."""
    _elsewhere[name] = file


def load_class(text: str, base: type[Base]) -> tuple[type[Base], Path]:
    """The subclass of *base* that *text* names, and the folder of its source. `UsageError` if there is none."""
    head, _, class_name = text.rpartition(":") if _has_class(text) else (text, "", "")
    module = _load_file(Path(head), base.__name__) if is_file(text) else _import(head)
    return _class_of(module, class_name, text, base), Path(module.__file__ or ".").resolve().parent


def _has_class(text: str) -> bool:
    head, colon, tail = text.rpartition(":")
    return bool(colon) and tail.isidentifier() and len(head) > 1


def _load_file(path: Path, base: str) -> ModuleType:
    try:
        there = path.is_file()
        beside = [p.name for p in path.parent.glob("*.py") if p.name != path.name] if not there and path.parent.is_dir() else []
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror}", "check the permissions of its folder") from None
    if not there:
        near = get_close_matches(path.name, beside, 1)
        hint = f"did you mean {path.parent / near[0]}?" if near else f"give the path of a Python file with a subclass of {base}"
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


def _class_of(module: ModuleType, class_name: str, text: str, base: type[Base]) -> type[Base]:
    own = {name: value for name, value in vars(module).items()
           if isinstance(value, type) and issubclass(value, base) and value is not base}
    if class_name:
        chosen = own.get(class_name)
        if chosen is None:
            near = get_close_matches(class_name, own, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"{text}: no subclass of {base.__name__} is called {class_name!r}", f"{hint}known: {', '.join(own) or 'none'}")
        return chosen
    local = {name: value for name, value in own.items() if value.__module__ == module.__name__}
    if len(local) != 1:
        what = f"no subclass of {base.__name__}" if not local else f"{len(local)} subclasses of {base.__name__}"
        remedy = f"name one: {text}:{next(iter(local or own))}" if own else f"write one into it: class Mine({base.__name__})"
        raise UsageError(f"{text} holds {what}", remedy)
    return next(iter(local.values()))


def _short(problem: Exception, path: Path | None) -> str:
    line = ""
    if isinstance(problem, SyntaxError):
        line = f" (line {problem.lineno})" if problem.lineno else ""
    elif path is not None:
        frames = [f for f in traceback.extract_tb(problem.__traceback__) if f.filename == str(path.resolve())]
        line = f" (line {frames[-1].lineno})" if frames else ""
    text = str(problem.msg if isinstance(problem, SyntaxError) else problem)
    return f"{type(problem).__name__}: {text}{line}"
