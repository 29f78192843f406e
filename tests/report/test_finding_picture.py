# SPDX-License-Identifier: Apache-2.0
"""The picture of a faulty span."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmabed.report import finding_picture
from hw.limits import DmaLimits

Run = dict[str, Any]


def result(bits: int = 24, boundary: int = 0, effect: str = "alias", **limits: Any) -> Run:
    return {"limits": {"name": "x", "address_bits": bits, "boundary": boundary, "effect": effect, **limits},
            "map": {"reach_last": (1 << bits) - 1, "boundary": boundary, "bus_offset": 0, "ranges": [], "blocks": []}}


def finding(rule: str, address: int, length: int, space: str = "logical", **more: Any) -> Run:
    return {"rule": rule, "span": {"space": space, "address": address, "length": length}, **more}


def wrong_at(f: Run, r: Run) -> int | None:
    shown = finding_picture.picture(f, r)
    assert shown is not None
    return shown.wrong_at


@pytest.mark.parametrize(("length", "at"), [(0x1000, None), (0x1001, 0x1000000), (0x1002, 0x1000000)])
def test_buffer_ending_one_byte_past_24_bits_goes_wrong_at_that_byte(length: int, at: int | None) -> None:
    assert wrong_at(finding("dma-width", 0xFFF000, length), result()) == at


@pytest.mark.parametrize(("start", "at"), [(0xFFFFFE, 0x1000000), (0xFFFFFF, 0x1000000), (0x1000000, None)])
def test_boundary_goes_wrong_at_the_multiple_inside(start: int, at: int | None) -> None:
    assert wrong_at(finding("dma-boundary", start, 3), result(32, 0x1000000)) == at


def test_span_wholly_out_of_reach_goes_wrong_at_its_first_byte() -> None:
    shown = finding_picture.picture(finding("dma-width", 0x12345678, 16), result())
    assert shown is not None
    assert (shown.wrong_at, len(shown.parts)) == (0x12345678, 1)
    assert "this byte goes to 0x00345678" in shown.why


@given(st.integers(0, 2**33), st.integers(1, 2**16), st.sampled_from([16, 24, 26, 32]),
       st.sampled_from([0, 2**14, 2**16, 2**24]))
@settings(max_examples=150)
def test_byte_lands_where_the_dma_port_puts_it(start: int, length: int, bits: int, boundary: int) -> None:
    limits = DmaLimits("x", bits, boundary=boundary)
    rule = "dma-width" if start + length > limits.reach else "dma-boundary"
    shown = finding_picture.picture(finding(rule, start, length), result(bits, boundary))
    assert shown is not None
    assert (shown.wrong_at is None) == limits.legal(start, length)
    if shown.wrong_at is not None:
        landing = [a + i for a, n in limits.pieces(start, length) for i in range(n)]
        assert f"goes to 0x{landing[shown.wrong_at - start]:08x}" in shown.why


@pytest.mark.parametrize(("effect", "words"), [
    ("abort", "the bus aborts"), ("elsewhere", "not the host's memory"), ("undefined", "no document says")])
def test_effect_that_is_not_known_is_never_invented(effect: str, words: str) -> None:
    shown = finding_picture.picture(finding("dma-width", 0xFFFFFF, 2), result(effect=effect))
    assert shown is not None
    assert words in shown.why
    assert "goes to" not in shown.why


def test_victim_is_named(faulty_run: Run) -> None:
    shown = finding_picture.picture(faulty_run["findings"][0], faulty_run)
    assert shown is not None
    assert shown.why.endswith("0x00000000, interrupt vectors (kernel)")


def test_access_past_the_end_of_its_block_goes_wrong_at_the_end(faulty_run: Run) -> None:
    shown = finding_picture.picture(finding("shared-bounds", 0x90001FF8, 16, "virtual"), faulty_run)
    assert shown is not None
    assert (shown.wrong_at, shown.mark) == (0x90002000, "end of shared memory #1")


def test_given_wrong_address_is_used(faulty_run: Run) -> None:
    assert wrong_at(finding("shared-init-value", 0x00FF0000, 64, goes_wrong_at=0x00FF0020), faulty_run) == 0x00FF0020


@pytest.mark.parametrize("given_at", [0x00FEFFFF, 0x00FF0040])
def test_given_address_outside_the_span_is_not_drawn(faulty_run: Run, given_at: int) -> None:
    assert wrong_at(finding("shared-init-value", 0x00FF0000, 64, goes_wrong_at=given_at), faulty_run) is None


def test_access_to_freed_memory_names_the_freed_block(faulty_run: Run) -> None:
    shown = finding_picture.picture(finding("shared-free-nic-stopped", 0x00A00010, 16), faulty_run)
    assert shown is not None
    assert shown.why == "freed memory: shared memory #0 (mynic) lay here"


@pytest.mark.parametrize("span", [None, {"space": "logical", "address": 0, "length": 0}])
def test_finding_without_bytes_has_no_picture(span: Run | None) -> None:
    assert finding_picture.picture({"rule": "halt-undo-all", "span": span}, result()) is None


def test_alignment_and_length_say_by_how_much() -> None:
    limits = result(32, alignment=16, max_length=4096)
    off = finding_picture.picture(finding("dma-alignment", 0x1004, 64), limits)
    long = finding_picture.picture(finding("dma-length", 0x1000, 4097), limits)
    assert off is not None and long is not None
    assert (off.wrong_at, "this is 4 beyond one" in off.why) == (0x1004, True)
    assert (long.wrong_at, long.mark) == (0x2000, "after 4096 bytes")


def test_map_fault_moves_logical_to_physical(faulty_run: Run) -> None:
    faulty_run["map"]["bus_offset"] = 0x100000
    faults = finding_picture.map_faults(faulty_run)
    assert [(f.span.start, f.wrong_at, f.number) for f in faults] == [
        (0x00EFF000, 0x00F00000, 1), (0x03EFFE00, 0x03F00000, 2)]
