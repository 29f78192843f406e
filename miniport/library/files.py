# SPDX-License-Identifier: Apache-2.0
"""Files that a driver loads into its card: microcode, tables. They stand in `Miniport.files`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocator.memory_manager import MAXULONG64
from miniport.handlers import INIT, METHODS
from miniport.routine import PASSIVE, UP_TO_DISPATCH, routine
from miniport.status import (
    NDIS_STATUS_ALREADY_MAPPED,
    NDIS_STATUS_FILE_NOT_FOUND,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from miniport.view import View
from verifier.address_book import Block, BlockKind
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

HANDLE = rule(
    "file-handle", "open, map, unmap, close: unmap what is mapped, close once, and use no handle afterwards",
    text="A file handle is used from open to close, and a file is unmapped only while it is mapped.")

NO_LIMIT = MAXULONG64


class FileHandle:
    """An open file."""

    __slots__ = ("data", "highest", "mapping", "name", "open", "storage")

    def __init__(self, name: str, data: bytes, highest: int, storage: Block) -> None:
        self.name = name
        self.data = data
        self.highest = highest
        self.storage: Block | None = storage
        """Memory that waits for the content while the file is not mapped."""
        self.mapping: Block | None = None
        self.open = True


@routine("NdisOpenFile", irql=PASSIVE, handlers=INIT, fails=("FILE_NOT_FOUND", "RESOURCES", "ERROR_READING_FILE"),
         on_failure=lambda status: (status, None, 0),
         c="VOID NdisOpenFile(OUT PNDIS_STATUS, OUT PNDIS_HANDLE, OUT PUINT FileLength, PNDIS_STRING FileName, NDIS_PHYSICAL_ADDRESS "
           "HighestAcceptableAddress)", source="ddi:ndis/nf-ndis-ndisopenfile")
def open_file(ndis: Ndis, adapter: Adapter, name: str, highest: int = NO_LIMIT) -> tuple[int, FileHandle | None, int]:
    """Open a file and take memory for it whose last byte is at or below *highest*. Returns (status, handle, length)."""
    data = ndis.miniport.files.get(name)
    if data is None:
        ndis.refused("NdisOpenFile")
        return NDIS_STATUS_FILE_NOT_FOUND, None, 0
    storage = _storage(ndis, adapter, name, len(data), highest)
    if storage is None:
        ndis.refused("NdisOpenFile")
        return NDIS_STATUS_RESOURCES, None, 0
    handle = FileHandle(name, data, highest, storage)
    adapter.claim(handle, f"file {name}", "NdisOpenFile")
    return NDIS_STATUS_SUCCESS, handle, len(data)


@routine("NdisMapFile", irql=UP_TO_DISPATCH, handlers=INIT, fails=("ALREADY_MAPPED",), on_failure=lambda status: (status, None),
         c="VOID NdisMapFile(OUT PNDIS_STATUS, OUT PVOID* MappedBuffer, NDIS_HANDLE FileHandle)", source="ddi:ndis/nf-ndis-ndismapfile")
def map_file(ndis: Ndis, adapter: Adapter, handle: FileHandle) -> tuple[int, View | None]:
    """Make the content accessible. Returns (status, view); ALREADY_MAPPED and None where it is mapped."""
    if not handle.open:
        ndis.findings.report(HANDLE, f"NdisMapFile of {handle.name}, which was closed", subject=(handle,))
        return NDIS_STATUS_ALREADY_MAPPED, None
    if handle.mapping is not None:
        ndis.refused("NdisMapFile")
        return NDIS_STATUS_ALREADY_MAPPED, None
    block = handle.storage or _storage(ndis, adapter, handle.name, len(handle.data), handle.highest)
    if block is None:  # no document says what comes of a file that cannot be paged in
        ndis.refused("NdisMapFile")
        return NDIS_STATUS_RESOURCES, None
    ndis.ram.write_tagged(block.physical, handle.data, 0)
    handle.storage, handle.mapping = None, block
    return NDIS_STATUS_SUCCESS, View(ndis.port, block)


@routine("NdisUnmapFile", irql=PASSIVE, handlers=INIT, c="VOID NdisUnmapFile(NDIS_HANDLE FileHandle)",
         source="ddi:ndis/nf-ndis-ndisunmapfile")
def unmap_file(ndis: Ndis, adapter: Adapter, handle: FileHandle) -> None:
    """Take the access back; the view is not used afterwards."""
    if handle.mapping is None:
        ndis.findings.report(HANDLE, f"NdisUnmapFile of {handle.name}, which is not mapped", subject=(handle,))
        return
    ndis.memory.free(handle.mapping, "NdisUnmapFile", METHODS[ndis.handler])
    handle.mapping = None


@routine("NdisCloseFile", irql=PASSIVE, handlers=INIT, c="VOID NdisCloseFile(NDIS_HANDLE FileHandle)", source="nt4:103ndisx_21")
def close_file(ndis: Ndis, adapter: Adapter, handle: FileHandle) -> None:
    """Close the file and free its memory, mapped or not."""
    if not handle.open:
        ndis.findings.report(HANDLE, f"NdisCloseFile of {handle.name}, which was closed", subject=(handle,))
        return
    for block in (handle.mapping, handle.storage):
        if block is not None:
            ndis.memory.free(block, "NdisCloseFile", METHODS[ndis.handler])
    handle.mapping = handle.storage = None
    handle.open = False
    adapter.release(handle)


def _storage(ndis: Ndis, adapter: Adapter, name: str, length: int, highest: int) -> Block | None:
    return ndis.memory.allocate(BlockKind.OTHER, "NdisOpenFile", f"file {name}", max(length, 1), highest=highest, owner="NDIS",
                                adapter=adapter.number)
