# SPDX-License-Identifier: Apache-2.0
"""The report of a flawed run in a real browser: what the picture shows, and that no label lies on another."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dmabed.bed import Bed
from dmabed.report.html import write_report
from dmabed.result import as_json, sources

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAWED = Path(__file__).resolve().parents[2] / "examples" / "flawed"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="needs chromium and chromium-driver (apt install chromium chromium-driver)")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    profile = tmp_path_factory.mktemp("profile")
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 f"--user-data-dir={profile}", "--window-size=1200,3000"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(executable_path=str(DRIVER)))
    yield driver
    driver.quit()


def open_report(browser: Any, folder: Path, miniport: str, **options: Any) -> str:
    """Write the report of one run, open it, and return its visible text."""
    bed = Bed(str(FLAWED / miniport), **options)
    world = bed.world()
    path = write_report(as_json(world), folder, sources(world))
    browser.get(path.as_uri())
    return str(browser.execute_script("return document.body.innerText"))


def overlapping_labels(browser: Any) -> list[str]:
    """Pairs of texts inside one SVG whose boxes share more than a hair, as the browser laid them out."""
    found: list[str] = browser.execute_script("""
        const bad = [];
        for (const svg of document.querySelectorAll('svg')) {
            const labels = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim())
                .map(t => [t.textContent.trim(), t.getBoundingClientRect()]);
            for (let i = 0; i < labels.length; i++) for (let j = i + 1; j < labels.length; j++) {
                const [a, p] = labels[i], [b, q] = labels[j];
                if (p.left + 1 < q.right && q.left + 1 < p.right && p.top + 3 < q.bottom && q.top + 3 < p.bottom)
                    bad.push(a + ' | ' + b);
            }
        }
        return bad;""")
    return found


def test_picture_of_a_block_above_the_width_shows_reach_block_and_faulty_bytes(browser: Any, tmp_path: Path) -> None:
    text = open_report(browser, tmp_path, "last_byte_above_width.py")
    assert "dma-width" in text and "1 finding" in text
    drawn = browser.execute_script("return [...document.querySelectorAll('svg text')].map(t => t.textContent).join('\\n')")
    assert "the NIC reaches no further" in drawn
    assert "shared memory #1" in drawn
    assert "finding 1" in drawn
    assert "0x04000000" in drawn


def test_picture_of_a_block_across_the_boundary_shows_the_line_that_it_crosses(browser: Any, tmp_path: Path) -> None:
    text = open_report(browser, tmp_path, "boundary.py")
    assert "dma-boundary" in text
    drawn = browser.execute_script("return [...document.querySelectorAll('svg text')].map(t => t.textContent).join('\\n')")
    assert "multiple of 0x1000000" in drawn
    assert "finding 1" in drawn


@pytest.mark.parametrize("ram", ["16M", "256M", "6G", "1T"])
def test_no_label_of_a_picture_lies_on_another(browser: Any, tmp_path: Path, ram: str) -> None:
    bed = Bed(ram=ram)
    world = bed.world()
    browser.get(write_report(as_json(world), tmp_path, sources(world)).as_uri())
    assert overlapping_labels(browser) == []


def test_page_asks_the_network_for_nothing(browser: Any, tmp_path: Path) -> None:
    open_report(browser, tmp_path, "last_byte_above_width.py")
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_page_is_not_wider_than_the_window(browser: Any, tmp_path: Path) -> None:
    open_report(browser, tmp_path, "last_byte_above_width.py")
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
