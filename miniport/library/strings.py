# SPDX-License-Identifier: Apache-2.0
"""Counted strings. A Python string does for every other routine; these are for drivers that convert, compare and free them.

The ANSI character set of the machine is Windows-1252. Characters that it lacks become question marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport.library.memory import allocate_memory_with_tag, free_memory
from miniport.routine import PASSIVE, UP_TO_DISPATCH, routine
from miniport.status import NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS
from miniport.versions import at_least
from miniport.view import View
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

FREE_ALLOCATED = rule(
    "string-free-allocated", "free only what NdisInitializeString or NdisMQueryAdapterInstanceName allocated, once",
    text="NdisFreeString frees only strings that NDIS allocated.")

ANSI = "cp1252"


class UnicodeString:
    """An NDIS_STRING: *text* in a buffer of *maximum_length* bytes, 2 for each UTF-16 unit. A longer text is a `ValueError`.

    The buffer of a string that NDIS allocated is *buffer*, in emulated memory; that of any other is the caller's own.
    """

    __slots__ = ("_text", "buffer", "maximum_length")

    def __init__(self, text: str = "", maximum_length: int | None = None, buffer: View | None = None) -> None:
        self._text = text
        self.buffer = buffer
        self.maximum_length = len(_utf16(text)) if maximum_length is None else maximum_length
        if len(_utf16(text)) > self.maximum_length:
            raise ValueError(f"{text!r} does not fit into {self.maximum_length} bytes")

    @property
    def text(self) -> str:
        """What the buffer holds."""
        if self.buffer is None:
            return self._text
        return self.buffer.read(0, self.length).decode("utf-16-le")

    @property
    def length(self) -> int:
        """Bytes in use."""
        return len(_utf16(self._text))

    def assign(self, text: str) -> bool:
        """Replace the content; False, and nothing changes, if the buffer is too short."""
        data = _utf16(text)
        if len(data) > self.maximum_length:
            return False
        if self.buffer is not None:
            self.buffer.write(0, data)
        self._text = text
        return True

    def __repr__(self) -> str:
        return f"<UnicodeString {self._text!r}, {self.length} of {self.maximum_length} bytes>"


class AnsiString:
    """An ANSI_STRING: *data* in a buffer of *maximum_length* bytes. Longer data are a `ValueError`."""

    __slots__ = ("data", "maximum_length")

    def __init__(self, data: bytes = b"", maximum_length: int | None = None) -> None:
        self.data = data
        self.maximum_length = len(data) if maximum_length is None else maximum_length
        if len(data) > self.maximum_length:
            raise ValueError(f"{data!r} does not fit into {self.maximum_length} bytes")

    @property
    def length(self) -> int:
        """Bytes in use."""
        return len(self.data)

    def assign(self, data: bytes) -> bool:
        """Replace the content; False, and nothing changes, if the buffer is too short."""
        if len(data) > self.maximum_length:
            return False
        self.data = data
        return True

    def __repr__(self) -> str:
        return f"<AnsiString {self.data!r}, {self.length} of {self.maximum_length} bytes>"


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def allocated_string(ndis: Ndis, adapter: Adapter, text: str) -> UnicodeString | None:
    """A string with a terminating zero in pool memory of the adapter, or None."""
    data = _utf16(text)
    _, buffer = allocate_memory_with_tag(ndis, adapter, len(data) + 2, "NDst")
    if buffer is None:
        return None
    buffer.write(0, data + b"\0\0")
    return UnicodeString(text, len(data) + 2, buffer)


@routine("NdisInitUnicodeString", irql=UP_TO_DISPATCH, c="VOID NdisInitUnicodeString(IN OUT PNDIS_STRING, PCWSTR SourceString)",
         source="ddi:ndis/nf-ndis-ndisinitunicodestring", event=False)
def init_unicode_string(ndis: Ndis, adapter: Adapter, source: str | None) -> UnicodeString:
    """A counted string that points to *source*; empty for None. It allocates nothing."""
    return UnicodeString(source or "")


@routine("NdisInitAnsiString", irql=UP_TO_DISPATCH, c="VOID NdisInitAnsiString(IN OUT PANSI_STRING, PCSTR SourceString)",
         source="nt4:103ndisx_75", event=False)
def init_ansi_string(ndis: Ndis, adapter: Adapter, source: bytes | None) -> AnsiString:
    """A counted string that points to *source*; empty for None. It allocates nothing."""
    return AnsiString(source or b"")


@routine("NdisInitializeString", irql=PASSIVE, fails=("null",),
         c="VOID NdisInitializeString(IN OUT PNDIS_STRING, PUCHAR SourceString)", source="nt4:103ndisx_79")
def initialize_string(ndis: Ndis, adapter: Adapter, source: bytes | None) -> UnicodeString | None:
    """An allocated string with the Unicode form of *source*, which NdisFreeString frees; None where there is no memory."""
    return allocated_string(ndis, adapter, (source or b"").decode(ANSI, "replace"))


@routine("NdisFreeString", irql=PASSIVE, c="VOID NdisFreeString(NDIS_STRING)", source="ddi:ndis/nf-ndis-ndisfreestring")
def free_string(ndis: Ndis, adapter: Adapter, string: UnicodeString | AnsiString) -> None:
    """Free the buffer of a string that NDIS allocated. NT 4 takes strings of the Init forms, too."""
    buffer = string.buffer if isinstance(string, UnicodeString) else None
    if buffer is not None:
        free_memory(ndis, adapter, buffer, string.maximum_length)
    elif at_least(ndis.windows, "2000"):
        ndis.findings.report(FREE_ALLOCATED, f"NdisFreeString of {string!r}, which NDIS did not allocate", subject=(id(string),))


@routine("NdisAnsiStringToUnicodeString", irql=PASSIVE, fails=("FAILURE",),
         c="NDIS_STATUS NdisAnsiStringToUnicodeString(IN OUT PNDIS_STRING DestinationString, PANSI_STRING SourceString)",
         source="nt4:103ndisx_14")
def ansi_string_to_unicode_string(ndis: Ndis, adapter: Adapter, destination: UnicodeString, source: AnsiString) -> int:
    """Convert into the destination's buffer. Returns a status: FAILURE, and the destination as it was, where it is too short."""
    return NDIS_STATUS_SUCCESS if destination.assign(source.data.decode(ANSI, "replace")) else NDIS_STATUS_FAILURE


@routine("NdisUnicodeStringToAnsiString", irql=PASSIVE, fails=("FAILURE",),
         c="NDIS_STATUS NdisUnicodeStringToAnsiString(IN OUT PANSI_STRING DestinationString, PNDIS_STRING SourceString)",
         source="nt4:103ndisx_213")
def unicode_string_to_ansi_string(ndis: Ndis, adapter: Adapter, destination: AnsiString, source: UnicodeString) -> int:
    """Convert into the destination's buffer. Returns a status: FAILURE, and the destination as it was, where it is too short."""
    return NDIS_STATUS_SUCCESS if destination.assign(source.text.encode(ANSI, "replace")) else NDIS_STATUS_FAILURE


@routine("NdisUpcaseUnicodeString", irql=PASSIVE, fails=("FAILURE",),
         c="NDIS_STATUS NdisUpcaseUnicodeString(PUNICODE_STRING DestinationString, PUNICODE_STRING SourceString)",
         source="ddi:ndis/nf-ndis-ndisupcaseunicodestring")
def upcase_unicode_string(ndis: Ndis, adapter: Adapter, destination: UnicodeString, source: UnicodeString) -> int:
    """Write the upper-case form into the destination's buffer, character by character. Returns a status: FAILURE if too short."""
    return NDIS_STATUS_SUCCESS if destination.assign(_upcase(source.text)) else NDIS_STATUS_FAILURE


@routine("NdisEqualString", irql=PASSIVE, c="BOOLEAN NdisEqualString(PNDIS_STRING, PNDIS_STRING, BOOLEAN CaseInsensitive)",
         source="nt4:103ndisx_35", event=False)
def equal_string(ndis: Ndis, adapter: Adapter, first: UnicodeString, second: UnicodeString, case_insensitive: bool) -> bool:
    """True if both strings hold the same text."""
    if case_insensitive:
        return _upcase(first.text) == _upcase(second.text)
    return first.text == second.text


def _upcase(text: str) -> str:
    """Upper case one to one: the length never changes."""
    return "".join(upper if len(upper := character.upper()) == 1 else character for character in text)
