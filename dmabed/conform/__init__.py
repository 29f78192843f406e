# SPDX-License-Identifier: Apache-2.0
"""Holds the model of a card against a recorded trace of silicon, RTL or another model. The format: ``docs/conform.md``."""

from dmabed.conform.replay import Difference, Outcome, replay
from dmabed.conform.trace import Step, Trace, read_trace, write_trace

__all__ = ["Difference", "Outcome", "Step", "Trace", "read_trace", "replay", "write_trace"]
