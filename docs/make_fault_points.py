# SPDX-License-Identifier: Apache-2.0
"""Writes ``docs/fault-points.md`` from the table of fault points: ``python docs/make_fault_points.py``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dmabed.fault_points import COMMON, Effect, register_effects, routine_effects
from hw.nic import MODELS, Nic
from miniport.routine import TABLE

PAGE = Path(__file__).resolve().parent / "fault-points.md"

HEAD = """\
# Fault points

Every name at which a fault can be armed, and what it does there. `docs/make_fault_points.py` writes this page from the table that
also checks what is asked for ([dmabed/fault_points.py](../dmabed/fault_points.py)); a test holds both together.

```
dmabed replay mynic.py --fault NdisMAllocateSharedMemory#2
dmabed replay mynic.py --fault register-read:STATUS#4=never --fault preempt#17=interrupt
bed.inject("indicate#1+=hold")
```

- **NAME#N** is the N-th use of the name in a world, counted from 1. **NAME#N+** is every use from the N-th on.
- **=EFFECT** chooses; without it the first effect of the table is meant. Routines that never fail want it named.
- *kind* is what the option `--kinds` of `dmabed faults` selects. *chaos* marks what only broken hardware does: a
  miniport may lose data then, and is judged by the second oracle.
- A fault whose point is not reached, or that can have no effect where it is due, **has not fired**: the world is `not-proven`. What
  was reached in vain is told with its reason.
- `-K` stands for a number: `slow-3`, `grant-1`.

## What is counted

| name | one use is |
|---|---|
| a routine | one call by the miniport |
| `register-read:REGISTER`, `register-write:REGISTER` | one access of that register, by its name in the data sheet |
| `register-access` | one access of any register |
| `dma-read`, `dma-write` | one bus cycle of the card |
| `frame-in`, `frame-out` | one frame that the wire brings to the card, that the card is about to send |
| `interrupt` | the card pulls its line |
| `link` | one reset of the card |
| `mac` | one card that is plugged in |
| `image`, `boot` | one image that the boot ROM has fetched, one program that it starts |
| `firmware` | the core of a card wakes, after it has told that it is ready |
| `firmware-dma` | one transfer that the program starts |
| `doorbell` | one doorbell of which the program is to be told |
| `allocate-complete` | one NdisMAllocateSharedMemoryAsync that returns PENDING |
| `preempt` | one switching point (register access, memory access, routine, return of a handler) while an interrupt is connected |
| `timer` | one switching point while a timer is set |
| `indicate` | one packet that is lent to the protocol |
| `send` | one call of `send` or `send_packets` |
| `request` | one query or set that enters the miniport |
| `reset` | one call of `reset` |
| `halt` | one halt of an adapter that ran |

An event that cannot be at its switching point, because a lock is held, a service routine runs or no adapter is up, comes at the first
one where it can. In initialize and halt an interrupt reaches the service routine alone; no deferred call follows (NDIS 5).

"""

TAIL = """\

## What is always so

- The reference NIC looks at its ring at each store into it, and data may arrive behind their interrupt: no fault is needed.
- A freed block stays known and its frames are kept for a while; a device that reaches it is found whenever the free is carried out.
- Release routines never fail. NdisAllocateBufferPool and NdisScheduleWorkItem have no failure in their documents.
- No deferred call runs in initialize and halt: NdisMDeregisterInterrupt finds none of its own running there.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, "## Routines\n\n", _table((f"`{name}`", routine_effects(TABLE[name])) for name in sorted(TABLE))]
    parts += ["\n## In every world\n\n", _table((f"`{name}`", effects) for name, effects in COMMON.items())]
    for model in MODELS.values():
        parts += [f"\n## On the card `{model.model}`\n\n", _table((f"`{name}`", effects) for name, effects in model.faults.items()),
                  "\n", _registers(model)]
    return "".join(parts) + TAIL


def _table(rows: Iterable[tuple[str, tuple[Effect, ...]]]) -> str:
    lines = ["| point | effect | kind | chaos | what happens |\n|---|---|---|---|---|\n"]
    for name, effects in rows:
        for number, effect in enumerate(effects):
            lines.append(f"| {name if number == 0 else ''} | `{effect.name}` | {effect.kind} | {'chaos' if effect.chaos else ''} | "
                         f"{effect.text} |\n")
    return "".join(lines)


def _registers(model: type[Nic]) -> str:
    """The registers, those with equal effects in one row."""
    groups: dict[tuple[str, tuple[Effect, ...]], list[str]] = {}
    for access in ("register-read", "register-write"):
        for slot in model.registers.slots:
            groups.setdefault((access, register_effects(model, access, slot.name)), []).append(slot.name)
    return _table((f"`{access}:` {', '.join(names)}", effects) for (access, effects), names in groups.items())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
