# SPDX-License-Identifier: Apache-2.0
"""Files: opening, mapping, and that a handle and a view are used only as long as they hold."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s
from miniport.adapter import Adapter
from miniport.miniport import Miniport
from verifier.address_book import BlockKind

MICROCODE = bytes(range(256)) * 5
FILES = {"card.bin": MICROCODE, "empty.bin": b""}


def with_files(miniport_class: type[Miniport]) -> type[Miniport]:
    miniport_class.files = FILES
    return miniport_class


@pytest.mark.keeps("routine-context")
def test_a_file_is_opened_mapped_read_unmapped_and_closed(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        status, handle, length = adapter.open_file("card.bin")
        assert (status, length) == (s.NDIS_STATUS_SUCCESS, len(MICROCODE))
        for _ in range(2):
            status, view = adapter.map_file(handle)
            assert status == s.NDIS_STATUS_SUCCESS
            assert view.read(0, length) == MICROCODE and view.block.kind is BlockKind.OTHER
            adapter.unmap_file(handle)
        adapter.close_file(handle)

    world = live(with_files(bare(initialize)))
    assert broken(world) == []
    assert not any(block.live for block in world.machine.book.made)


def test_an_empty_file_has_length_zero(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        status, handle, length = adapter.open_file("empty.bin")
        assert (status, length) == (s.NDIS_STATUS_SUCCESS, 0)
        assert adapter.map_file(handle)[0] == s.NDIS_STATUS_SUCCESS
        adapter.close_file(handle)

    assert broken(live(with_files(bare(initialize)))) == []


def test_a_miniport_has_no_files_unless_it_names_some(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        assert adapter.open_file("card.bin") == (s.NDIS_STATUS_FILE_NOT_FOUND, None, 0)

    world = live(bare(initialize))
    assert broken(world) == [] and world.ndis.failed_routines == ["NdisOpenFile"]


@pytest.mark.parametrize("highest", [len(MICROCODE) - 2, len(MICROCODE) - 1, 0xFFFFFF, (1 << 64) - 1])
def test_the_content_lies_at_or_below_the_highest_address(live: Any, bare: Any, broken: Any, highest: int) -> None:
    def initialize(adapter: Adapter) -> None:
        status, handle, length = adapter.open_file("card.bin", highest)
        if highest < len(MICROCODE) - 1:
            assert (status, handle, length) == (s.NDIS_STATUS_RESOURCES, None, 0)
            return
        if status == s.NDIS_STATUS_SUCCESS:  # page 0 may not be there to be had
            view = adapter.map_file(handle)[1]
            assert view.block.physical + length - 1 <= highest
            adapter.close_file(handle)

    assert broken(live(with_files(bare(initialize)))) == []


@pytest.mark.parametrize("effect, status", [
    ("FILE_NOT_FOUND", s.NDIS_STATUS_FILE_NOT_FOUND), ("RESOURCES", s.NDIS_STATUS_RESOURCES),
    ("ERROR_READING_FILE", s.NDIS_STATUS_ERROR_READING_FILE)])
def test_opening_fails_as_documented(live: Any, bare: Any, broken: Any, effect: str, status: int) -> None:
    def initialize(adapter: Adapter) -> int:
        assert adapter.open_file("card.bin") == (status, None, 0)
        return status

    world = live(with_files(bare(initialize)), faults=(f"NdisOpenFile#1={effect}",))
    assert broken(world) == [] and world.refused


def test_mapping_fails_as_documented_and_later_it_does_not(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        handle = adapter.open_file("card.bin")[1]
        assert adapter.map_file(handle) == (s.NDIS_STATUS_ALREADY_MAPPED, None)
        assert adapter.map_file(handle)[0] == s.NDIS_STATUS_SUCCESS
        adapter.close_file(handle)

    assert broken(live(with_files(bare(initialize)), faults=("NdisMapFile#1",))) == []


def test_a_mapped_file_is_not_mapped_again(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        handle = adapter.open_file("card.bin")[1]
        adapter.map_file(handle)
        assert adapter.map_file(handle) == (s.NDIS_STATUS_ALREADY_MAPPED, None)
        adapter.close_file(handle)

    world = live(with_files(bare(initialize)))
    assert broken(world) == [] and world.ndis.failed_routines == ["NdisMapFile"]


@pytest.mark.breaks("contig-no-use-after-free")
@pytest.mark.parametrize("end", ["unmap_file", "close_file"])
def test_the_view_is_not_used_after_the_mapping_ended(live: Any, bare: Any, broken: Any, end: str) -> None:
    def initialize(adapter: Adapter) -> None:
        handle = adapter.open_file("card.bin")[1]
        view = adapter.map_file(handle)[1]
        getattr(adapter, end)(handle)
        view.read_uchar(0)
        if end == "unmap_file":
            adapter.close_file(handle)

    assert broken(live(with_files(bare(initialize)))) == ["contig-no-use-after-free"]


@pytest.mark.breaks("file-handle")
@pytest.mark.keeps("file-handle")
@pytest.mark.parametrize("steps, rules", [
    (("unmap_file", "close_file"), ["file-handle"]), (("close_file", "close_file"), ["file-handle"]),
    (("close_file", "map_file"), ["file-handle"]), (("map_file", "unmap_file", "unmap_file", "close_file"), ["file-handle"]),
    (("map_file", "close_file"), []), (("close_file",), [])])
def test_a_handle_is_used_from_open_to_close(live: Any, bare: Any, broken: Any, steps: tuple[str, ...], rules: list[str]) -> None:
    def initialize(adapter: Adapter) -> None:
        handle = adapter.open_file("card.bin")[1]
        for step in steps:
            getattr(adapter, step)(handle)

    assert broken(live(with_files(bare(initialize)))) == rules


@pytest.mark.breaks("halt-undo-all")
def test_a_file_that_is_never_closed_is_a_leak(live: Any, bare: Any, broken: Any, told: Any) -> None:
    world = live(with_files(bare(lambda adapter: adapter.open_file("card.bin") and None)))
    assert broken(world) == ["halt-undo-all"]
    assert told(world, "halt-undo-all") == "file card.bin of NdisOpenFile is still held after halt"


@pytest.mark.breaks("routine-context")
def test_files_are_for_initialize(live: Any, bare: Any, broken: Any) -> None:
    world = live(with_files(bare(halt=lambda adapter: adapter.close_file(adapter.open_file("card.bin")[1]))))
    assert broken(world) == ["routine-context", "routine-context"]
