# SPDX-License-Identifier: Apache-2.0
"""Small miniports for campaigns, written into the test's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dmabed.bed import Bed
from dmabed.campaign import Campaign, Plan, Selection, run

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a miniport derived from the reference miniport, with *body* inside its class, into the working directory."""
    monkeypatch.chdir(tmp_path)

    def writes(body: str, name: str = "mine.py", above: str = "") -> str:
        Path(name).write_text(
            f"import os\n\nfrom miniport import status as s\nfrom miniport.reference import ReferenceMiniport\n\n{above}\n"
            "class Mine(ReferenceMiniport):\n" + "".join(f"    {line}\n" for line in body.splitlines()), encoding="utf-8")
        return name

    return writes


def campaign(miniport: str | None = None, *only: str, frames: int = 2, kinds: tuple[str, ...] = ("routine",), chaos: bool = False,
             persistent: bool = False, plan: dict[str, object] | None = None, **how: object) -> Campaign:
    """Run a small campaign: `Plan` arguments in *plan*, those of `run` in *how*."""
    spec = Bed(miniport, frames=frames).spec
    selection = Selection(kinds, only, (), chaos, persistent)
    return run(Plan(spec, selection, **(plan or {})), **how)  # type: ignore[arg-type]


def outcomes(done: Campaign) -> dict[str, str]:
    """Outcome by id."""
    return {record.case.id: record.outcome for record in done.records}
