# SPDX-License-Identifier: Apache-2.0
"""``dmabed new``: what it makes is green at once, and it never takes anything away."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import dmabed
from dmabed.cli import main
from dmabed.new import FILES, create
from verifier.errors import UsageError

ROOT = Path(dmabed.__file__).resolve().parent.parent
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def new(folder: Path | str) -> Result:
    return CliRunner().invoke(main, ["new", str(folder)])


def inside(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``python -m`` with *words* in *folder*, as a user types it there."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False,
                          env={**env, "PYTHONPATH": str(ROOT)})


def pytest_in(folder: Path) -> subprocess.CompletedProcess[str]:
    return inside(folder, "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder))


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_made_is_green_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    result = new(folder)
    assert result.exit_code == 0, result.stderr
    assert set(files_of(folder)) == set(FILES)
    run = inside(folder, "dmabed", "run", "mynic.py")
    assert (run.returncode, run.stdout.splitlines()[-1]) == (0, "verdict  clean"), run.stdout
    assert "8 sent, 8 received, 0 lost" in run.stdout
    tests = pytest_in(folder)
    assert tests.returncode == 0, tests.stdout
    assert "41 passed" in tests.stdout


@pytest.mark.parametrize("line", [
    "undo.callback(adapter.free_map_registers)",
    "adapter.read_register_ulong(registers, STATUS)  # pushes both writes out to the card",
    "adapter.send_complete(packet, status)",
])
def test_tests_of_the_folder_are_red_when_a_line_is_missing(line: str, tmp_path: Path) -> None:
    create(tmp_path)
    file = tmp_path / "mynic.py"
    code = file.read_text("utf-8")
    assert code.count(line) == 1
    file.write_text(code.replace(line, "pass"), encoding="utf-8")
    result = pytest_in(tmp_path)
    assert result.returncode == 1, result.stdout


def test_miniport_is_the_one_of_the_page() -> None:
    page = (ROOT / "docs" / "write-a-miniport.md").read_text("utf-8")
    whole = next(code for code in FENCE.findall(page) if "class Small(Miniport):" in code)
    template = (ROOT / "dmabed" / "templates" / "mynic.py.txt").read_text("utf-8")
    assert template == whole.replace("class Small(", "class MyNic(")


def test_every_template_is_used_and_small() -> None:
    templates = {path.name: path for path in (ROOT / "dmabed" / "templates").iterdir()}
    assert set(templates) == set(FILES.values())
    assert len(templates["README.md.txt"].read_text("utf-8").splitlines()) <= 20


def test_job_runs_what_the_readme_says(tmp_path: Path) -> None:
    create(tmp_path)
    job = (tmp_path / ".github" / "workflows" / "miniport.yml").read_text("utf-8")
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert "\t" not in job
    for command in ("dmabed run mynic.py", "python -m pytest"):
        assert f"run: {command}" in job
        assert f"`{command}`" in readme


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert new(tmp_path / "mine").exit_code == 0
    assert set(files_of(tmp_path / "mine")) == set(FILES)


def test_missing_folders_above_are_made(tmp_path: Path) -> None:
    assert new(tmp_path / "a" / "b").exit_code == 0
    assert set(files_of(tmp_path / "a" / "b")) == set(FILES)


@pytest.mark.parametrize("name", ["mynic.py", "notes.txt", ".hidden", ".github/workflows/other.yml"])
def test_folder_that_is_not_empty_is_refused_and_kept(name: str, tmp_path: Path) -> None:
    file = tmp_path / "mine" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"precious")
    result = new(tmp_path / "mine")
    assert result.exit_code == 2
    assert "is not empty" in result.stderr and "remedy: name a folder" in result.stderr
    assert files_of(tmp_path) == {f"mine/{name}": b"precious"}


def test_second_call_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    create(tmp_path / "mine")
    (tmp_path / "mine" / "mynic.py").write_text("changed", encoding="utf-8")
    before = files_of(tmp_path)
    assert new(tmp_path / "mine").exit_code == 2
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("name", ["file", "file/below", "dangling", ""])
def test_place_that_is_no_folder_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"precious")
    Path("dangling").symlink_to("nowhere")
    result = new(name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ") and "remedy: " in result.stderr
    assert files_of(tmp_path) == {"file": b"precious"}


def test_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        create(tmp_path / "a\0b")


@pytest.mark.parametrize("last", range(len(FILES)))
def test_write_that_fails_halfway_leaves_nothing_behind(last: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open
    left = [last]

    def full(path: Path, mode: str = "r", *rest: object, **more: object) -> object:
        if mode == "xb":
            if not left[0]:
                raise OSError(28, "No space left on device")
            left[0] -= 1
        return opened(path, mode, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    result = new(tmp_path / "a" / "mine")
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == []
