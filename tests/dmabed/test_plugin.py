# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin, run by pytest inside pytest: in a project, under xdist, and beside folders that are named like ours."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
HOUSE = Path(__file__).resolve().parents[2]
LEAKS = '''
from miniport.reference import ReferenceMiniport

class Leaks(ReferenceMiniport):
    def initialize(self, adapter):
        status = super().initialize(adapter)
        adapter.allocate_memory_with_tag(64, "Leak")
        return status
'''


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project whose pytest finds the plugin as an installed one is found."""
    monkeypatch.setenv("PYTHONPATH", str(HOUSE))
    pytester.makeconftest("")
    return pytester


def outcomes(project: pytest.Pytester, *arguments: str) -> dict[str, int]:
    plugin = () if _installed() else ("-p", "dmabed.plugin")
    return dict(project.runpytest_subprocess(*plugin, *arguments).parseoutcomes())


def _installed() -> bool:
    from importlib.metadata import entry_points
    return any(point.name == "dmabed" for point in entry_points(group="pytest11"))


def test_clean_life_passes_and_marker_sets_the_options(project: pytest.Pytester) -> None:
    project.makepyfile('''
        import pytest
        from miniport.reference import ReferenceMiniport

        @pytest.mark.dmabed(placement="low", frames=2, windows="xp")
        def test_life(bed):
            result = bed.run(ReferenceMiniport)
            assert result["verdict"] == "clean"
            assert result["world"]["placement"] == "low" and result["world"]["windows"] == "xp"
            assert result["frames"]["received"] == 2
    ''')
    assert outcomes(project) == {"passed": 1}


def test_number_that_is_none_is_refused_with_a_remedy(project: pytest.Pytester) -> None:
    project.makepyfile('''
        def test_life(bed):
            bed.run(frames=1)
    ''')
    plugin = () if _installed() else ("-p", "dmabed.plugin")
    result = project.runpytest_subprocess(*plugin, "--dmabed-seed", "x")
    result.stdout.fnmatch_lines(["*'x' is not a whole number*"])
    assert "Traceback" not in result.stdout.str() and "ValueError" not in result.stdout.str()


def test_a_rule_that_does_not_exist_cannot_be_allowed(project: pytest.Pytester) -> None:
    project.makepyfile('''
        def test_life(bed):
            bed.allow("oid-mandatry")
            bed.run(frames=1)
    ''')
    assert outcomes(project) == {"failed": 1}


def test_leak_fails_the_test_with_the_picture(project: pytest.Pytester) -> None:
    project.makepyfile(mynic=LEAKS, test_it='''
        from mynic import Leaks

        def test_life(bed):
            bed.run(Leaks)
    ''')
    plugin = () if _installed() else ("-p", "dmabed.plugin")
    result = project.runpytest_subprocess(*plugin)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*halt-undo-all*", "*mynic.py:6*", "*remedy*", "*replay*"])


def test_allowed_rule_does_not_fail_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(mynic=LEAKS, test_it='''
        from mynic import Leaks

        def test_life(bed):
            bed.allow("halt-undo-all")
            assert bed.run(Leaks)["verdict"] == "findings"
    ''')
    assert outcomes(project) == {"passed": 1}


def test_injected_fault_is_met_and_one_that_does_not_fire_fails(project: pytest.Pytester) -> None:
    project.makepyfile('''
        def test_second_allocation_fails(bed):
            bed.inject("NdisMAllocateSharedMemory#2")
            assert bed.run()["verdict"] in ("clean", "refused")

        def test_point_is_never_reached(bed):
            bed.inject("NdisMAllocateSharedMemory#999")
            bed.run()
    ''')
    assert outcomes(project) == {"passed": 1, "failed": 1}


def test_wrong_option_fails_with_a_remedy(project: pytest.Pytester) -> None:
    project.makepyfile('''
        def test_life(bed):
            bed.run(nic="referense")
    ''')
    plugin = () if _installed() else ("-p", "dmabed.plugin")
    result = project.runpytest_subprocess(*plugin)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no NIC is called 'referense'*", "*did you mean reference*"])


def test_options_of_the_line_reach_every_bed(project: pytest.Pytester) -> None:
    project.makepyfile('''
        def test_life(bed):
            assert bed.run(frames=0)["world"]["placement"] == "high"
    ''')
    assert outcomes(project, "--dmabed-placement", "high") == {"passed": 1}


def test_plugin_works_under_xdist(project: pytest.Pytester) -> None:
    project.makepyfile('''
        import pytest

        @pytest.mark.parametrize("seed", range(4))
        def test_life(bed, seed):
            assert bed.run(seed=seed)["verdict"] == "clean"
    ''')
    assert outcomes(project, "-n", "2") == {"passed": 4}


def test_project_with_folders_named_like_ours_is_left_in_peace(project: pytest.Pytester) -> None:
    for name in ("hw", "firmware"):
        project.mkpydir(name)
    project.makepyfile('''
        import hw

        def test_own_package_is_found():
            assert "hw" in hw.__name__
    ''')
    assert outcomes(project) == {"passed": 1}


def test_bed_in_a_project_that_shadows_a_package_fails_with_the_remedy(project: pytest.Pytester) -> None:
    project.mkpydir("hw")
    project.makepyfile('''
        def test_life(bed):
            bed.run()
    ''')
    plugin = () if _installed() else ("-p", "dmabed.plugin")
    result = project.runpytest_subprocess(*plugin)
    result.stdout.fnmatch_lines(["*'hw' of dmabed is shadowed*", "*rename your hw/ folder*"])
    result.assert_outcomes(errors=1)
