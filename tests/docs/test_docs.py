# SPDX-License-Identifier: Apache-2.0
"""The documents hold: links resolve, command lines parse, the code of the pages runs, pasted output is what the bed prints."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import click
import pytest

from dmabed.cli import main
from dmabed.load import find_miniport
from dmabed.result import as_json, sources, verdict_of
from dmabed.spec import WorldSpec
from dmabed.world import run_world
from hw.inject import Fault
from miniport.routine import TABLE

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED_CODE = re.compile(r"^\*\*([\w/]+\.py)\*\*\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^\$ |`)(dmabed\b[^`\n]*)", re.MULTILINE)
PLACEHOLDER = re.compile(r"\[|…|\.\.\.|\b[A-Z]{3,}\b(?![#:]?\d)")
LEFT_OUT = "…"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(text_of(page)) if kind == language]


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# Links

def dead_links(page: Path, text: str) -> list[str]:
    """Relative links of *text*, a page at *page*, that lead nowhere."""
    dead = []
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or not file.is_relative_to(ROOT) or (anchor and anchor not in anchors(file)):
            dead.append(target)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert dead_links(page, text_of(page)) == []


@pytest.mark.parametrize("target", ["docs/nowhere.md", "docs/design.md#no-such-heading", "#nor-this", "../outside.md"])
def test_a_dead_link_is_told(target: str) -> None:
    assert dead_links(ROOT / "README.md", f"[x]({target})") == [target]


# Command lines

def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for line in COMMAND.findall(text_of(page)):
            if not PLACEHOLDER.search(line):
                yield name_of(page), line.partition(" > ")[0].strip()


def parse(line: str) -> None:
    """Parse a command line as the program does, and run nothing."""
    words = shlex.split(line)[1:]
    command: click.Command = main
    context = click.Context(main, info_name="dmabed")
    if words and not words[0].startswith("-"):
        found = main.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]}"
        command, words = found, words[1:]
        if "--help" in words:
            return
        command.make_context(command.name, words, parent=context)


@pytest.mark.parametrize("page, line", list(commands()))
def test_every_command_line_parses(page: str, line: str) -> None:
    parse(line)


def test_there_are_command_lines_and_wrong_ones_do_not_parse() -> None:
    assert len(list(commands())) >= 10
    with pytest.raises(click.UsageError):
        parse("dmabed run first.py --no-such-option")
    with pytest.raises(AssertionError):
        parse("dmabed nosuch")


# Code

@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_python_block_is_python(page: Path) -> None:
    for block in fences(page, "python"):
        lines = ("    " + line for line in dedent(block).splitlines())
        ast.parse("async def page():\n" + "\n".join(lines) + "\n    pass\n")


def miniports() -> Iterator[tuple[str, str]]:
    """Code blocks that are whole miniports, with the name of their page."""
    for page in PAGES:
        for block in fences(page, "python"):
            if re.search(r"^class \w+\(Miniport\):", block, re.MULTILINE) and "def initialize" in block:
                yield name_of(page), block


def load(tmp_path: Path, code: str) -> tuple[str, type, Path]:
    file = tmp_path / "first.py"
    file.write_text(code, encoding="utf-8")
    return str(file), *find_miniport(str(file), "reference")


def test_the_pages_hold_miniports() -> None:
    assert [page for page, _ in miniports()] == ["README.md", "docs/write-a-miniport.md"]


@pytest.mark.parametrize("page, code", list(miniports()))
@pytest.mark.parametrize("windows", ["2000", "2003", "7"])
def test_a_miniport_of_a_page_lives_cleanly(page: str, code: str, windows: str, tmp_path: Path) -> None:
    name, miniport, folder = load(tmp_path, code)
    frames = 8 if "def send" in code else 0
    world = run_world(WorldSpec(miniport=name, frames=frames, windows=windows), miniport, folder)
    assert [finding.message for finding in world.machine.findings.errors] == []
    assert (verdict_of(world), world.sent, world.received) == ("clean", frames, frames)


@pytest.mark.parametrize("windows", ["2000", "xp"])
@pytest.mark.parametrize("life", ["power-off", "bug-check", "surprise"])
def test_the_whole_miniport_ends_cleanly_in_every_life(life: str, windows: str, tmp_path: Path) -> None:
    name, miniport, folder = load(tmp_path, next(code for _, code in miniports() if "def send" in code))
    world = run_world(WorldSpec(miniport=name, life=life, windows=windows), miniport, folder)
    assert [finding.message for finding in world.machine.findings.errors] == []


@pytest.mark.parametrize("page, code", list(miniports()))
def test_a_miniport_of_a_page_leaks_nothing_whichever_routine_fails(page: str, code: str, tmp_path: Path) -> None:
    name, miniport, folder = load(tmp_path, code)
    fired = 0
    for routine, effect in ((row.name, effect) for row in TABLE.values() for effect in row.fails):
        if (routine, effect) == ("NdisMRegisterMiniport", "BAD_VERSION"):
            continue  # an older version is registered, and nothing fails: test_driver_entry.py
        fault = str(Fault(routine, 1, effect))
        world = run_world(WorldSpec(miniport=name, frames=0, faults=(fault,)), miniport, folder)
        assert [finding.message for finding in world.machine.findings.errors] == [], fault
        assert verdict_of(world) in ("refused", "not-proven"), fault
        fired += not world.not_fired
    assert fired >= 7


def test_a_page_s_miniport_that_is_broken_does_not_pass(tmp_path: Path) -> None:
    _, code = next(miniports())
    name, miniport, folder = load(tmp_path, code.replace("undo.callback(adapter.free_map_registers)", "pass"))
    world = run_world(WorldSpec(miniport=name, frames=0), miniport, folder)
    assert [finding.rule.id for finding in world.machine.findings.errors] == ["halt-undo-all"]


def test_the_unfinished_miniport_of_the_readme_is_told_what_it_lacks(tmp_path: Path) -> None:
    name, miniport, folder = load(tmp_path, next(code for page, code in miniports() if page == "README.md"))
    world = run_world(WorldSpec(miniport=name, frames=0, life="power-off"), miniport, folder)
    assert [finding.rule.id for finding in world.machine.findings.errors] == ["shutdown-quiesce"]


# Output

def shown_in_order(excerpt: str, output: str) -> str | None:
    """The first line of *excerpt* that *output* does not hold there; None if it holds all. Where a line is `…`, any number
    of lines is left out; where a line ends with it, the rest of the line."""
    lines, at, free = output.splitlines(), 0, True
    for line in excerpt.splitlines():
        if line == LEFT_OUT:
            free = True
            continue
        end = len(lines) if free else at + 1
        found = next((i for i in range(at, min(end, len(lines))) if same(line, lines[i])), None)
        if found is None:
            return line
        at, free = found + 1, False
    return None


def same(wanted: str, line: str) -> bool:
    return line.startswith(wanted[:-1]) if wanted.endswith(LEFT_OUT) else line.rstrip() == wanted.rstrip()


def run_output(tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> str:
    from dmabed.report.text import render
    monkeypatch.chdir(tmp_path)
    Path("first.py").write_text(code, encoding="utf-8")
    miniport, folder = find_miniport("first.py", "reference")
    world = run_world(WorldSpec(miniport="first.py", frames=0), miniport, folder, trace_lines=True)
    return render(as_json(world), sources=sources(world))


def test_the_output_in_the_readme_is_what_the_bed_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, code = next(miniports())
    flawed = code.replace("NDIS_DMA_24BITS", "NDIS_DMA_32BITS")
    assert flawed != code
    excerpts = [body.partition("\n")[2] for body in fences(ROOT / "README.md", "console") if "verdict" in body]
    outputs = [run_output(tmp_path, source, monkeypatch) for source in (code, flawed)]
    assert len(excerpts) == 2
    for excerpt, output in zip(excerpts, outputs, strict=True):
        assert shown_in_order(excerpt, output) is None, output
    assert shown_in_order(excerpts[1], outputs[0]) is not None


# The pages that build something

PIECES = {
    "docs/add-a-routine.md": (
        "miniport.library.driver_logs", "miniport/library/driver_logs.py", "tests/miniport/test_driver_logs.py"),
}
CONFTEST = """
import importlib.util
import sys

import miniport.library

spec = importlib.util.spec_from_file_location({module!r}, {path!r})
sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""


def run_page(page: str, tmp_path: Path, change: tuple[str, str] = ("", "")) -> subprocess.CompletedProcess[str]:
    """Run the tests of a page against its code, in a process of their own: the tables of this one stay as they are."""
    module, implementation, tests = PIECES[page]
    code = dict(NAMED_CODE.findall(text_of(ROOT / page)))
    assert set(code) == {implementation, tests}
    assert change[0] in code[implementation]
    (tmp_path / "page.py").write_text(code[implementation].replace(*change) if change[0] else code[implementation], encoding="utf-8")
    (tmp_path / "test_page.py").write_text(code[tests], encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST.format(module=module, path=str(tmp_path / "page.py")), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-o", f"pythonpath={ROOT}",
         str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("page", PIECES)
def test_what_the_page_builds_is_green(page: str, tmp_path: Path) -> None:
    result = run_page(page, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("page, change", [
    ("docs/add-a-routine.md", ("if LOG in adapter.claims:", "if LOG not in adapter.claims:")),
])
def test_what_the_page_builds_is_red_when_a_line_is_broken(page: str, change: tuple[str, str], tmp_path: Path) -> None:
    assert run_page(page, tmp_path, change).returncode == 1


def run_nic_page(tmp_path: Path, change: tuple[str, str] = ("", "")) -> subprocess.CompletedProcess[str]:
    """Put the parts of the page on models of cards together, and run its tests beside the example's miniport."""
    code = text_of(ROOT / "examples" / "nic" / "minnow.py")
    assert change[0] in code
    (tmp_path / "minnow.py").write_text(code.replace(*change) if change[0] else code, encoding="utf-8")
    (tmp_path / "minnow_miniport.py").write_text(text_of(ROOT / "examples" / "nic" / "minnow_miniport.py"), encoding="utf-8")
    (tmp_path / "test_minnow.py").write_text(dict(NAMED_CODE.findall(text_of(ROOT / "docs" / "add-a-nic.md")))["test_minnow.py"],
                                             encoding="utf-8")
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-o",
                           f"pythonpath={ROOT} {tmp_path}", str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False)


def test_the_page_on_models_of_cards_builds_the_example() -> None:
    lines = [line for block in fences(ROOT / "docs" / "add-a-nic.md", "python") for line in block.splitlines() if line]
    whole = [line for line in text_of(ROOT / "examples" / "nic" / "minnow.py").splitlines() if line]
    assert lines[:len(whole)] == whole
    assert len(whole) < 200


def test_the_tests_of_the_page_on_models_of_cards_are_green(tmp_path: Path) -> None:
    result = run_nic_page(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "9 passed" in result.stdout


@pytest.mark.parametrize("change", [
    ("self.set_interrupt(bool(self.values[AT[", "self.set_interrupt(True or bool(self.values[AT["),
    ("self.cause(CAUSE.SENT.mask)", "self.cause(0)"), ('DmaLimits("minnow", 28', 'DmaLimits("minnow", 30')])
def test_the_tests_of_the_page_on_models_of_cards_are_red_when_a_line_is_broken(change: tuple[str, str], tmp_path: Path) -> None:
    assert run_nic_page(tmp_path, change).returncode == 1


def test_the_routine_of_the_page_is_not_modelled_yet() -> None:
    """Otherwise the page shows how to add what is there: choose another routine for it."""
    assert "NdisMCreateLog" not in TABLE


# Generated pages

def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_routines", ROOT / "docs" / "make_routines.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_routines_is_the_generated_one() -> None:
    assert text_of(ROOT / "docs" / "routines.md") == generator().page(), "run: python docs/make_routines.py"


def test_the_page_of_routines_has_a_row_for_every_routine() -> None:
    page = generator().page()
    assert all(f"| `{row.name}` | `{row.python}(" in page for row in TABLE.values())


@pytest.mark.parametrize("routine, text", [
    ("NdisMAllocateSharedMemory", "PASSIVE_LEVEL"), ("NdisDprAcquireSpinLock", "DISPATCH_LEVEL"), ("NdisAllocateSpinLock", "any"),
    ("MmFreeContiguousMemory", "nt4 to 2000: PASSIVE_LEVEL; xp to vista: <= APC_LEVEL; 2008 to 7: <= DISPATCH_LEVEL"),
    ("NdisOpenConfiguration", "(PASSIVE_LEVEL)"),
])
def test_irql_is_told_by_version_and_in_parentheses_where_it_is_not_checked(routine: str, text: str) -> None:
    assert generator().irql_text(TABLE[routine]) == text
