# SPDX-License-Identifier: Apache-2.0
"""The marker every_fault, run by pytest inside pytest: items and their names, sites files, xdist, and what makes an item fail."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
HOUSE = Path(__file__).resolve().parents[2]
KEEPS_POOL = '''
from miniport.reference import ReferenceMiniport

class KeepsPool(ReferenceMiniport):
    """Forgets its own pool where what follows fails."""

    def initialize(self, adapter):
        status, pool = adapter.allocate_packet_pool(1)
        if pool is None:
            return status
        status = super().initialize(adapter)
        if status == 0:
            adapter.free_packet_pool(pool)
        return status

class Leaks(ReferenceMiniport):
    def initialize(self, adapter):
        status = super().initialize(adapter)
        adapter.allocate_memory_with_tag(64, "Leak")
        return status

class Polls(ReferenceMiniport):
    """Resets the card and waits for it without a bound."""

    def _reset_card(self, adapter, context):
        adapter.write_register_ulong(context.registers, 4, 1)
        while adapter.read_register_ulong(context.registers, 8) & 2:
            pass
        return True
'''
PLAIN = '''
import pytest
from miniport.reference import ReferenceMiniport

@pytest.mark.every_fault(ReferenceMiniport, only="NdisMAllocateSharedMemory")
def test_x():
    pass
'''


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project whose pytest finds the plugin as an installed one is found."""
    monkeypatch.setenv("PYTHONPATH", str(HOUSE))
    pytester.makeconftest("")
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    installed = any(point.name == "dmabed" for point in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "dmabed.plugin")
    return project.runpytest_subprocess(*plugin, "-p", "no:cacheprovider", *arguments)


def items(result: pytest.RunResult) -> list[str]:
    """The node ids of a collection."""
    return [line for line in result.outlines if "::" in line]


def test_each_point_effect_and_condition_is_an_item(project: pytest.Pytester) -> None:
    project.makepyfile('''
        import pytest
        from miniport.reference import ReferenceMiniport

        @pytest.mark.every_fault(ReferenceMiniport, kinds="routine", only=["NdisMAllocateSharedMemory", "NdisMMapIoSpace*"],
                                 conditions="placement=low,seed=3")
        def test_x():
            pass
    ''')
    result = run(project, "--collect-only", "-q")
    here = ["no-fault", "NdisMMapIoSpace#1", "NdisMMapIoSpace#1=RESOURCE_CONFLICT", "NdisMMapIoSpace#1=FAILURE",
            "NdisMAllocateSharedMemory#1", "NdisMAllocateSharedMemory#2", "NdisMAllocateSharedMemory#3"]
    found = [re.sub(r".*?\[(.*)\]", r"\1", item) for item in items(result)]
    assert sorted(found) == sorted(one + condition for one in here for condition in ("", "@placement=low", "@seed=3"))


def test_the_reference_miniport_survives_with_and_without_bed(project: pytest.Pytester) -> None:
    project.makepyfile('''
        import pytest
        from miniport.reference import ReferenceMiniport

        SEEN = []

        @pytest.mark.every_fault(ReferenceMiniport, kinds=["routine"], only="NdisM*")
        def test_alone():
            SEEN.append("body")

        @pytest.mark.every_fault(ReferenceMiniport, only=["NdisMMapIoSpace", "frame-in#1=lost"])
        @pytest.mark.parametrize("seed", [1, 5])
        def test_with_a_bed(bed, seed):
            result = bed.run(seed=seed)
            faults = result["world"]["faults"]
            expected = "recovered" if not faults else "degraded" if "frame-in" in faults[0] else "refused"
            assert bed.outcome == expected and result["world"]["seed"] == seed

        def test_the_body_ran():
            assert len(SEEN) > 10
    ''')
    outcomes = run(project).parseoutcomes()
    assert set(outcomes) <= {"passed", "skipped"} and outcomes["passed"] > 20


def test_forgotten_pool_fails_the_item_with_picture_and_replay(project: pytest.Pytester) -> None:
    project.makepyfile(mynic=KEEPS_POOL, test_it='''
        import pytest
        from mynic import KeepsPool

        @pytest.mark.every_fault(KeepsPool, only="NdisMMapIoSpace#1")
        def test_x():
            pass

        @pytest.mark.every_fault(KeepsPool, only="NdisMMapIoSpace#1")
        def test_allowed(bed):
            bed.allow("init-fail-release-all")
            bed.run()

        @pytest.mark.every_fault("mynic.py:KeepsPool", only="NdisMMapIoSpace#1")
        def test_named_by_path():
            pass
    ''')
    result = run(project)
    result.assert_outcomes(failed=6, passed=6)
    result.stdout.fnmatch_lines([
        "*test_x?NdisMMapIoSpace#1?*", "findings: NdisMMapIoSpace#1", "*memory map*", "*init-fail-release-all*", "*mynic.py:7*",
        "*replay*dmabed replay mynic:KeepsPool*--fault 'NdisMMapIoSpace#1'"])


def test_life_that_fails_without_a_fault_is_one_failing_item(project: pytest.Pytester) -> None:
    project.makepyfile(mynic=KEEPS_POOL, test_it='''
        import pytest
        from mynic import Leaks

        @pytest.mark.every_fault(Leaks, kinds="routine")
        def test_x():
            pass
    ''')
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_x?no-fault?*", "*halt-undo-all*"])


@pytest.mark.long
def test_bit_that_never_clears_is_a_hang_that_names_the_register(project: pytest.Pytester) -> None:
    project.makepyfile(mynic=KEEPS_POOL, test_it='''
        import pytest
        from mynic import Polls

        @pytest.mark.every_fault(Polls, only="register-read:STATUS#*=never", nic="reference")
        def test_x():
            pass
    ''')
    result = run(project)
    assert result.parseoutcomes()["failed"] >= 1
    result.stdout.fnmatch_lines(["hang: register-read:STATUS#*=never: polls register STATUS"])


def test_bed_that_is_never_run_is_not_proven(project: pytest.Pytester) -> None:
    project.makepyfile('''
        import pytest

        @pytest.mark.every_fault(only="NdisMAllocateSharedMemory#1")
        def test_x(bed):
            pass
    ''')
    result = run(project)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["not-proven: the test never ran its bed with NdisMAllocateSharedMemory#1"])


@pytest.mark.parametrize(("marker", "line"), [
    ('kinds="rutine"', "*no kind of fault 'rutine'*"),
    ('only="Nope*"', "*only Nope?: no fault point of this life is called so*"),
    ('kind="routine"', "*every_fault has no option 'kind'*"),
    ('conditions="placment"', "*no condition 'placment'*"),
    ('nic="referense"', "*no NIC is called 'referense'*"),
    ('silicon=True', "*leave faults, silicon and stop out*"),
    ('kinds=3', "*kinds=3 is neither text nor a list of text*"),
])
def test_wrong_marker_is_told_at_collection(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, marker: str, line: str) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HOUSE))
    pytester.makepyfile(f'import pytest\n@pytest.mark.every_fault({marker})\ndef test_x(): pass\n')
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([line])


def test_marker_on_a_unittest_case_fails(project: pytest.Pytester) -> None:
    project.makepyfile('''
        import pytest, unittest

        class TestX(unittest.TestCase):
            @pytest.mark.every_fault(only="NdisMMapIoSpace")
            def test_x(self):
                pass
    ''')
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*every_fault marks functions*"])


def test_other_miniport_than_the_marker_names_fails(project: pytest.Pytester) -> None:
    project.makepyfile(mynic=KEEPS_POOL, test_it='''
        import pytest
        from mynic import KeepsPool

        @pytest.mark.every_fault(only="NdisMMapIoSpace#1")
        def test_x(bed):
            bed.run(KeepsPool)
    ''')
    result = run(project)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["*the test runs KeepsPool, and its marker recorded the fault points of ReferenceMiniport*"])


# Sites files and xdist


@pytest.mark.long
def test_collection_is_the_same_with_a_sites_file_without_one_and_under_xdist(project: pytest.Pytester) -> None:
    test = project.makepyfile(test_it=PLAIN)
    bare = items(run(project, "--collect-only", "-q"))
    assert len(bare) == 4
    run(project, "-n", "2").assert_outcomes(passed=4)
    assert not test.with_suffix(".faults.toml").exists()
    run(project, "-n", "2", "--dmabed-update-sites").assert_outcomes(passed=5)
    file = test.with_suffix(".faults.toml")
    assert '["test_x"."no condition"]\n"NdisMAllocateSharedMemory" = 3\n' in file.read_text()
    assert [item for item in items(run(project, "--collect-only", "-q")) if "[sites]" not in item] == bare
    run(project, "-n", "2").assert_outcomes(passed=5)
    assert [path.name for path in file.parent.glob("*.toml*")] == [file.name]


def test_changed_points_are_one_failing_item_that_names_them_and_the_command(project: pytest.Pytester) -> None:
    test = project.makepyfile(test_it=PLAIN.replace('"NdisMAllocateSharedMemory"', '["NdisMAllocateSharedMemory", "NdisMMapIoSpace"]'))
    run(project, "--dmabed-update-sites", "--collect-only")
    file = test.with_suffix(".faults.toml")
    good = file.read_text()
    file.write_text(good.replace('SharedMemory" = 3', 'SharedMemory" = 1').replace('IoSpace" = 1', 'IoSpace" = 2'))
    result = run(project, "-rs")
    result.assert_outcomes(failed=1, passed=5, skipped=3)
    result.stdout.fnmatch_lines([
        "*test_x?sites?*", "*+ NdisMAllocateSharedMemory#2 to #3", "*- NdisMMapIoSpace#2", "*pytest test_it.py --dmabed-update-sites",
        "*the life does not come to NdisMMapIoSpace#2 any more*"])
    run(project, "--dmabed-update-sites", "--collect-only")
    assert file.read_text() == good


def test_test_that_the_sites_file_does_not_hold_fails(project: pytest.Pytester) -> None:
    test = project.makepyfile(test_it=PLAIN)
    test.with_suffix(".faults.toml").write_text("")
    result = run(project)
    result.assert_outcomes(failed=1, passed=4)
    result.stdout.fnmatch_lines(["*does not hold this test*", "*+ NdisMAllocateSharedMemory#1 to #3"])


@pytest.mark.parametrize("text", ["[[", "x = 3", '[x]\ny = 1', '[x.y]\nz = 0', '[x.y]\nz = "1"'])
def test_sites_file_of_another_form_is_told(project: pytest.Pytester, text: str) -> None:
    from dmabed.fault_sites import read_sites
    from verifier.errors import UsageError

    path = project.path / "test_it.faults.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as problem:
        read_sites(path)
    assert "--dmabed-update-sites" in problem.value.remedy


def test_life_that_fails_leaves_the_sites_file_and_fails_every_fault(project: pytest.Pytester) -> None:
    project.makepyfile(mynic=KEEPS_POOL)
    source = '''
        import pytest
        from mynic import {0}

        @pytest.mark.every_fault({0}, only=["NdisMMapIoSpace#1", "NdisMAllocateSharedMemory#1"])
        def test_x():
            pass
    '''
    test = project.makepyfile(test_it=source.format("ReferenceMiniport"))
    run(project, "--dmabed-update-sites", "--collect-only")
    file = test.with_suffix(".faults.toml")
    before = file.read_text()
    test.write_text(test.read_text().replace("import ReferenceMiniport", "import Leaks as ReferenceMiniport"))
    result = run(project, "--dmabed-update-sites")
    result.assert_outcomes(failed=6)
    result.stdout.fnmatch_lines(["*the life without a fault fails: see test_x?no-fault?*"])
    assert file.read_text() == before


# One fault


def test_wrong_fault_point_fails_at_the_line_of_the_test(project: pytest.Pytester) -> None:
    project.makepyfile('''
        def test_name(bed):
            bed.inject("NdisMAllocateSharedMemery#2")
            bed.run()

        def test_effect(bed):
            bed.inject("NdisMAllocateSharedMemory#2", "bogus")

        def test_release(bed):
            bed.inject("NdisMFreeSharedMemory#1")

        def test_count(bed):
            bed.inject("NdisMAllocateSharedMemory#0")
    ''')
    result = run(project)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines([
        '>*bed.inject("NdisMAllocateSharedMemery#2")', "E*is no fault point", "E*did you mean NdisMAllocateSharedMemory*",
        "test_wrong_fault_point_fails_at_the_line_of_the_test.py:2: Failed"])
    result.stdout.no_fnmatch_line("*plugin.py*")


@pytest.mark.parametrize("fault", [
    "NdisMAllocateSharedMemory#2", "register-read:STATUS#1=slow-3", "frame-in#2=bad-crc", "send#1=burst", "preempt#3=interrupt",
    "preempt#3=power-off", "register-access#9=surprise", "indicate#1=late", "dma-write#1=late"])
def test_one_fault_of_every_kind_can_be_injected(project: pytest.Pytester, fault: str) -> None:
    from dmabed.plugin import PytestBed

    bed = PytestBed(None, {})
    bed.inject(fault)
    assert bed.run()["faults"] == {"armed": [fault], "not_fired": []}


def test_fault_that_does_not_fire_is_not_proven(project: pytest.Pytester) -> None:
    project.makepyfile('''
        def test_x(bed):
            bed.inject("NdisMAllocateSharedMemory#999")
            bed.run()
    ''')
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*not-proven*NdisMAllocateSharedMemory#999*"])


def test_second_fault_can_be_injected_besides(project: pytest.Pytester) -> None:
    project.makepyfile('''
        import pytest

        @pytest.mark.every_fault(only="frame-in#1=lost")
        def test_x(bed):
            bed.inject("frame-in#2=bad-crc")
            assert "frame-in#2=bad-crc" in bed.run()["world"]["faults"]
    ''')
    run(project).assert_outcomes(passed=2)


def test_a_marker_that_tries_nothing_is_not_proven_or_refused(project: pytest.Pytester) -> None:
    project.makepyfile('''
        import pytest
        from miniport.reference import ReferenceMiniport

        @pytest.mark.every_fault(ReferenceMiniport, kinds="async")
        def test_kind_that_the_life_has_not():
            pass

        @pytest.mark.every_fault(ReferenceMiniport, kinds="async", conditions="placement=low")
        def test_the_same_with_a_bed(bed):
            bed.run()
    ''')
    result = run(project)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*not-proven: this life has no fault point of kind async*"] * 3)


@pytest.mark.parametrize(("keywords", "says"), [
    ('skip="*"', "skip [*]: this leaves no fault point"), ("kinds=[]", "no kind of fault is named"),
    ('kinds=""', "no kind of fault is named"),
    ('kinds="device", only="NdisMMapIoSpace"', "no fault point of kind device of this life is called so")])
def test_a_marker_whose_names_leave_nothing_is_refused_where_pytest_collects(project: pytest.Pytester, keywords: str, says: str) -> None:
    project.makepyfile(PLAIN.replace('only="NdisMAllocateSharedMemory"', keywords))
    result = run(project)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{says}*"])
