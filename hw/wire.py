# SPDX-License-Identifier: Apache-2.0
"""The wire: frames leave a NIC and arrive at it, one wire time later, on a link that is up or down.

What is at the other end is a *far end*: the loopback, a peer that a test writes, or nothing. Whatever is on the wire
goes into the capture if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hw.clock import Clock
from verifier.events import EventRecord, Kind

_FRAME_OUT, _FRAME_IN = int(Kind.FRAME_OUT), int(Kind.FRAME_IN)

BIT_NS = 10
"""Nanoseconds a bit at 100 Mbit/s."""
OVERHEAD_BYTES = 8 + 4 + 12
"""Preamble, frame check sequence and gap between frames (IEEE 802.3)."""
RUNT_BYTES = 40
OVERLONG_BYTES = 1600
BURST_FRAMES = 32
LINK_DOWN_NS = 5_000_000
MINIMUM_FRAME = 60
MAXIMUM_FRAME = 1514

FarEnd = Callable[["Wire", bytes], None]
Tap = Callable[[int, bytes, bool, Sequence[str]], None]
"""Called with (time in ns, frame, inbound, comments) for each frame on the wire."""


class Station(Protocol):
    """What the wire needs of a NIC."""

    name: str

    def receive_frame(self, frame: bytes) -> None:
        """A frame arrives."""

    def link_changed(self, up: bool) -> None:
        """The link came up or went down."""

    def receive_bad_frame(self, frame: bytes, why: str) -> None:
        """A frame arrives that is broken."""

    def receive_spoiled(self, frame: bytes, effect: str) -> None:
        """A good frame arrives, and the NIC does something wrong with it."""

    def fault(self, point: str) -> str:
        """The effect that is due at a fault point of the NIC."""


class Wire:
    """One link between a NIC and its far end."""

    __slots__ = ("_busy_until", "_clock", "_events", "arrived", "far_end", "faulty", "in_flight", "sent", "station", "tap", "up")

    def __init__(self, clock: Clock, events: EventRecord, far_end: FarEnd | None = None, tap: Tap | None = None) -> None:
        self._clock = clock
        self._events = events
        self._busy_until = 0
        self.far_end = far_end
        self.tap = tap
        self.station: Station | None = None
        self.faulty = False
        """True in worlds where frames are fault points."""
        self.up = True
        self.sent: list[bytes] = []
        """Frames that the NIC put on the wire, in order."""
        self.arrived = 0
        """Frames that the wire brought to the NIC."""
        self.in_flight = 0
        """Frames on their way to the NIC."""

    def transmit(self, frame: bytes, comments: Sequence[str] = ()) -> bool:
        """The NIC sends a frame; False if the link is down or the frame is no Ethernet frame (under 60 bytes)."""
        if not self.up:
            self._events.append((self._clock.now, Kind.FRAME_DROPPED, 0, self._name(), len(frame), "link down"))
            return False
        if not MINIMUM_FRAME <= len(frame) <= MAXIMUM_FRAME:
            why = "runt" if len(frame) < MINIMUM_FRAME else "overlong"
            self._events.append((self._clock.now, Kind.FRAME_DROPPED, 0, self._name(), len(frame), why))
            return False
        self.sent.append(frame)
        self._events.append((self._clock.now, _FRAME_OUT, 0, self._name(), len(frame)))
        if self.tap is not None:
            self.tap(self._clock.now, frame, False, comments)
        if self.far_end is not None:
            self.far_end(self, frame)
        return True

    def deliver(self, frame: bytes) -> None:
        """The far end sends *frame* to the NIC; it arrives when its last bit has passed, frames in order."""
        start = max(self._clock.now, self._busy_until)
        self._busy_until = start + (len(frame) + OVERHEAD_BYTES) * 8 * BIT_NS
        self.in_flight += 1
        self._clock.at(self._busy_until - self._clock.now, lambda: self._arrive(frame))

    def set_link(self, up: bool) -> None:
        """Plug or unplug the cable."""
        self.up = up
        self._events.append((self._clock.now, Kind.LINK, 0, self._name(), up))
        if self.station is not None:
            self.station.link_changed(up)

    def _arrive(self, frame: bytes) -> None:
        self.in_flight -= 1
        if self.station is None or not self.up:
            return
        if self.faulty:
            self._arrive_faulty(frame, self.station, self.station.fault("frame-in"))
            return
        self._brought(frame, self.station)

    def _brought(self, frame: bytes, station: Station, effect: str = "") -> None:
        self.arrived += 1
        self._events.append((self._clock.now, _FRAME_IN, 0, self._name(), len(frame)))
        if self.tap is not None:
            self.tap(self._clock.now, frame, True, ())
        if effect:
            station.receive_spoiled(frame, effect)
        else:
            station.receive_frame(frame)

    def disturb(self, effect: str) -> None:
        """The cable is pulled for a while (``link-down``), or for a moment (``link-flap``)."""
        if self.up:
            self.set_link(False)
            if effect == "link-down":
                self._clock.at(LINK_DOWN_NS, lambda: self.set_link(True))
            else:
                self.set_link(True)

    def _arrive_faulty(self, frame: bytes, station: Station, effect: str) -> None:
        """A frame arrives in a world with an injector."""
        if effect in ("bad-crc", "runt", "overlong"):
            broken = frame[:RUNT_BYTES] if effect == "runt" else frame.ljust(OVERLONG_BYTES, b"\xee") if effect == "overlong" else frame
            self._events.append((self._clock.now, _FRAME_IN, 0, self._name(), len(broken)))
            station.receive_bad_frame(broken, effect)
            return
        if effect == "lost":
            self._events.append((self._clock.now, Kind.FRAME_DROPPED, 0, self._name(), len(frame), "lost on the wire"))
            return
        if effect in ("link-down", "link-flap"):
            self.disturb(effect)
            if not self.up:
                return
            effect = ""
        elif effect == "burst":
            for _ in range(BURST_FRAMES - 1):
                self._brought(frame, station)
            effect = ""
        self._brought(frame, station, effect)

    def _name(self) -> str:
        return self.station.name if self.station is not None else "wire"


def loopback(wire: Wire, frame: bytes) -> None:
    """Far end that returns every frame unchanged, one wire time later."""
    wire.deliver(frame)
