# SPDX-License-Identifier: Apache-2.0
"""Judgements at the turning points of a life: after initialize, after the traffic, after halt, after shutdown."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dmabed.after_fault import excuse_for, excuse_of
from hw.dma_rules import AFTER_SHUTDOWN, SHARED_AFTER_FREE
from hw.frames import describe_difference
from hw.limits import DmaKind
from miniport import life, rules
from miniport.protocol import EXTRA_FRAME, padded
from miniport.status import NDIS_STATUS_PENDING, status_name
from verifier.address import Span
from verifier.address_book import BlockKind
from verifier.events import Kind
from verifier.rule import Rule
from verifier.where import where_of_function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmabed.world import Seat
    from hw.inject import Fault


def refused(seat: Seat) -> None:
    """Initialize failed: nothing may be left, the card must be still, and there must have been a reason."""
    ndis = seat.ndis
    where = where_of_function(ndis.miniport.initialize)
    if seat.status == NDIS_STATUS_PENDING or not isinstance(seat.status, int):
        ndis.findings.report(
            rules.INIT_STATUS, f"initialize returned {status_name(seat.status)}", where=where, subject=("initialize",))
    _leaks(seat, rules.INIT_RELEASE, "a failing initialize")
    life.refused(ndis)
    excuse = excuse_of(ndis.injector, seat.spec)
    if ndis.failed_routines or (excuse is not None and excuse.loses):
        return
    if _no_placement(seat):
        return
    ndis.findings.report(
        rules.INIT_FAILED, f"initialize returned {status_name(seat.status)} although no routine failed and a placement within the "
        "limits exists", where=where, subject=("initialize",))


def _state_of(seat: Seat) -> str:
    """Why a card may stand still, as the end of a sentence: it dropped frames, or none of its engines runs."""
    nic = seat.nic
    why = Counter(event[5] for event in seat.machine.events.events if event[1] is Kind.FRAME_DROPPED and event[3] == nic.name)
    said = [f"{nic.name} dropped {number} frame(s): {reason}" for reason, number in why.items()]
    if nic.limits.kind is DmaKind.MASTER and nic.present and next(nic.live_pointers(), None) is None:
        said.append(f"no engine of {nic.name} runs and none of its rings is live")
    return "".join(f"; {one}" for one in said)


def _no_placement(seat: Seat) -> bool:
    """True if some block that the miniport asked for could not have been had within the NIC's limits at all."""
    limits, offset = seat.nic.limits, seat.machine.bus.logical_offset
    asked = [block for block in seat.machine.book.made if block.kind in (BlockKind.SHARED, BlockKind.CONTIGUOUS)]
    boundary = limits.boundary if not limits.boundary or offset % limits.boundary == 0 else 0
    return any(not seat.ndis.memory.could_allocate(block.size, -offset, limits.last - offset, boundary) for block in asked)


def initialized(seat: Seat) -> None:
    """Initialize succeeded: is the card what its attributes say?"""
    adapter = seat.ndis.adapter
    if not adapter.attributes_set:
        seat.ndis.findings.report(
            rules.ATTRIBUTES_FIRST, "initialize succeeded without NdisMSetAttributesEx",
            where=where_of_function(seat.ndis.miniport.initialize), subject=("attributes",))
    life.initialized(seat.ndis)


def traffic(seat: Seat, faults: Sequence[Fault] | None = None) -> None:
    """Nothing moves any more: are all packets done, and did every frame arrive unchanged? *faults* are those that can excuse what is
    missing, by default all that have fired."""
    ndis, nic = seat.ndis, seat.nic
    protocol = ndis.protocol
    protocol.receiving.give_all_back()
    count_frames(seat)
    if not ndis.findings.enabled:
        return
    life.mastered(ndis)
    excuse = excuse_of(ndis.injector, seat.spec) if faults is None else excuse_for(faults, seat.spec)
    if excuse is not None and excuse.loses:
        if seat.frames:
            life.silent(ndis, seat.sent, seat.received)
        if not excuse.chaos:
            _indicated_as_sent(seat)
        return
    report = ndis.findings.report
    served = where_of_function(ndis.miniport.handle_interrupt)
    if protocol.status_incomplete:
        report(rules.STATUS_COMPLETE, "no NdisMIndicateStatusComplete follows the last NdisMIndicateStatus", where=served,
               subject=("status",))
    if protocol.refused is not None and not protocol.accepted and ndis.up:
        report(rules.RESOURCES_ANNOUNCED, f"{protocol.refused!r} was refused with NDIS_STATUS_RESOURCES, and neither "
               "NdisMSendResourcesAvailable nor the completion of another packet followed", where=served, subject=(protocol.refused,))
    stuck = protocol.accepted or nic.wire.arrived > len(protocol.received_frames) + nic.lost_for_want_of_descriptors
    if stuck and nic.present and ndis.adapter.interrupt is not None and not nic.interrupts_enabled and not protocol.hang.resets:
        report(rules.INT_REENABLE, f"nothing moves any more, and {nic.name} may not interrupt", where=served, subject=("interrupt",))
    if protocol.receiving.transfers:
        packet, transfer = next(iter(protocol.receiving.transfers.values()))
        report(rules.LOST_CAUSE, f"the transfer of received frame {transfer.index} into {packet!r} is pending while nothing moves any more",
               where=served, subject=(packet,))
    if protocol.accepted:
        first = next(iter(protocol.accepted.values()))
        causes = nic.pending_causes()
        report(rules.LOST_CAUSE, f"{len(protocol.accepted)} packet(s) stay with the miniport while nothing moves any more, the first "
               f"being {first!r}" + (f"; the card waits with {causes}" if causes else "") + _state_of(seat), where=served, subject=(first,))
    elif nic.wire.arrived > len(protocol.received_frames) + nic.lost_for_want_of_descriptors and nic.present \
            and not protocol.hang.resets:
        report(rules.LOST_CAUSE, f"{nic.wire.arrived} frames arrived and {len(protocol.received_frames)} were indicated while "
               f"nothing moves any more{_state_of(seat)}", where=served, subject=("receive",))
    sent = where_of_function(ndis.miniport.send_packets if ndis.miniport.overrides("send_packets") else ndis.miniport.send)
    if protocol.receiving.incomplete:
        report(rules.RECEIVE_COMPLETE, "no NdisMEthIndicateReceiveComplete follows the last NdisMEthIndicateReceive", where=served,
               subject=("receive",))
    if protocol.hang.resets:  # NDIS sends again what a reset took off the card: the order on the wire says nothing
        if seat.lost and not protocol.hang.asked:
            report(rules.FRAME_LOST, f"{seat.lost} of {len(seat.frames)} frames got lost in {protocol.hang.resets} reset(s) of the card, "
                   "no fault was injected, and nobody but the miniport or a time-out asked for a reset", where=sent, subject=("frames",))
        return
    on_wire = nic.wire.sent
    for number, frame in enumerate(protocol.sent):
        if number >= len(on_wire):
            report(rules.FRAME_LOST, f"frame {number} of {len(frame)} bytes was completed with success and never reached the wire",
                   where=sent, subject=("frame", number))
            break
        if on_wire[number] not in (frame, padded(frame)):
            changed, _, dump = describe_difference(padded(frame), on_wire[number]).partition("\n")
            report(rules.FRAME_CHANGED, f"frame {number} went out changed: {changed}", where=sent, subject=("frame", number),
                   detail=dump)
            break
    for number, (frame, got) in enumerate(zip(came_in(seat), protocol.received_frames, strict=False)):
        if frame != got:
            if nic.lost_for_want_of_descriptors:
                break  # frames are missing in between, which the last finding tells
            changed, _, dump = describe_difference(frame, got).partition("\n")
            report(rules.FRAME_CHANGED, f"received frame {number} was indicated changed: {changed}", where=served,
                   subject=("receive", number), detail=dump)
            break
    if seat.lost:
        dropped = nic.lost_for_want_of_descriptors
        why = f"; the card dropped {dropped} for want of a receive descriptor" if dropped else ""
        report(rules.FRAME_LOST, f"{seat.lost} of {len(seat.frames)} frames got lost and no fault was injected{why}", where=sent,
               subject=("frames",))


def _indicated_as_sent(seat: Seat) -> None:
    """Whatever frames were lost: those that were indicated are frames that were on the wire, or the one that a fault lets arrive."""
    ndis = seat.ndis
    on_wire = {EXTRA_FRAME, *came_in(seat)}
    for number, got in enumerate(ndis.protocol.received_frames):
        if got not in on_wire:
            ndis.findings.report(
                rules.FRAME_CHANGED, f"received frame {number} of {len(got)} bytes was indicated, and no such frame was on the wire",
                where=where_of_function(ndis.miniport.handle_interrupt), subject=("receive", number))
            return


def count_frames(seat: Seat) -> None:
    """`sent`: completed with success and seen by the wire. `received`: indicated as they came, and returned."""
    protocol, on_wire = seat.ndis.protocol, seat.nic.wire.sent
    if protocol.hang.resets or (seat.ndis.injector is not None and seat.ndis.injector.fired):
        seat.sent = _arrived(on_wire, [padded(frame) for frame in protocol.sent])
    else:
        seat.sent = sum(1 for frame, seen in zip(protocol.sent, on_wire, strict=False) if seen in (frame, padded(frame)))
    lent = len(seat.ndis.adapter.outstanding_receives)
    seat.received = _arrived(came_in(seat), protocol.received_frames) - lent
    seat.lost = max(len(seat.frames) - min(seat.sent, seat.received), 0)


def came_in(seat: Seat) -> list[bytes]:
    """The frames that the far end sends to the card, in order: the loopback sends what it gets."""
    return seat.nic.wire.sent if seat.arrivals is None else seat.arrivals


def _arrived(on_wire: list[bytes], indicated: list[bytes]) -> int:
    """How many frames were indicated as they were on the wire, in order; frames may be missing in between."""
    if len(indicated) == len(on_wire):
        return sum(frame == got for frame, got in zip(on_wire, indicated, strict=True))
    left = iter(on_wire)
    return sum(any(frame == got for frame in left) for got in indicated)


def receives_back(seat: Seat) -> None:
    """Before halt the protocols give back what they were lent, but what a fault keeps until halt waits for it."""
    receiving, outstanding = seat.ndis.protocol.receiving, seat.ndis.adapter.outstanding_receives
    for number, packet in list(outstanding.items()):
        if number in outstanding and packet not in receiving.through_halt:  # one that comes back may bring others with it
            receiving.give_back(packet)


def halted(seat: Seat) -> None:
    """Halt returned: everything is released and the card is still."""
    ndis, nic = seat.ndis, seat.nic
    _leaks(seat, rules.HALT_UNDO, "halt")
    for packet in ndis.protocol.accepted.values():
        ndis.findings.report(
            rules.SEND_ONCE, f"halt returned while {packet!r} was never completed", where=where_of_function(ndis.miniport.halt),
            subject=(packet,))
        break
    where = where_of_function(ndis.miniport.halt)
    for packet, _ in ndis.protocol.receiving.transfers.values():
        ndis.findings.report(
            rules.TRANSFER_ONCE, f"halt returned while the transfer into {packet!r} pends", where=where, subject=(packet,))
        break
    lent = list(ndis.adapter.outstanding_receives.values())
    if lent:
        ndis.findings.report(
            rules.HALT_RECEIVES, f"halt returned while {len(lent)} packet(s) that were indicated are with a protocol, the first being "
            f"{lent[0]!r}", where=where, subject=(lent[0],))
    ndis.protocol.receiving.through_halt.clear()
    request = ndis.protocol.requests.current
    if request is not None:
        ndis.findings.report(
            rules.OID_ONCE, f"halt returned while {request!r} was never completed", where=where, subject=(request,))
    if ndis.protocol.hang.resetting:
        ndis.findings.report(
            rules.RESET_ONCE, "halt returned while a reset pends", where=where, subject=("reset",))
    if not nic.present:
        return
    if seat.machine.bus.posted:
        seat.machine.bus.drain()
    pointer = next(nic.reaches(), None)
    if pointer is not None:
        ndis.findings.report(
            SHARED_AFTER_FREE, f"halt returned while {nic.name} runs: its {pointer.what} at {Span(pointer.logical, pointer.length)} is "
            "live", where=where_of_function(ndis.miniport.halt), space="logical", span=Span(pointer.logical, pointer.length),
            subject=tuple(b for b in seat.machine.book.freed if b.logical is not None and Span(b.logical, b.size).overlaps(
                Span(pointer.logical, pointer.length))))


def shut_down(seat: Seat) -> None:
    """The shutdown handler returned some time ago: the card is still and pulls no line. Nothing counts as leaked."""
    nic = seat.nic
    life.shut_down(seat.ndis)
    if nic.present and nic.interrupts_enabled and nic.interrupting:
        seat.ndis.findings.report(
            rules.QUIESCE, f"{nic.name} pulls its interrupt line after the shutdown handler returned: {nic.pending_causes()}",
            where=where_of_function(seat.ndis.miniport.shutdown), subject=("shutdown",))
    pointer = next(nic.reaches(), None)
    if pointer is not None:
        seat.ndis.findings.report(
            AFTER_SHUTDOWN, f"{nic.name} still runs after the shutdown handler returned: its {pointer.what} at "
            f"{Span(pointer.logical, pointer.length)} is live", where=where_of_function(seat.ndis.miniport.shutdown),
            space="logical", span=Span(pointer.logical, pointer.length), subject=("shutdown",))


def _leaks(seat: Seat, rule: Rule, what: str) -> None:
    """Everything that is still claimed is a leak, at the line of its allocation."""
    ndis = seat.ndis
    ndis.adapter.gone = True
    for claim in list(ndis.adapter.claims.values()):
        extra = claim.also
        if rule is rules.INIT_RELEASE and claim.block is not None:
            extra = ("shared-free-on-init-fail",) if claim.block.kind is BlockKind.SHARED else ("contig-init-fail-release",)
        span = claim.block.span if claim.block is not None else None
        ndis.findings.report(
            claim.rule or rule, f"{claim.what} of {claim.routine} is still held after {what}",
            where=claim.where, span=span, block=claim.block,
            owner=claim.what, subject=(claim.what,), also=extra)

