# SPDX-License-Identifier: Apache-2.0
"""Receives by lookahead: the miniport shows the beginning of a frame, the protocol asks for the rest."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s
from miniport.packet import Owner

FRAME = bytes(range(200))


class Shower:
    """A serialized miniport that shows *FRAME* at each send, *look* bytes of it behind the header."""

    def __init__(self, bare: Any, look: int = 50, *, size: int = 186, header: int = 14, stored: int = 200, complete: bool = True,
                 answer: Any = None, **more: Any) -> None:
        self.look, self.size, self.header, self.stored, self.complete = look, size, header, stored, complete
        self.answer = answer if answer is not None else self.copy
        self.asked: list[tuple[int, int]] = []
        self.memory: Any = None
        self.miniport = bare(self.initialize, send=self.send, transfer_data=self.transfer, halt=self.halt, **more)

    def initialize(self, adapter: Any) -> None:
        _, self.memory = adapter.allocate_memory_with_tag(256, "Test")
        self.memory.write(0, FRAME[:self.stored])

    def halt(self, adapter: Any) -> None:
        adapter.free_memory(self.memory, 256)

    def send(self, adapter: Any, packet: Any, flags: int) -> int:
        adapter.eth_indicate_receive("context", self.memory, self.header, self.memory + 14, self.look, self.size)
        if self.complete:
            adapter.eth_indicate_receive_complete()
        return s.NDIS_STATUS_FAILURE

    def transfer(self, adapter: Any, packet: Any, context: Any, offset: int, count: int) -> Any:
        assert context == "context" and packet.owner is Owner.MINIPORT and packet.length == count
        self.asked.append((offset, count))
        return self.answer(adapter, packet, offset, count)

    def copy(self, adapter: Any, packet: Any, offset: int, count: int) -> tuple[int, int]:
        at = 14 + offset
        for buffer in packet.buffers():
            if buffer.length:
                buffer.view.write(0, FRAME[at:at + buffer.length])
            at += buffer.length
        return s.NDIS_STATUS_SUCCESS, count


def of_receives(ids: list[str]) -> list[str]:
    return [rule for rule in ids if not rule.startswith("frame")]


@pytest.mark.keeps("receive-indications-complete", "receive-lookahead")
@pytest.mark.parametrize("look", [0, 1, 50, 185, 186])
def test_the_protocol_puts_the_frame_together(live: Any, bare: Any, broken: Any, look: int) -> None:
    shower = Shower(bare, look)
    world = live(shower.miniport, frames=40)
    assert world.ndis.protocol.received_frames == [FRAME] * 40 and of_receives(broken(world)) == []
    assert all(offset + count == 186 and offset <= look for offset, count in shower.asked)
    assert 0 < len(shower.asked) < 40 if look == 186 else len(shower.asked) == 40


@pytest.mark.breaks("lost-cause", "transfer-complete-once")
@pytest.mark.keeps("lost-cause", "transfer-complete-once")
@pytest.mark.parametrize("times, rules", [(0, ["lost-cause", "transfer-complete-once"]), (1, []), (2, ["transfer-complete-once"])])
def test_a_pending_transfer_is_completed_once(live: Any, bare: Any, all_broken: Any, times: int, rules: list[str]) -> None:
    def answer(adapter: Any, packet: Any, offset: int, count: int) -> tuple[int, int]:
        shower.copy(adapter, packet, offset, count)
        for _ in range(times):
            adapter._ndis.clock.at(1000, lambda: adapter.transfer_data_complete(packet, s.NDIS_STATUS_SUCCESS, count))
        return s.NDIS_STATUS_PENDING, 0

    shower = Shower(bare, answer=answer)
    world = live(shower.miniport, frames=1)
    assert [rule for rule in of_receives(all_broken(world)) if rule in ("lost-cause", "transfer-complete-once")] == rules
    assert world.ndis.protocol.received_frames == [FRAME if times else b""]


def test_frames_stay_in_order_whenever_their_transfers_end(live: Any, bare: Any, broken: Any) -> None:
    delays = iter(range(9000, 0, -1000))

    def answer(adapter: Any, packet: Any, offset: int, count: int) -> tuple[int, int]:
        shower.copy(adapter, packet, offset, count)
        number = len(shower.asked)
        packet.first.view.write(0, bytes([number])) if packet.first.length else packet.last.view.write(0, bytes([number]))
        adapter._ndis.clock.at(next(delays), lambda: adapter.transfer_data_complete(packet, s.NDIS_STATUS_SUCCESS, count))
        return s.NDIS_STATUS_PENDING, 0

    shower = Shower(bare, look=0, answer=answer)
    frames = live(shower.miniport, frames=9).ndis.protocol.received_frames
    assert [frame[14] for frame in frames] == list(range(1, 10))


@pytest.mark.breaks("rx-bytes-of-this-frame")
def test_bytes_that_were_never_copied_are_not_the_frame(live: Any, bare: Any, broken: Any) -> None:
    shower = Shower(bare, answer=lambda adapter, packet, offset, count: (s.NDIS_STATUS_SUCCESS, count))
    assert "rx-bytes-of-this-frame" in broken(live(shower.miniport, frames=1))


@pytest.mark.breaks("rx-bytes-of-this-frame")
@pytest.mark.keeps("rx-bytes-of-this-frame")
@pytest.mark.parametrize("stored, rules", [(63, ["rx-bytes-of-this-frame"]), (64, []), (65, [])])
def test_the_bytes_shown_are_those_that_were_stored(live: Any, bare: Any, broken: Any, stored: int, rules: list[str]) -> None:
    assert of_receives(broken(live(Shower(bare, stored=stored).miniport, frames=1))) == rules


@pytest.mark.breaks("receive-lookahead")
@pytest.mark.parametrize("changes", [{"look": 187}, {"header": 13}, {"look": 243, "size": 300},
                                     {"attributes": s.NDIS_ATTRIBUTE_BUS_MASTER | s.NDIS_ATTRIBUTE_DESERIALIZE}])
def test_what_cannot_be_shown_is_a_finding(live: Any, bare: Any, broken: Any, changes: Any) -> None:
    assert "receive-lookahead" in broken(live(Shower(bare, **changes).miniport, frames=1))


@pytest.mark.breaks("receive-lookahead")
@pytest.mark.keeps("receive-lookahead")
@pytest.mark.parametrize("size, rules", [(4081, []), (4082, []), (4083, ["receive-lookahead"]), (16365, ["receive-lookahead"])])
def test_a_packet_longer_than_any_frame_is_a_finding_and_ends_no_run(live: Any, bare: Any, broken: Any, size: int,
                                                                     rules: list[str]) -> None:
    shower = Shower(bare, size=size, answer=lambda adapter, packet, offset, count: (s.NDIS_STATUS_FAILURE, 0))
    assert of_receives(broken(live(shower.miniport, frames=20))) == rules


@pytest.mark.breaks("receive-indications-complete")
def test_the_end_of_the_indications_has_to_be_said(live: Any, bare: Any, broken: Any) -> None:
    assert of_receives(broken(live(Shower(bare, complete=False).miniport, frames=1))) == ["receive-indications-complete"]


@pytest.mark.breaks("handler-result")
@pytest.mark.parametrize("answer", [None, s.NDIS_STATUS_SUCCESS, (s.NDIS_STATUS_SUCCESS, None)])
def test_transfer_data_returns_a_status_and_a_count(live: Any, bare: Any, broken: Any, answer: Any) -> None:
    shower = Shower(bare, answer=lambda adapter, packet, offset, count: answer)
    assert "handler-result" in broken(live(shower.miniport, frames=1))
