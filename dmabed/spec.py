# SPDX-License-Identifier: Apache-2.0
"""`WorldSpec`: everything that decides one world, as plain data. The same spec gives the same bytes, everywhere."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

from allocator.ageing import ageing_of
from allocator.frames import Placement
from allocator.nodes import nodes_of
from dmabed import policy
from dmabed.fault_points import checked_fault
from dmabed.load import find_nic
from hw.inject import Fault, parse_fault
from hw.limits import PRESETS, DmaKind, DmaLimits, custom, preset
from hw.memory_layout import ram_ranges
from hw.nic import Nic
from miniport.versions import check_versions, parse_ndis
from verifier.address import Span
from verifier.errors import UsageError

LIVES = ("halt", "power-off", "bug-check", "surprise", "suspend", "rebalance")
_NO_OPTION = {"ram_ranges": None, "nodes": 1, "aged": None}
"""Fields that no option of the command line sets, with their defaults."""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"^(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})$")


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """One world. Sizes are in bytes. *miniport* is what the command line takes, None for the NIC's reference miniport.

    *ram_ranges* overrides *ram* with a map of (start, size) pairs. *nodes* is how many NUMA nodes of equal size RAM has
    (`allocator.nodes`), *aged* what the system did with RAM before (``fragments`` or ``adversary``, `allocator.ageing`); None:
    nothing. *faults* are fault points with effects, as text. *deny* and *allow* are what the user decides about rules
    (`dmabed.policy`).
    """

    miniport: str | None = None
    nic: str = "reference"
    limits: str | None = None
    address_bits: int | None = None
    boundary: int | None = None
    ram: int = 256 << 20
    ram_ranges: tuple[tuple[int, int], ...] | None = None
    nodes: int = 1
    aged: str | None = None
    windows: str = "2003"
    ndis: str | None = None
    placement: str = "hostile"
    processors: int = 2
    adapters: int = 1
    bus_offset: int = 0
    iommu: bool = False
    incoherent: bool = False
    msi: bool = False
    frames: int = 8
    pcap: str | None = None
    life: str = "halt"
    seed: int = 1
    faults: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    silicon: bool = False
    stop: bool = False

    def check(self) -> None:
        """`UsageError` for what cannot be, before anything is built."""
        self.model()
        self.dma_limits()
        self.placed()
        self.parsed_faults()
        self.check_life()
        if not 1 <= self.processors <= 8:
            raise UsageError(f"{self.processors} processors are not modelled", "give from 1 to 8")
        if not 1 <= self.adapters <= 4:
            raise UsageError(f"{self.adapters} adapters are not modelled", "give from 1 to 4")
        if not 0 <= self.frames <= 10_000_000:
            raise UsageError(f"{self.frames} frames are not modelled", "give from 0 to 10,000,000")
        if abs(self.bus_offset) >= 1 << 62 or self.bus_offset & 4095:
            raise UsageError(f"a bus offset of {self.bus_offset:#x} is not modelled", "give a multiple of 4096 below 2^62")
        if self.seed < 0 or self.seed >> 64:
            raise UsageError(f"seed {self.seed} is not a 64-bit number", "give a seed from 0 to 2^64-1")
        if self.silicon and self.stop:
            raise UsageError("--silicon and --stop exclude each other", "choose one: without checks nothing is found to stop at")
        check_versions(self.windows, parse_ndis(self.ndis) if self.ndis else (4, 0))
        if self.deny or self.allow:
            policy.check(self.deny, self.allow)
        nodes_of(self.ranges(), self.nodes)
        if self.aged is not None:
            ageing_of(self.aged)

    def check_life(self) -> None:
        """`UsageError` for a life, or a kind of interrupt, that this machine cannot have."""
        if self.life not in LIVES:
            raise UsageError(f"no life is called {self.life!r}", f"choose one of {', '.join(LIVES)}")
        possible = lives_of(self.model(), self.windows)
        if self.life not in possible:
            why = "is older than power management and Plug and Play" if self.windows == "nt4" else (
                f"has {self.nic} on a bus where jumpers say which resources a card has")
            raise UsageError(f"--life {self.life} cannot be: the machine {why}", f"choose one of {', '.join(possible)}")
        if self.msi and self.model().bus_kind != "pci":
            raise UsageError(f"--msi cannot be: {self.nic} is no PCI card", "messages are a condition of PCI: choose --nic reference")

    def model(self) -> type[Nic]:
        """The NIC model."""
        return find_nic(self.nic)

    def dma_limits(self) -> DmaLimits:
        """The DMA limits of the NIC in this world."""
        model = self.model()
        own = self.limits is not None or self.address_bits is not None or self.boundary is not None
        if own and not model.limits_settable:
            raise UsageError(f"the limits of {self.nic} are those of its silicon",
                             "set limits on --nic reference; a model of yours allows it with limits_settable = True")
        if self.limits is not None:
            if self.address_bits is not None or self.boundary is not None:
                raise UsageError("--limits excludes --address-bits and --boundary", "give a preset, or the two numbers")
            limits = preset(self.limits)
            if limits.kind is DmaKind.SLAVE:
                raise UsageError(f"{self.limits} is slave DMA; {self.nic} is a bus master", "choose a bus-master preset")
            return limits
        return custom(model.default_limits, self.address_bits, self.boundary)

    def placed(self) -> Placement:
        """The placement policy."""
        try:
            return Placement(self.placement)
        except ValueError:
            raise UsageError(f"no placement is called {self.placement!r}",
                             f"choose one of {', '.join(p.value for p in Placement)}") from None

    def ranges(self) -> tuple[Span, ...]:
        """Where the machine has RAM."""
        if self.ram_ranges is not None:
            return tuple(Span(start, size) for start, size in self.ram_ranges)
        return ram_ranges(self.ram)

    def parsed_faults(self) -> tuple[Fault, ...]:
        """The faults to inject; an unknown routine or an effect that is not documented is a `UsageError`."""
        model = self.model()
        return tuple(checked_fault(parse_fault(text), model) for text in self.faults)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WorldSpec:
        """A spec from plain data; unknown keys are refused."""
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            near = get_close_matches(unknown[0], known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"a world has no option {unknown[0]!r}", f"{hint}known: {', '.join(sorted(known))}")
        values = dict(data)
        if values.get("ram_ranges") is not None:
            values["ram_ranges"] = tuple((int(start), int(size)) for start, size in values["ram_ranges"])
        for name in ("faults", *policy.KEYS):
            values[name] = tuple(values.get(name) or ())
        return replace(cls(), **values)

    def replay_line(self, ndis: str) -> str:
        """The one command that gives this world again, every option spelled out."""
        words = ["dmabed", "replay"]
        unsaid = {name: getattr(self, name) for name, plain in _NO_OPTION.items() if getattr(self, name) != plain}
        if unsaid:
            words.append(json.dumps({"miniport": self.miniport, **unsaid}))
        elif self.miniport is not None:
            words.append(self.miniport)
        words += ["--nic", self.nic]
        if self.model().limits_settable:
            limits = self.dma_limits()
            words += ["--limits", limits.name] if limits.name in PRESETS else [
                "--address-bits", str(limits.address_bits), "--boundary", size_text(limits.boundary)]
        words += ["--ram", size_text(self.ram)] if self.ram_ranges is None else []
        words += ["--windows", self.windows, "--ndis", ndis, "--placement", self.placement, "--processors", str(self.processors),
                  "--bus-offset", size_text(self.bus_offset)]
        words += ["--adapters", str(self.adapters)]
        words += ["--iommu"] if self.iommu else []
        words += ["--msi"] if self.msi else []
        words += ["--incoherent"] if self.incoherent else []
        words += ["--pcap", self.pcap] if self.pcap is not None else ["--frames", str(self.frames)]
        words += ["--life", self.life, "--seed", str(self.seed)]
        words += ["--silicon"] if self.silicon else ["--stop"] if self.stop else []
        for option, texts in (("--fault", self.faults), ("--deny", self.deny), ("--allow", self.allow)):
            for text in texts:
                words += [option, text]
        return shlex.join(words)


def lives_of(model: type[Nic], windows: str) -> tuple[str, ...]:
    """The lives that a card of *model* can have: Windows NT 4.0 neither suspends nor rebalances, and a card with jumpers stays
    where they say."""
    if windows == "nt4":
        return tuple(life for life in LIVES if life not in ("suspend", "rebalance"))
    return LIVES if model.bus_kind == "pci" else tuple(life for life in LIVES if life != "rebalance")


def parse_size(text: str) -> int:
    """SIZE: decimal, 0x, or K/M/G/T as powers of 1024; a sign is allowed in front."""
    sign = -1 if text.startswith("-") else 1
    body = text.removeprefix("-")
    unit = body[-1:].upper() if body[:2].lower() != "0x" and body[-1:].upper() in ("K", "M", "G", "T") else ""
    digits = body[:-1] if unit else body
    if not _SIZE.match(digits):
        raise UsageError(f"{text!r} is no size", "write decimal, 0x…, or a number with K, M, G or T, for instance 16M")
    return sign * int(digits, 0 if digits[:2].lower() == "0x" else 10) * _UNITS[unit]


def size_text(size: int) -> str:
    """The shortest spelling of a size: ``16M``, ``0x1001``."""
    if size < 0:
        return f"-{size_text(-size)}"
    for unit in ("T", "G", "M", "K"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return hex(size) if size > 9 else str(size)
