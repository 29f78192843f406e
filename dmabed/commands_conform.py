# SPDX-License-Identifier: Apache-2.0
"""What ``dmabed conform`` does."""

from __future__ import annotations

from pathlib import Path

from dmabed.commands import Answer
from dmabed.conform import read_trace, replay, write_trace
from dmabed.load import find_nic
from dmabed.options import portable
from dmabed.report.facts import clean
from dmabed.result import SCHEMA_VERSION
from verifier.errors import UsageError

DIFFERS = 1
"""Exit code where model and trace part."""


def conform(file: str, nic: str | None, write: str | None) -> Answer:
    """Replay the trace in *file* against the model *nic*, or the one that the trace names; write what the model did to *write*."""
    trace = read_trace(Path(file))
    name = nic if nic is not None else trace.nic
    if name is None:
        raise UsageError(f"{clean(file)} does not say which card it is of", "name one: --nic NAME or --nic FILE.py[:Class]")
    name = portable(name)
    outcome = replay(trace, find_nic(name))
    if write is not None:
        write_trace(Path(write), trace, outcome.steps)
    found = outcome.difference
    data = {
        "schema": SCHEMA_VERSION, "verdict": "same" if found is None else "differs", "nic": name, "trace": clean(portable(file)),
        "compared": outcome.compared,
        "difference": {"line": found.line, "expected": found.expected, "got": found.got} if found is not None else None}

    def text(width: int, colour: bool) -> str:
        agreed = "1 answer of the card agrees" if outcome.compared == 1 else f"{outcome.compared} answers of the card agree"
        if found is None:
            return f"{clean(portable(file))}: {agreed}\n\nverdict  same\n"
        return (f"{clean(portable(file))}:{found.line} differs; before it {agreed}\n  trace  {found.expected}\n  model  {found.got}\n\n"
                "verdict  differs\n")

    return Answer(DIFFERS if found is not None else 0, data, text)
