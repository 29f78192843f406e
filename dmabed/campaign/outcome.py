# SPDX-License-Identifier: Apache-2.0
"""What one world came to, from all that was seen of it."""

from __future__ import annotations

from collections import Counter
from itertools import dropwhile

from dmabed.after_fault import effect_of
from dmabed.campaign.fingerprint import fingerprint_of
from dmabed.campaign.model import FAILING, UNREACHABLE, Case, Json, Record
from dmabed.campaign.points import Selection
from dmabed.result import finding_json
from dmabed.spec import WorldSpec
from dmabed.world import World
from hw import dma_rules
from hw.inject import Injector
from hw.nic.base import REGISTER_RESERVED, REGISTER_UNKNOWN
from miniport import rules
from miniport.status import status_name
from verifier.events import Kind
from verifier.findings import Finding
from verifier.rule import Rule
from verifier.where import place

_TAIL = 64
"""Register reads before the end of a handler that does not return."""
_RUN_BY_REGISTERS = (dma_rules.DMA_WIDTH, dma_rules.DMA_BOUNDARY, dma_rules.DMA_LENGTH, dma_rules.DMA_ALIGNMENT, dma_rules.DMA_WINDOW,
                     dma_rules.DMA_STRAY, dma_rules.NEVER_WRITTEN, dma_rules.WIRE_BYTES,
                     dma_rules.DESC_BEFORE_DOORBELL, dma_rules.DESC_OWNER, REGISTER_UNKNOWN, REGISTER_RESERVED)
"""What a card does whose registers hold something else than the miniport wrote; one that names others by an index among them."""
_DEAF_FOR_EVER = (rules.INT_QUIET, rules.INT_NOT_OURS, rules.INT_DISABLE_FIRST, dma_rules.RX_BYTES)
"""What no driver can help whose card never again tells or takes an interrupt cause or mask."""


def record_of(world: World, case: Case, selection: Selection, listed: dict[str, Listed]) -> Record:
    """Judge a world that is over. *listed* keeps which names of points have effects that are tried, by condition: empty at first.

    Faults that had no occasion because an earlier one changed the life are listed as such; a fault that stands alone has to fire."""
    injector = world.machine.injector
    fired = list(injector.fired) if injector is not None else []
    record = Record(case, "recovered", armed=len(case.faults), fired=len(fired))
    record.not_reached = _not_reached(world)
    errors = _counted(world)
    if world.outcome == "hang" and not errors and _deaf(world):
        record.outcome = "degraded"
    elif world.outcome in ("hang", "crash"):
        record.outcome = world.outcome
        record.detail = _polled(world) if world.outcome == "hang" else _crashed(world)
    elif errors:
        record.outcome = "findings"
    elif case.faults and not fired:
        record.outcome = UNREACHABLE if injector is not None and len(injector.idle) == len(case.faults) else "not-proven"
        record.detail = "; ".join(f"{point}: {reason}" for point, reason in record.not_reached)
    elif world.refused:
        record.outcome = "refused"
        record.detail = status_name(world.status) if isinstance(world.status, int) else ""
    elif not _life_event(world) and (world.lost or any(seat.probes_lost for seat in world.seats)):
        record.outcome = "degraded"
    if record.outcome in FAILING:
        version = f"{world.ndis_version[0]}.{world.ndis_version[1]}"
        record.replay = world.spec.replay_line(version)
        record.findings = [_finding(finding, world, record.replay) for finding in errors]
    if injector is not None:
        if case.condition not in listed:
            listed[case.condition] = Listed(selection, world.spec)
        record.behind = _behind(injector, listed[case.condition])
    return record


class Listed(dict[str, bool]):
    """Whether the effects of a point are tried under one condition, by its name: worked out once."""

    def __init__(self, selection: Selection, spec: WorldSpec) -> None:
        super().__init__()
        self._selection = selection
        self._spec = spec

    def __missing__(self, name: str) -> bool:
        known = self[name] = bool(self._selection.effects(name, self._spec))
        return known


def _behind(injector: Injector, listed: Listed) -> dict[str, tuple[int, int]]:
    """The counts of each point that is tried: when a fault fired last, and at the end."""
    before, counts = injector.counts_at_fire, injector.counts
    if not before:
        return {name: (0, count) for name, count in counts.items() if listed[name]}
    return {name: (before.get(name, 0), count) for name, count in counts.items() if count > before.get(name, 0) and listed[name]}


def _life_event(world: World) -> bool:
    """True if the system was switched off, or the card pulled: frames do not count then, only the rules of the event."""
    injector = world.machine.injector
    effects = [effect_of(fault, world.spec) for fault in injector.fired] if injector is not None else []
    return any(effect is not None and effect.kind == "life" for effect in effects)


def _counted(world: World) -> list[Finding]:
    """The findings that count by the oracle of the faults that fired. After chaos lost and changed data do not, nor what a card
    does of whose registers one was not written."""
    injector = world.machine.injector
    errors = world.machine.findings.errors
    chaos = [fault for fault in injector.fired if (effect := effect_of(fault, world.spec)) and effect.chaos] if injector else []
    if not chaos:
        return errors
    excused: tuple[Rule, ...] = _RUN_BY_REGISTERS if any(fault.name.startswith("register-write:") for fault in chaos) else ()
    excused += _DEAF_FOR_EVER if _deaf(world) else ()
    # A rule of one card is about its registers and rings, and broken hardware misleads the driver about both.
    return [finding for finding in errors if finding.rule not in excused and not finding.rule.symptom and not finding.rule.cards]


def _deaf(world: World) -> bool:
    """True if a register of the card's interrupt is lost or gives all ones for ever."""
    injector = world.machine.injector
    return injector is not None and any(
        fault.onward and fault.name.partition(":")[2] in world.nic.interrupt_registers for fault in injector.fired)


def _not_reached(world: World) -> list[tuple[str, str]]:
    injector = world.machine.injector
    if injector is None:
        return []
    why = "its point was not reached"
    if injector.fired:
        why = f"not reached behind {injector.fired[-1]}"
        if world.refused and isinstance(world.status, int):
            why += f": initialize returned {status_name(world.status)}"
    return [(str(fault), injector.idle.get(str(fault), why)) for fault in injector.not_fired()]


def _finding(finding: Finding, world: World, replay: str) -> Json:
    return {**finding_json(finding, world, replay), "fingerprint": fingerprint_of(finding)}


def _polled(world: World) -> str:
    """Which register a handler that does not end reads, or that it reads memory."""
    counts: Counter[str] = Counter()
    events = reversed(world.machine.events.events)
    ended = (rules.TIME_LIMIT.id, rules.SURPRISE_POLL.id)
    for event in dropwhile(lambda e: e[1] != Kind.FINDING or e[3] not in ended, events):
        if event[1] in (Kind.ROUTINE, Kind.ENTER) or counts.total() == _TAIL:
            break
        if event[1] == Kind.REGISTER_READ:
            counts[f"register {event[4]}"] += 1
    if counts:
        return f"polls {counts.most_common(1)[0][0]}"
    return f"polls memory at {_line(world)}"


def _crashed(world: World) -> str:
    return f"at {_line(world)}"


def _line(world: World) -> str:
    errors = world.machine.findings.errors
    finding = next((f for f in reversed(errors) if f.where is not None), None)
    return (place(finding.where, world.base) if finding is not None else None) or "no line of the miniport"
