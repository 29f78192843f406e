# SPDX-License-Identifier: Apache-2.0
"""What every benchmark shares: the best of some rounds, and a pure-Python loop to compare machines by."""

from __future__ import annotations

import time
from collections.abc import Callable


def best_us(work: Callable[[], object], rounds: int = 5, seconds: float = 0.01) -> float:
    """Least microseconds per call over some rounds of about *seconds* each, after two calls to warm up."""
    work()
    started = time.perf_counter()
    work()
    calls = max(int(seconds / (time.perf_counter() - started + 1e-7)), 1)
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(calls):
            work()
        best = min(best, (time.perf_counter() - started) / calls)
    return best * 1e6


def calibration_us() -> float:
    """Microseconds of 1,000 turns of a plain Python loop; about 25 on the machine for which the budgets stand."""

    def loop() -> int:
        total = 0
        for number in range(1000):
            total += number & 7
        return total

    return best_us(loop)


def print_calibration() -> None:
    """The first line of every benchmark."""
    print(f"calibration: {calibration_us():.1f} us per 1,000 turns of a Python loop")


def line(what: str, us: float, budget_us: float | None = None, unit: str = "us") -> None:
    """One figure beside its budget; the ratio is budget / figure, so that 1.0 and more is met."""
    against = f"   budget {budget_us:9.2f}   ratio {budget_us / us:5.2f}" if budget_us is not None else ""
    print(f"{what:<52}{us:10.2f} {unit}{against}")
