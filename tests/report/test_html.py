# SPDX-License-Identifier: Apache-2.0
"""The HTML report and its SVG pictures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmabed.report import facts, finding_picture, html, memory_map, svg
from verifier.address import Span
from verifier.errors import UsageError

Run = dict[str, Any]
Sources = dict[str, list[str]]
MIB = 1 << 20
_VOID = {"meta", "link"}
EVIL = "<script>alert('x')</script>&\"'"


class Page(HTMLParser):
    """Checks that tags nest, and collects what a browser would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def svgs(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(match) for match in re.findall(r'<svg xmlns="[^>]*>.*?</svg>', page, re.S)]


def boxes(picture: ElementTree.Element) -> list[tuple[float, float, float, float, str]]:
    """Left, top, right, bottom of every text, from the widths of a wide sans and mono face at 12 px."""
    out = []
    for element in picture.iter():
        if not element.tag.endswith("text"):
            continue
        style = element.get("class", "")
        shown = "".join(t for child in [element] for t in [child.text or "", *(c.tail or "" for c in child)])
        width = len(shown) * (7.3 if "mono" in style else 7.4 if "inside" in style or "wrongtext" in style else 6.3)
        x, y = float(element.get("x", 0)), float(element.get("y", 0))
        left = {"start": x, "middle": x - width / 2, "end": x - width}[element.get("text-anchor", "start")]
        out.append((left, y - 10, left + width, y + 2, shown))
    return out


def overlapping(picture: ElementTree.Element) -> list[tuple[str, str]]:
    all_boxes = boxes(picture)
    return [(a[4], b[4]) for i, a in enumerate(all_boxes) for b in all_boxes[i + 1:]
            if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]]


@pytest.mark.parametrize("run", ["clean_run", "faulty_run", "huge_run"])
def test_page_is_well_formed_and_fetches_nothing(run: str, request: pytest.FixtureRequest, sources: Sources) -> None:
    page = html.render(request.getfixturevalue(run), sources)
    parsed = Page(page)
    assert {link for link in parsed.fetched if not link.startswith("#")} == {"data:,"}
    assert "script" not in parsed.tags
    assert not re.search(r"url\((?!#hatch\))|@import|https?://(?!www\.w3\.org/2000/svg)", page)


@pytest.mark.parametrize("run", ["clean_run", "faulty_run", "huge_run"])
def test_labels_of_pictures_never_overlap(run: str, request: pytest.FixtureRequest) -> None:
    pictures = svgs(html.render(request.getfixturevalue(run)))
    assert pictures
    assert [overlapping(picture) for picture in pictures] == [[]] * len(pictures)


@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 1 << 24)), max_size=8),
       st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(1, 1 << 20)), max_size=3),
       st.sampled_from([16 * MIB, 1 << 30, 1 << 40]), st.sampled_from([0, 1 << 30]),
       st.sampled_from([1 << 24, 1 << 26, 1 << 32]))
@settings(max_examples=40)
def test_labels_of_any_map_never_overlap_or_leave_the_picture(
    blocks: list[tuple[int, int]], spans: list[tuple[int, int]], ram: int, offset: int, reach: int,
) -> None:
    map_ = {"ranges": [{"start": 0, "length": ram, "kind": "ram", "name": "RAM"}], "bus_offset": offset,
            "reach_last": reach - 1, "boundary": 1 << 24,
            "blocks": [{"name": f"shared memory #{i} with a long name", "owner": "owner", "kind": "pool",
                        "virtual": None, "physical": p, "logical": None, "length": n, "where": "drivers/file.c:123",
                        "state": "live" if i % 3 else "freed", "freed_where": None} for i, (p, n) in enumerate(blocks)]}
    faults = [memory_map.Fault(Span(p, n), p + n // 2, "contig-boundary-no-cross", i)
              for i, (p, n) in enumerate(spans, 1)]
    picture = ElementTree.fromstring(svg.address_map(memory_map.build(map_, faults)))
    assert overlapping(picture) == []
    assert all(left >= 0 and right <= svg.WIDTH + 1 for left, _, right, _, _ in boxes(picture))


@given(st.integers(0, 2**41), st.integers(1, 2**20), st.integers(0, 2**20), st.sampled_from([24, 32, 40]))
@settings(max_examples=60)
def test_labels_of_any_close_view_never_overlap(start: int, before: int, after: int, bits: int) -> None:
    span = {"space": "logical", "address": start, "length": before + after}
    result = {"limits": {"name": "x", "address_bits": bits, "boundary": 0, "effect": "alias"},
              "map": {"reach_last": (1 << bits) - 1, "ranges": [], "blocks": [], "bus_offset": 0, "boundary": 0}}
    shown = finding_picture.picture({"rule": "x", "span": span, "goes_wrong_at": start + before}, result)
    assert shown is not None
    picture = ElementTree.fromstring(svg.zoom(shown, (1 << bits) - 1))
    assert overlapping(picture) == []


@pytest.mark.parametrize(("before", "after", "words"), [
    (1, 0x10000, "not to scale"), (0x8000, 0x8000, "to scale"), (0x10000, 1, "not to scale")])
def test_close_view_says_whether_it_is_to_scale(before: int, after: int, words: str) -> None:
    shown = finding_picture.Picture("logical", Span(0x1000, before + after), 0x1000 + before, "", "here", ())
    assert f"logical addresses, {words}" in svg.zoom(shown, None)


def test_faulty_byte_is_marked_on_map_and_close_view(faulty_run: Run) -> None:
    page = html.render(faulty_run)
    assert "dma-boundary goes wrong here" in page
    assert "▲ multiple of 0x1000000" in page
    assert 'class="mono wrongtext" text-anchor="middle">0x01000000<' in page


def test_everything_that_a_miniport_can_write_is_escaped(faulty_run: Run) -> None:
    f = faulty_run["findings"][0]
    for key in ("rule", "message", "owner", "remedy", "replay", "bugcheck", "where"):
        f[key] = EVIL
    f["also"], f["faults"] = [EVIL], [EVIL]
    f["related"] = [{"what": EVIL, "where": EVIL}]
    f["consequences"] = [{"rule": EVIL, "message": EVIL, "where": EVIL, "time_ns": 1}]
    faulty_run["world"]["miniport"] = faulty_run["world"]["nic"] = faulty_run["status"] = EVIL
    faulty_run["log"] = [EVIL]
    faulty_run["timeline"] = [{"time_ns": 1, "lane": EVIL, "kind": EVIL, "text": EVIL}]
    faulty_run["allocations"][0].update(owner=EVIL, where=EVIL, freed_in=EVIL, routine=EVIL)
    faulty_run["not_exercised"] = {"rules": [EVIL], "handlers": [EVIL], "lines": [EVIL]}
    faulty_run["handlers"] = [{"name": EVIL, "calls": 1}]
    faulty_run["limits"]["source"] = EVIL
    faulty_run["map"]["ranges"][1]["name"] = EVIL
    faulty_run["map"]["blocks"][0].update(name=EVIL, owner=EVIL, where=EVIL)
    faulty_run["corrupted"] = [{"address": 1, "length": 1, "owner": EVIL}]
    page = html.render(faulty_run, {"mynic.py": [EVIL] * 100})
    assert "<script" not in page
    assert "script" not in Page(page).tags


def test_source_excerpt_marks_the_faulty_line(faulty_run: Run, sources: Sources) -> None:
    page = html.render(faulty_run, sources)
    here = re.search(r'<span class="here"><i>43</i>(.*?)</span>', page)
    assert here is not None
    assert here[1].strip() == "adapter.write_register(&#34;TXBASE&#34;, tx.logical)"


@pytest.mark.parametrize("where", [None, "", "mynic.py", "mynic.py:0", "mynic.py:120", "mynic.py:x", "other.py:1"])
def test_excerpt_of_a_line_that_is_not_at_hand_is_empty(where: str | None, sources: Sources) -> None:
    assert facts.excerpt(where, sources) == []


def test_excerpt_at_the_ends_of_a_file_is_cut(sources: Sources) -> None:
    assert [line.number for line in facts.excerpt("mynic.py:1", sources)] == [1, 2, 3]
    assert [line.number for line in facts.excerpt("mynic.py:119", sources)] == [117, 118, 119]


@pytest.mark.parametrize(("events", "left_out"), [(399, None), (400, None), (401, "1 later ones are left out")])
def test_long_timeline_is_cut_and_says_so(clean_run: Run, events: int, left_out: str | None) -> None:
    clean_run["timeline"] = [{"time_ns": i, "lane": "nic", "kind": "poll", "text": f"<{i}>"} for i in range(events)]
    page = html.render(clean_run)
    assert page.count("<b>poll</b>") == min(events, 400)
    assert ("left out" in page) == (left_out is not None)
    assert left_out is None or left_out in page


def test_repeated_finding_says_how_often(faulty_run: Run) -> None:
    finding = {**faulty_run["findings"][0], "time_ns": 61_200, "times": 42}
    assert "61.2 us, and 41 more times" in html.render({**faulty_run, "findings": [finding]})


@pytest.mark.parametrize("number, more", [(100, None), (101, "1 more {} is"), (102, "2 more {}s are")])
@pytest.mark.parametrize("key", ["findings", "notices"])
def test_hundred_findings_are_shown_and_the_rest_counted(faulty_run: Run, key: str, number: int, more: str | None) -> None:
    finding = {**faulty_run["findings"][0], "span": None, "consequences": []}
    words = Page(html.render({**faulty_run, "findings": [], "notices": [], key: [finding] * number})).words
    assert words.count("remedy") == 100
    assert [word for word in words if "not listed" in word] == (
        [f"{more.format(key[:-1])} not listed; --json holds all."] if more else [])


def test_hundred_consequences_are_shown_and_the_rest_counted(faulty_run: Run) -> None:
    consequence = {"rule": "lost-cause", "message": "gone", "where": None, "time_ns": 1}
    page = html.render({**faulty_run, "findings": [{**faulty_run["findings"][0], "consequences": [consequence] * 102}]})
    assert page.count("lost-cause") == 100
    assert "2 more consequences are not listed; --json holds all" in page


def test_error_page_says_what_to_do() -> None:
    error = {"kind": "usage", "message": "no such NIC", "remedy": "try pcnet"}
    words = " ".join(Page(html.render({"schema": 1, "verdict": "error", "error": error})).words)
    assert "no such NIC" in words
    assert "try pcnet" in words


def test_report_is_the_same_bytes_in_another_process(tmp_path: Path, faulty_run: Run) -> None:
    code = ("import sys, json, pathlib; from dmabed.report import html; "
            "html.write_report(json.load(sys.stdin), pathlib.Path(sys.argv[1]), None)")
    pages = []
    for seed in ("1", "2"):
        directory = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        subprocess.run([sys.executable, "-c", code, str(directory)], input=json.dumps(faulty_run), text=True,
                       check=True, env=environment)
        pages.append((directory / "index.html").read_bytes())
    assert pages[0] == pages[1] == html.render(faulty_run).encode()


def test_report_makes_its_directory_and_leaves_one_file(tmp_path: Path, clean_run: Run) -> None:
    path = html.write_report(clean_run, tmp_path / "out" / "demo", None)
    assert [p.name for p in path.parent.iterdir()] == ["index.html"]


def test_report_replaces_an_older_one(tmp_path: Path, clean_run: Run, faulty_run: Run) -> None:
    html.write_report(clean_run, tmp_path, None)
    path = html.write_report(faulty_run, tmp_path, None)
    assert path.read_text(encoding="utf-8") == html.render(faulty_run)


def test_directory_that_cannot_be_written_is_a_usage_error(tmp_path: Path, clean_run: Run) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError) as caught:
        html.write_report(clean_run, tmp_path / "file", None)
    assert str(tmp_path / "file") in caught.value.message
    assert caught.value.remedy


def test_failed_write_keeps_the_older_report(tmp_path: Path, clean_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    path = html.write_report(clean_run, tmp_path, None)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match="No space left"):
        html.write_report({**clean_run, "verdict": "refused"}, tmp_path, None)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]
