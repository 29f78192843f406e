# SPDX-License-Identifier: Apache-2.0
"""A real capture through the miniport: out and back in, in order, unchanged but for padding; and the capture of the wire
read back by two independent readers."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import dpkt
import pcapng
import pytest

from dmabed.load import find_miniport
from dmabed.result import as_json
from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from hw.limits import PRESETS, DmaKind
from hw.wire import BIT_NS, OVERHEAD_BYTES
from verifier.errors import UsageError

REFERENCE, BASE = find_miniport(None, "reference")
pytestmark = pytest.mark.filterwarnings("ignore:Field type should not be:DeprecationWarning")
"""python-pcapng warns of itself."""
MIXED = Path(__file__).resolve().parent.parent / "data" / "mixed.pcap"
INBOUND, OUTBOUND = 1, 2
NAMES = {"inbound": INBOUND, "outbound": OUTBOUND}
MASTERS = [name for name, limits in PRESETS.items() if limits.kind is DmaKind.MASTER]


def original_frames() -> list[bytes]:
    with MIXED.open("rb") as file:
        return [bytes(data) for _, data in dpkt.pcap.Reader(file)]


@pytest.fixture(scope="module")
def frames() -> list[bytes]:
    return original_frames()


@pytest.fixture(scope="module")
def world() -> World:
    return run_world(WorldSpec(pcap=str(MIXED)), REFERENCE, BASE, capture=True)


@pytest.fixture(scope="module")
def captured(world: World) -> bytes:
    assert world.capture is not None
    return world.capture.to_bytes()


def pcapng_blocks(data: bytes) -> list[Any]:
    return [block for block in pcapng.FileScanner(io.BytesIO(data)) if isinstance(block, pcapng.blocks.EnhancedPacket)]


def direction(block: Any) -> int:
    return NAMES[block.options["epb_flags"].inout]


def raw_packet_blocks(data: bytes) -> list[tuple[int, int, bytes]]:
    """(time in ns, direction, frame) of each Enhanced Packet Block, decoded by hand."""
    found, at = [], 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert size % 4 == 0 and struct.unpack_from("<I", data, at + size - 4)[0] == size
        if kind == 6:
            _, high, low, length, original = struct.unpack_from("<IIIII", data, at + 8)
            assert length == original
            frame = data[at + 28:at + 28 + length]
            option, flags = at + 28 + (length + 3 & ~3), None
            while True:
                code, count = struct.unpack_from("<HH", data, option)
                if code == 0:
                    break
                if code == 2:
                    [flags] = struct.unpack_from("<I", data, option + 4)
                option += 4 + (count + 3 & ~3)
            assert flags is not None
            found.append((high << 32 | low, flags & 3, frame))
        at += size
    return found


def padded(frame: bytes) -> bytes:
    return frame + bytes(max(0, 60 - len(frame)))


# The run


def test_the_file_holds_431_frames_some_of_which_are_short(frames: list[bytes]) -> None:
    assert len(frames) == 431 and min(map(len, frames)) < 60 and max(map(len, frames)) == 1514


def test_every_frame_goes_out_and_comes_back_in_order_unchanged_but_for_padding(world: World, frames: list[bytes]) -> None:
    expected = [padded(frame) for frame in frames]
    assert world.machine.wire.sent == expected
    assert world.ndis.protocol.received_frames == expected
    assert world.ndis.protocol.sent == frames and world.ndis.protocol.failed == []


def test_the_result_counts_them(world: World, frames: list[bytes]) -> None:
    result = as_json(world)
    assert result["verdict"] == "clean" and result["findings"] == [] and result["notices"] == []
    short = sum(len(frame) < 60 for frame in frames)
    assert result["frames"] == {"sent": 431, "received": 431, "lost": 0, "padded": short}


@pytest.mark.parametrize("limits", MASTERS)
@pytest.mark.parametrize("placement", ["hostile", "random"])
def test_the_capture_comes_through_under_every_preset(frames: list[bytes], limits: str, placement: str) -> None:
    run = run_world(WorldSpec(pcap=str(MIXED), limits=limits, placement=placement, seed=5), REFERENCE, BASE)
    assert run.ndis.protocol.received_frames == [padded(frame) for frame in frames]
    assert run.machine.findings.errors == [] and (run.sent, run.received, run.lost) == (431, 431, 0)


# The capture of the wire


def test_dpkt_reads_862_frames(captured: bytes, frames: list[bytes]) -> None:
    got = [bytes(data) for _, data in dpkt.pcapng.Reader(io.BytesIO(captured))]
    assert len(got) == 862
    assert sorted(got) == sorted([padded(frame) for frame in frames] * 2)


def test_python_pcapng_reads_862_blocks_with_their_directions(captured: bytes, frames: list[bytes]) -> None:
    blocks = pcapng_blocks(captured)
    assert len(blocks) == 862
    sent = [block.packet_data for block in blocks if direction(block) == OUTBOUND]
    received = [block.packet_data for block in blocks if direction(block) == INBOUND]
    assert sent == received == [padded(frame) for frame in frames]
    assert all(block.captured_len == block.packet_len == len(block.packet_data) for block in blocks)


def test_the_readers_and_a_decoder_by_hand_agree(captured: bytes) -> None:
    raw = raw_packet_blocks(captured)
    assert len(raw) == 862
    assert [(direction(block), block.packet_data) for block in pcapng_blocks(captured)] == [
        (way, frame) for _, way, frame in raw]
    assert [bytes(data) for _, data in dpkt.pcapng.Reader(io.BytesIO(captured))] == [frame for _, _, frame in raw]


def test_times_are_virtual_nanoseconds_that_never_go_back(captured: bytes, world: World) -> None:
    times = [time for time, _, _ in raw_packet_blocks(captured)]
    assert times == sorted(times) and times[0] < 1_000_000_000 and times[-1] <= world.machine.clock.now
    assert len(set(times)) > 431


def test_each_echo_comes_at_least_one_wire_time_after_its_frame(captured: bytes) -> None:
    raw = raw_packet_blocks(captured)
    sent = [(time, frame) for time, way, frame in raw if way == OUTBOUND]
    received = [(time, frame) for time, way, frame in raw if way == INBOUND]
    for (out, frame), (back, echo) in zip(sent, received, strict=True):
        assert echo == frame and back - out >= (len(frame) + OVERHEAD_BYTES) * 8 * BIT_NS
    assert any(back - out == (len(frame) + OVERHEAD_BYTES) * 8 * BIT_NS for (out, frame), (back, _) in zip(sent, received, strict=True))


def test_a_captured_run_can_be_fed_in_again(captured: bytes, tmp_path: Path) -> None:
    path = tmp_path / "wire.pcapng"
    path.write_bytes(captured)
    again = run_world(WorldSpec(pcap=str(path)), REFERENCE, BASE)
    assert (again.sent, again.received, again.lost) == (862, 862, 0) and again.nic.padded == 0


def test_a_run_without_capture_is_the_same_run(world: World) -> None:
    plain = run_world(WorldSpec(pcap=str(MIXED)), REFERENCE, BASE)
    assert plain.capture is None and as_json(plain) == as_json(world)


@pytest.mark.parametrize("content", [b"", b"no capture at all", MIXED.read_bytes()[:1000]], ids=["empty", "text", "cut off"])
def test_a_file_that_is_no_capture_is_a_usage_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.pcap"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        run_world(WorldSpec(pcap=str(path)), REFERENCE, BASE)
