# SPDX-License-Identifier: Apache-2.0
"""``examples/project``: its own tests are green, on two workers, and red when its miniport leaks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
PROJECT = HOUSE / "examples/project"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in *folder*, with the packages of the bed on the path as an installed one has them."""
    installed = any(point.name == "dmabed" for point in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "dmabed.plugin")
    environment = {**os.environ, "PYTHONPATH": str(HOUSE), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, *arguments], cwd=folder,
                          env=environment, capture_output=True, text=True, check=False)


def test_project_is_green_on_two_workers(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PROJECT, tmp_path / "project"))
    result = run(folder, "-n", "2")
    assert result.returncode == 0, result.stdout
    assert "failed" not in result.stdout and "error" not in result.stdout


def test_project_is_red_when_its_miniport_leaks(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PROJECT, tmp_path / "project"))
    source = (folder / "mynic.py").read_text()
    undo = "        undo.callback(adapter.free_packet_pool, packets)\n"
    assert undo in source
    (folder / "mynic.py").write_text(source.replace(undo, ""))
    result = run(folder, "-k", "no-fault or sites")
    assert result.returncode == 1
    assert "halt-undo-all" in result.stdout
