# SPDX-License-Identifier: Apache-2.0
"""Registers of the 82540EM that come in rows: statistics, address and filter tables, diagnostics (``docs/nics/e1000.md``)."""

from __future__ import annotations

from hw.register import Field, Register


class Counter(Register):
    """A statistics counter: reading clears it, and it stays at its largest value (4.27)."""
    COUNT = Field(31, 0, mode="rc")


class OctetsLow(Register):
    """Low dword of a counter of 64 bits: read it first (4.27)."""
    COUNT = Field(31, 0, mode="ro")


class OctetsHigh(Register):
    """High dword of a counter of 64 bits: reading clears both (4.27)."""
    COUNT = Field(31, 0, mode="rc")


class ReceiveAddressLow(Register):
    """Receive address, bytes 0 to 3 (4.28)."""
    RAL = Field(31, 0)


class ReceiveAddressHigh(Register):
    """Receive address, bytes 4 and 5, and its valid bit (4.28)."""
    RAH = Field(15, 0)
    AS = Field(17, 16, mode="tag")
    AV = Field(31)


class MulticastTable(Register):
    """32 of the 4096 bits of the multicast table (4.28)."""
    BITS = Field(31, 0)


class VlanTable(Register):
    """32 of the 4096 bits of the VLAN filter table (4.28)."""
    BITS = Field(31, 0)


class Pointer13(Register):
    """Diagnostics of the packet buffer: kept, without effect (4.29)."""
    POINTER = Field(12, 0)


class Pointer11(Register):
    """Diagnostics of the packet buffer: kept, without effect (4.29)."""
    POINTER = Field(10, 0)


class WakeUpTable(Register):
    """Tables of wake-up and of management (4.25)."""
    DATA = Field(31, 0, mode="tag")


MULTICAST_ENTRIES, RECEIVE_ADDRESSES, VLAN_ENTRIES = 128, 16, 128

COUNTERS: dict[str, int] = {
    "CRCERRS": 0x4000, "ALGNERRC": 0x4004, "SYMERRS": 0x4008, "RXERRC": 0x400C, "MPC": 0x4010, "SCC": 0x4014, "ECOL": 0x4018,
    "MCC": 0x401C, "LATECOL": 0x4020, "COLC": 0x4028, "DC": 0x4030, "TNCRS": 0x4034, "SEC": 0x4038, "CEXTERR": 0x403C,
    "RLEC": 0x4040, "XONRXC": 0x4048, "XONTXC": 0x404C, "XOFFRXC": 0x4050, "XOFFTXC": 0x4054, "FCRUC": 0x4058, "PRC64": 0x405C,
    "PRC127": 0x4060, "PRC255": 0x4064, "PRC511": 0x4068, "PRC1023": 0x406C, "PRC1522": 0x4070, "GPRC": 0x4074, "BPRC": 0x4078,
    "MPRC": 0x407C, "GPTC": 0x4080, "RNBC": 0x40A0, "RUC": 0x40A4, "RFC": 0x40A8, "ROC": 0x40AC, "RJC": 0x40B0, "MGTPRC": 0x40B4,
    "MGTPDC": 0x40B8, "MGTPTC": 0x40BC, "TPR": 0x40D0, "TPT": 0x40D4, "PTC64": 0x40D8, "PTC127": 0x40DC, "PTC255": 0x40E0,
    "PTC511": 0x40E4, "PTC1023": 0x40E8, "PTC1522": 0x40EC, "MPTC": 0x40F0, "BPTC": 0x40F4, "TSCTC": 0x40F8, "TSCTFC": 0x40FC,
}
"""Offsets of the counters of 32 bits."""
OCTETS: dict[str, int] = {"GORC": 0x4088, "GOTC": 0x4090, "TOR": 0x40C0, "TOT": 0x40C8}
"""Offsets of the counters of 64 bits: the low dword, called NAME and L; behind it the high one, called NAME and H."""
SIZES = (64, 127, 255, 511, 1023, 1522)
"""The largest frame, check sequence included, that counts in PRC64, PRC127 and so on."""

TABLES: dict[str, tuple[int, type[Register]]] = {
    **{name: (at, Counter) for name, at in COUNTERS.items()},
    **{f"{name}L": (at, OctetsLow) for name, at in OCTETS.items()},
    **{f"{name}H": (at + 4, OctetsHigh) for name, at in OCTETS.items()},
    **{f"MTA{n}": (0x5200 + 4 * n, MulticastTable) for n in range(MULTICAST_ENTRIES)},
    **{f"RAL{n}": (0x5400 + 8 * n, ReceiveAddressLow) for n in range(RECEIVE_ADDRESSES)},
    **{f"RAH{n}": (0x5404 + 8 * n, ReceiveAddressHigh) for n in range(RECEIVE_ADDRESSES)},
    **{f"VFTA{n}": (0x5600 + 4 * n, VlanTable) for n in range(VLAN_ENTRIES)},
    **{name: (at, Pointer13) for name, at in (
        ("RDFH", 0x2410), ("RDFT", 0x2418), ("RDFHS", 0x2420), ("RDFTS", 0x2428), ("RDFPC", 0x2430),
        ("TDFHS", 0x3420), ("TDFTS", 0x3428), ("TDFPC", 0x3430))},
    "TDFH": (0x3410, Pointer11), "TDFT": (0x3418, Pointer11),
    **{f"IP4AT{n}": (0x5840 + 8 * n, WakeUpTable) for n in range(4)},
    **{f"IP6AT{n}": (0x5880 + 4 * n, WakeUpTable) for n in range(4)},
    **{f"WUPM{n}": (0x5A00 + 4 * n, WakeUpTable) for n in range(32)},
    **{f"FFLT{n}": (0x5F00 + 8 * n, WakeUpTable) for n in range(4)},
    **{f"FFMT{n}": (0x9000 + 8 * n, WakeUpTable) for n in range(128)},
    **{f"FFVT{n}": (0x9800 + 8 * n, WakeUpTable) for n in range(128)},
}
"""Offset and class of each of these registers, by name."""
