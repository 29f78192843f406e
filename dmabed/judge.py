# SPDX-License-Identifier: Apache-2.0
"""Judgements at the turning points of a life: after initialize, after the traffic, after halt, after shutdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.dma_rules import AFTER_SHUTDOWN, SHARED_AFTER_FREE
from hw.frames import describe_difference
from miniport import rules
from miniport.protocol import padded
from miniport.status import NDIS_STATUS_PENDING, status_name
from verifier.address import Span
from verifier.address_book import BlockKind
from verifier.rule import Rule
from verifier.where import where_of_function

if TYPE_CHECKING:
    from dmabed.world import World


def refused(world: World) -> None:
    """Initialize failed: nothing may be left, the card must be still, and there must have been a reason."""
    ndis = world.ndis
    where = where_of_function(ndis.miniport.initialize)
    if world.status == NDIS_STATUS_PENDING or not isinstance(world.status, int):
        ndis.findings.report(
            rules.INIT_STATUS, f"initialize returned {status_name(world.status)}", where=where, subject=("initialize",))
    _leaks(world, rules.INIT_RELEASE, "a failing initialize")
    if ndis.failed_routines:
        return
    if _no_placement(world):
        return
    ndis.findings.report(
        rules.INIT_FAILED, f"initialize returned {status_name(world.status)} although no routine failed and a placement within the "
        "limits exists", where=where, subject=("initialize",))


def _no_placement(world: World) -> bool:
    """True if some block that the miniport asked for could not have been had within the NIC's limits at all."""
    limits, offset = world.nic.limits, world.machine.bus.logical_offset
    asked = [block for block in world.machine.book.made if block.kind in (BlockKind.SHARED, BlockKind.CONTIGUOUS)]
    boundary = limits.boundary if not limits.boundary or offset % limits.boundary == 0 else 0
    return any(not world.ndis.memory.could_allocate(block.size, -offset, limits.last - offset, boundary) for block in asked)


def initialized(world: World) -> None:
    """Initialize succeeded: is the card what its attributes say?"""
    adapter = world.ndis.adapter
    if not adapter.attributes_set:
        world.ndis.findings.report(
            rules.ATTRIBUTES_FIRST, "initialize succeeded without NdisMSetAttributesEx",
            where=where_of_function(world.ndis.miniport.initialize), subject=("attributes",))


def traffic(world: World) -> None:
    """Nothing moves any more: are all packets done, and did every frame arrive unchanged?"""
    machine, ndis, nic = world.machine, world.ndis, world.nic
    protocol = ndis.protocol
    count_frames(world)
    if (ndis.injector is not None and ndis.injector.fired) or not ndis.findings.enabled:
        return
    report = ndis.findings.report
    served = where_of_function(ndis.miniport.handle_interrupt)
    if protocol.accepted:
        first = next(iter(protocol.accepted.values()))
        causes = nic.pending_causes()
        report(rules.LOST_CAUSE, f"{len(protocol.accepted)} packet(s) stay with the miniport while nothing moves any more, the first "
               f"being {first!r}" + (f"; the card waits with {causes}" if causes else ""), where=served, subject=(first,))
    elif machine.wire.arrived > len(protocol.received_frames) + nic.lost_for_want_of_descriptors and nic.present:
        report(rules.LOST_CAUSE, f"{machine.wire.arrived} frames arrived and {len(protocol.received_frames)} were indicated while "
               "nothing moves any more", where=served, subject=("receive",))
    sent = where_of_function(ndis.miniport.send)
    on_wire = machine.wire.sent
    for number, frame in enumerate(protocol.sent):
        if number >= len(on_wire):
            report(rules.FRAME_LOST, f"frame {number} of {len(frame)} bytes was completed with success and never reached the wire",
                   where=sent, subject=("frame", number))
            break
        if on_wire[number] not in (frame, padded(frame)):
            changed = first_line(describe_difference(padded(frame), on_wire[number]))
            report(rules.FRAME_CHANGED, f"frame {number} went out changed: {changed}",
                   where=sent, subject=("frame", number))
            break
    for number, (frame, got) in enumerate(zip(on_wire, protocol.received_frames, strict=False)):
        if frame != got:
            report(rules.FRAME_CHANGED, f"received frame {number} was indicated changed: {first_line(describe_difference(frame, got))}",
                   where=served, subject=("receive", number))
            break
    if world.lost:
        report(rules.FRAME_LOST, f"{world.lost} of {len(world.frames)} frames got lost and no fault was injected", where=sent,
               subject=("frames",))


def first_line(text: str) -> str:
    """The sentence before a hexdump."""
    return text.partition("\n")[0]


def count_frames(world: World) -> None:
    """`sent`: completed with success and seen by the wire. `received`: indicated as they came, and returned."""
    protocol, on_wire = world.ndis.protocol, world.machine.wire.sent
    world.sent = sum(1 for frame, seen in zip(protocol.sent, on_wire, strict=False) if seen in (frame, padded(frame)))
    lent = len(world.ndis.adapter.outstanding_receives)
    world.received = sum(1 for frame, got in zip(on_wire, protocol.received_frames, strict=False) if frame == got) - lent
    world.lost = max(len(world.frames) - min(world.sent, world.received), 0)


def receives_back(world: World) -> None:
    """Before halt the protocols give back what they were lent."""
    for packet in list(world.ndis.adapter.outstanding_receives.values()):
        world.ndis.protocol.give_back(packet)


def halted(world: World) -> None:
    """Halt returned: everything is released and the card is still."""
    ndis, nic = world.ndis, world.nic
    _leaks(world, rules.HALT_UNDO, "halt")
    for packet in ndis.protocol.accepted.values():
        ndis.findings.report(
            rules.SEND_ONCE, f"halt returned while {packet!r} was never completed", where=where_of_function(ndis.miniport.halt),
            subject=(packet,))
        break
    if not nic.present:
        return
    if world.machine.bus.posted:
        world.machine.bus.drain()
    pointer = next((p for p in nic.live_pointers() if p.length), None)
    if pointer is not None:
        ndis.findings.report(
            SHARED_AFTER_FREE, f"halt returned while {nic.name} runs: its {pointer.what} at {Span(pointer.logical, pointer.length)} is "
            "live", where=where_of_function(ndis.miniport.halt), space="logical", span=Span(pointer.logical, pointer.length),
            subject=tuple(b for b in world.machine.book.freed if b.logical is not None and Span(b.logical, b.size).overlaps(
                Span(pointer.logical, pointer.length))))


def shut_down(world: World) -> None:
    """The shutdown handler returned some time ago: the card is still and pulls no line. Nothing counts as leaked."""
    nic = world.nic
    if nic.present and nic.interrupts_enabled and nic.interrupting:
        world.ndis.findings.report(
            rules.QUIESCE, f"{nic.name} pulls its interrupt line after the shutdown handler returned: {nic.pending_causes()}",
            where=where_of_function(world.ndis.miniport.shutdown), subject=("shutdown",))
    pointer = next((p for p in nic.live_pointers() if p.length), None) if nic.present else None
    if pointer is not None:
        world.ndis.findings.report(
            AFTER_SHUTDOWN, f"{nic.name} still runs after the shutdown handler returned: its {pointer.what} at "
            f"{Span(pointer.logical, pointer.length)} is live", where=where_of_function(world.ndis.miniport.shutdown),
            space="logical", span=Span(pointer.logical, pointer.length), subject=("shutdown",))


def _leaks(world: World, rule: Rule, what: str) -> None:
    """Everything that is still claimed is a leak, at the line of its allocation."""
    ndis = world.ndis
    for claim in list(ndis.adapter.claims.values()):
        extra = claim.also
        if rule is rules.INIT_RELEASE and claim.block is not None:
            extra = ("shared-free-on-init-fail",) if claim.block.kind is BlockKind.SHARED else ("contig-init-fail-release",)
        span = claim.block.span if claim.block is not None else None
        ndis.findings.report(
            rule, f"{claim.what} of {claim.routine} is still held after {what}", where=claim.where, span=span, block=claim.block,
            owner=claim.what, subject=(claim.what,), also=extra)

