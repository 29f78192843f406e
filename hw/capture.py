# SPDX-License-Identifier: Apache-2.0
"""Capture files of the wire: pcap and pcapng in, pcapng out.

Sources: "PCAP Capture File Format" (draft-ietf-opsawg-pcap), "PCAP Next Generation Capture File Format"
(draft-ietf-opsawg-pcapng).
"""

from __future__ import annotations

from hw.capture_read import CaptureError, parse_frames, read_frames
from hw.capture_write import CaptureWriter

__all__ = ["CaptureError", "CaptureWriter", "parse_frames", "read_frames"]
