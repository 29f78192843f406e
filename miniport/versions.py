# SPDX-License-Identifier: Apache-2.0
"""The two version axes: the Windows version of the machine, and the NDIS version that the miniport registered."""

from __future__ import annotations

from difflib import get_close_matches

from verifier.errors import UsageError

WINDOWS = ("nt4", "2000", "xp", "xp-sp1", "2003", "vista", "2008", "7")
"""Windows versions that run NDIS 4 and 5 miniports, oldest first; NDIS 5 was removed from Windows 8."""
MM_ONLY = ("8", "8.1", "10")
"""Versions for the Mm routines alone, called without a miniport."""

_HIGHEST = {"nt4": (4, 0), "2000": (5, 0)}
_TITLES = {"nt4": "Windows NT 4.0", "2000": "Windows 2000", "xp": "Windows XP", "xp-sp1": "Windows XP SP1",
           "2003": "Windows Server 2003", "vista": "Windows Vista", "2008": "Windows Server 2008", "7": "Windows 7"}

CHARACTERISTICS_LENGTH = {(3, 0): 112, (4, 0): 136, (5, 0): 184, (5, 1): 240}
"""Bytes of the NDISxx_MINIPORT_CHARACTERISTICS of each NDIS version, with pointers of 8 bytes: two UCHARs, a USHORT, a UINT, and 13,
16, 22 and 29 pointers."""


def check_versions(windows: str, ndis: tuple[int, int]) -> None:
    """`UsageError` where no miniport of NDIS version *ndis* runs on *windows*."""
    if windows in MM_ONLY:
        raise UsageError(f"Windows {windows} runs no NDIS 5 miniport", f"choose one of {', '.join(WINDOWS)}")
    if windows not in WINDOWS:
        near = get_close_matches(windows, WINDOWS, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"no Windows version is called {windows!r}", f"{hint}known: {', '.join(WINDOWS)}")
    if ndis not in ((4, 0), (5, 0), (5, 1)):
        raise UsageError(f"NDIS {ndis[0]}.{ndis[1]} is not modelled", "choose 4.0, 5.0 or 5.1")
    highest = ndis_of(windows)
    if ndis > highest:
        raise UsageError(
            f"{title(windows)} runs miniports up to NDIS {highest[0]}.{highest[1]}; this one registers {ndis[0]}.{ndis[1]}",
            "choose a later --windows, or register an older version with --ndis")


def ndis_of(windows: str) -> tuple[int, int]:
    """The highest NDIS version below 6 that *windows* offers."""
    return _HIGHEST.get(windows, (5, 1))


def title(windows: str) -> str:
    """``Windows Server 2003``."""
    return _TITLES.get(windows, f"Windows {windows}")


def at_least(windows: str, version: str) -> bool:
    """True if *windows* is *version* or later."""
    return WINDOWS.index(windows) >= WINDOWS.index(version)


def parse_ndis(text: str) -> tuple[int, int]:
    """``5.1`` as (5, 1)."""
    major, dot, minor = text.partition(".")
    if not (dot and major.isdigit() and minor.isdigit() and len(text) < 8):
        raise UsageError(f"{text!r} is no NDIS version", "choose 4.0, 5.0 or 5.1")
    return int(major), int(minor)
