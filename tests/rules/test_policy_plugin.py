# SPDX-License-Identifier: Apache-2.0
"""Deny and allow for the pytest plugin: on pytest's line and in the marker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dmabed.test_plugin import LEAKS, outcomes

pytest_plugins = ["pytester"]
HOUSE = Path(__file__).resolve().parents[2]
TEST = '''
    import pytest
    from mynic import Leaks

    {mark}
    def test_life(bed):
        result = bed.run(Leaks)
        assert [finding["rule"] for finding in result["allowed"]] == ["halt-undo-all"]
'''


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(HOUSE))
    pytester.makeconftest("")
    return pytester


def test_the_line_of_pytest_allows(project: pytest.Pytester) -> None:
    project.makepyfile(mynic=LEAKS, test_it=TEST.format(mark=""))
    assert outcomes(project) == {"failed": 1}
    assert outcomes(project, "--dmabed-allow", "halt-undo-all") == {"passed": 1}


@pytest.mark.parametrize("given", ['"halt-undo-all"', '["halt-undo-all"]'])
def test_the_marker_allows(project: pytest.Pytester, given: str) -> None:
    project.makepyfile(mynic=LEAKS, test_it=TEST.format(mark=f"@pytest.mark.dmabed(allow={given})"))
    assert outcomes(project) == {"passed": 1}


def test_the_marker_wins_over_the_line(project: pytest.Pytester) -> None:
    project.makepyfile(mynic=LEAKS, test_it=TEST.format(mark='@pytest.mark.dmabed(deny=["halt-undo-all"])'))
    assert outcomes(project, "--dmabed-allow", "halt-undo-all") == {"failed": 1}


def test_an_unknown_rule_fails_with_the_nearest(project: pytest.Pytester) -> None:
    project.makepyfile(mynic=LEAKS, test_it=TEST.format(mark='@pytest.mark.dmabed(allow=["halt-undo-al"])'))
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*did you mean halt-undo-all*"])
