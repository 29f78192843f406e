# SPDX-License-Identifier: Apache-2.0
"""The table of fault points: every name at which a fault can be armed, and what it can do there.

A point is counted by name (`hw.inject`). `effects_of` says what may be armed at each count of a name in a world; `checked_fault`
refuses what no world has. A card says for itself what can go wrong on it (`hw.nic.Nic.faults`), a routine in its row and in
`miniport.effects`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from hw.inject import FAIL, KINDS, Effect, Fault
from hw.nic import MODELS, Nic
from miniport import library
from miniport.effects import EFFECTS
from miniport.routine import TABLE, Routine
from verifier.errors import UsageError

if TYPE_CHECKING:
    from dmabed.spec import WorldSpec

__all__ = ["COMMON", "KINDS", "Effect", "checked_fault", "effects_of", "register_effects", "routine_effects"]

assert library.__all__, "importing the library fills the table of routines"

_VALUE = re.compile(r"0x[0-9a-fA-F]{1,8}")

COMMON: dict[str, tuple[Effect, ...]] = {
    "dma-read": (
        Effect("abort", "device", True, "the cycle ends in a target abort: the PCI status register says so, and the card's engine stops"),
        Effect("master-abort", "device", True, "nobody answers the cycle: the PCI status register says so, and the card's engine stops"),
    ),
    "dma-write": (
        Effect("abort", "device", True, "the cycle ends in a target abort: the PCI status register says so, and the card's engine stops"),
        Effect("master-abort", "device", True, "nobody answers the cycle: the PCI status register says so, and the card's engine stops"),
        Effect("late", "device", False, "the data, and all that follow, stay on their way until a register of the card is read"),
    ),
    "register-access": (
        Effect("surprise", "life", False, "the card is pulled out: all ones, no cycle, the line drops; the removal is reported, then halt"),
    ),
    "allocate-complete": (
        Effect("null", "async", False, "the completion of NdisMAllocateSharedMemoryAsync brings no memory: address NULL, length 0"),
        Effect("late", "async", False, "the completion comes 50 ms later"),
        Effect("early", "async", False, "the completion comes before the call has returned, on the other processor where there are two"),
        Effect("at-halt", "async", False, "the completion comes while halt runs, or when it waits"),
    ),
    "preempt": (
        Effect("interrupt", "interrupt", False,
               "the service routine is called at this switching point, on the other processor where there are two, whether or not the "
               "card pulls the line"),
        Effect("power-off", "life", False, "the system is switched off: the shutdown handler runs at PASSIVE_LEVEL, and the life ends"),
        Effect("bug-check", "life", False,
               "the system crashes: the shutdown handler runs at HIGH_LEVEL, the other processors stand still, and the life ends"),
    ),
    "timer": (Effect("fires", "race", False, "the timer that was set first expires at this switching point"),),
    "indicate": (
        Effect("hold", "upper-edge", False, "the protocol keeps the packet until nothing moves any more"),
        Effect("late", "upper-edge", False, "the protocol returns the packet 1 ms later"),
        Effect("out-of-order", "upper-edge", False, "the protocol returns the packet behind the next one"),
        Effect("through-halt", "upper-edge", False, "the protocol keeps the packet until 1 ms after halt began (NDIS 5.1 miniports)"),
    ),
    "send": (
        Effect("burst", "upper-edge", False, "160 copies of the frame follow at once, however many packets are out"),
        Effect("concurrent", "upper-edge", False,
               "the next packet is handed down on the other processor while this one is (deserialized miniports)"),
    ),
    "request": (
        Effect("storm", "upper-edge", False, "16 further requests follow at once"),
        Effect("filter-0", "upper-edge", False, "the packet filter is set to 0 behind it, and back 1 ms later"),
        Effect("frame", "upper-edge", False, "a frame to everybody arrives before the miniport sees it, perhaps before any filter is set"),
    ),
    "reset": (Effect("send", "upper-edge", False, "a packet is handed down while reset runs (deserialized miniports)"),),
    "halt": (
        Effect("send", "upper-edge", False, "a packet is handed down immediately before halt"),
        Effect("receive", "upper-edge", False, "a frame arrives immediately before halt"),
    ),
}
"""Points that every world has, with their effects, the default first."""

_LOST = Effect("lost", "device", True, "the write never reaches the card")
_TORN = Effect("torn", "device", True, "the write reaches the card as two writes of 16 bits, the lower half first")
_ALL_ONES = Effect("all-ones", "device", True, "this read gives all ones")
_SLOW = (
    Effect("slow-K", "device", False, "bits that the card has cleared are seen set in this read, and in all of K reads"),
    Effect("never", "device", False, "bits that the card has cleared are seen set for ever from this read on"),
)
_CONCRETE = {"slow-K": "slow-3", "grant-K": "grant-1"}
"""The member of each family that stands for it."""
_REMOVE = Effect("remove", "life", False, "as register-access=surprise")


def effects_of(point_name: str, spec: WorldSpec) -> tuple[Effect, ...]:
    """What may be armed at each count of the point *point_name* in a world of *spec*, the default first; () where none."""
    row = TABLE.get(point_name)
    if row is not None:
        return tuple(_concrete(effect) for effect in routine_effects(row))
    if point_name in COMMON:
        return COMMON[point_name]
    return tuple(_concrete(effect) for effect in _card_effects(point_name, spec.model()))


def routine_effects(row: Routine) -> tuple[Effect, ...]:
    """The documented failures of a routine, then what else a fault can do to it."""
    fails = tuple(Effect(name, "routine", False, _failure_text(name)) for name in row.fails)
    return fails + tuple(entry.effect for entry in EFFECTS.get(row.name, ()))


def register_effects(model: type[Nic], access: str, register: str) -> tuple[Effect, ...]:
    """What a fault can do to a read (*access* ``register-read``) or write of a register."""
    slot = model.registers.slots[model.registers.index[register]]
    if access == "register-write":
        return (_LOST, _TORN) if (slot.writable | slot.w1c | slot.w1s) >> 16 else (_LOST,)
    return (*_SLOW, _ALL_ONES) if register in model.slow_bits else (_ALL_ONES,)


def checked_fault(fault: Fault, model: type[Nic] | None = None) -> Fault:
    """*fault* with its effect in full, if its point and effect exist on a card of *model*, or on any of the bed's; `UsageError` else."""
    models = MODELS.values() if model is None else (model,)
    name = fault.name
    row = TABLE.get(name)
    if row is not None:
        effects = routine_effects(row)
        if not row.fails and fault.effect == FAIL:
            known = f"; name an effect: {', '.join(e.name for e in effects)}" if effects else ""
            raise UsageError(f"{name} never fails", f"choose a routine that can fail; release routines are only raced{known}")
        if not effects:
            raise UsageError(f"{name} never fails", "choose a routine that can fail; release routines are only raced")
    else:
        effects = COMMON.get(name) or tuple(
            {effect.name: effect for card in models for effect in _card_effects(name, card)}.values())
        if name.startswith("register-"):
            effects = (*effects, _REMOVE) if effects else ()
    if not effects:
        raise _unknown(name, models)
    wanted = fault.effect.removeprefix("NDIS_STATUS_")
    if fault.effect == FAIL:
        return replace(fault, does=_concrete(effects[0]).name)
    if any(effect.covers(wanted) for effect in effects) or (name.startswith("register-read:") and _VALUE.fullmatch(wanted)):
        return replace(fault, does=wanted)
    raise UsageError(f"{name} has no effect {fault.effect!r}" if row is None else f"{name} never fails with {fault.effect!r}",
                     f"{'known' if row is None else 'documented'}: {', '.join(effect.name for effect in effects)}")


def _card_effects(point_name: str, model: type[Nic]) -> tuple[Effect, ...]:
    access, _, register = point_name.partition(":")
    if access in ("register-read", "register-write"):
        return register_effects(model, access, register) if register in model.registers.index else ()
    return model.faults.get(point_name, ())


def _concrete(effect: Effect) -> Effect:
    """One of a family: what a campaign arms."""
    return replace(effect, name=_CONCRETE[effect.name]) if effect.name in _CONCRETE else effect


def _failure_text(name: str) -> str:
    return "gives nothing" if name == "null" else f"fails with NDIS_STATUS_{name}"


def _unknown(name: str, models: Iterable[type[Nic]]) -> UsageError:
    own = [model.model for model in models]
    if name.startswith(("register-read:", "register-write:")):
        whose = f"NIC {own[0]!r} has no" if len(own) == 1 else "no NIC has a"
        return UsageError(f"{whose} register {name.partition(':')[2]!r}", "the data sheets under docs/nics list them")
    cards = {point for model in models for point in model.faults}
    near = get_close_matches(name, [*TABLE, *COMMON, *sorted(cards)], 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return UsageError(f"{name!r} is no fault point", f"{hint}a routine, register-read:NAME, register-write:NAME, "
                      f"{', '.join(sorted({*COMMON, *cards}))}")
