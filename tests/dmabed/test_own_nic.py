# SPDX-License-Identifier: Apache-2.0
"""Models of cards that are none of the bed's: found by file, by module and by entry point, and never taken for the miniport."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dmabed import campaign
from dmabed.bed import Bed
from dmabed.campaign import Plan, Selection
from dmabed.cli import main
from dmabed.load import NIC_GROUP, find_miniport, find_nic, offered_nics
from hw.nic import MODELS
from verifier.errors import UsageError

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nic"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a copy of the example."""
    for file in EXAMPLE.glob("*.py"):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def change(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["run", *words, "--json"])


@pytest.mark.parametrize("name", ["minnow.py", "minnow.py:Minnow", "./minnow.py", "minnow:Minnow"])
def test_a_model_is_found_by_file_and_by_module(folder: Path, name: str) -> None:
    result = run("--nic", name)
    found = json.loads(result.stdout)
    assert (result.exit_code, found["verdict"], found["frames"]["received"]) == (0, "clean", 8)
    assert found["limits"]["name"] == "minnow"
    assert "minnow_miniport.py" in found["allocations"][0]["where"]


def test_a_path_from_the_root_is_spelt_without_it_in_the_result(folder: Path) -> None:
    found = json.loads(run("--nic", str(folder / "minnow.py")).stdout)
    assert found["world"]["nic"] == "minnow.py"
    assert str(folder) not in json.dumps(found)


def test_a_model_that_a_package_offers_is_listed_and_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(folder, "minnow.py", '"minnow_miniport.py"', '"minnow_miniport:MinnowMiniport"')
    points = EntryPoints([EntryPoint("little", "minnow:Minnow", NIC_GROUP)])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points if group == NIC_GROUP else EntryPoints([]))
    assert [*offered_nics()] == ["little"]
    listed = json.loads(CliRunner().invoke(main, ["nics", "--json"]).stdout)["nics"]
    assert [nic["name"] for nic in listed] == [*MODELS, "little"]
    assert json.loads(run("--nic", "little").stdout)["verdict"] == "clean"
    result = run("--nic", "litle")
    assert result.exit_code == 2
    assert "did you mean little?" in json.loads(result.stdout)["error"]["remedy"]


@pytest.mark.parametrize("name, message", [
    ("nowhere.py", "there is no file nowhere.py"),
    ("minnow.py:Missing", "no subclass of Nic is called 'Missing'"),
    ("minnow_miniport.py", "minnow_miniport.py holds no subclass of Nic"),
    ("nowhere:Minnow", "there is no module 'nowhere'"),
    ("minnow", "no NIC is called 'minnow'"),
    ("half.py", "half.py: Half lacks description, registers, default_limits, vendor_id, device_id, live_pointers"),
    ("both.py", "both.py holds a miniport, too"),
    ("broken.py", "broken.py cannot be imported: SyntaxError"),
])
def test_what_is_no_model_is_refused(folder: Path, name: str, message: str) -> None:
    (folder / "half.py").write_text("from hw.nic import Nic\n\n\nclass Half(Nic):\n    model = 'half'\n", encoding="utf-8")
    (folder / "broken.py").write_text("class (\n", encoding="utf-8")
    (folder / "both.py").write_text("".join(file.read_text(encoding="utf-8") for file in sorted(EXAMPLE.glob("*.py"))), encoding="utf-8")
    result = run("--nic", name)
    error = json.loads(result.stdout)["error"]
    assert result.exit_code == 2
    assert error["kind"] == "usage"
    assert message in error["message"]
    assert error["remedy"]


def test_a_model_without_a_miniport_asks_for_one(folder: Path) -> None:
    change(folder, "minnow.py", '    miniport = "minnow_miniport.py"\n', "")
    error = json.loads(run("--nic", "minnow.py").stdout)["error"]
    assert "no reference miniport of NIC 'minnow.py'" in error["message"]
    assert json.loads(run("minnow_miniport.py", "--nic", "minnow.py").stdout)["verdict"] == "clean"


@pytest.mark.parametrize("old, new, where", [
    ("self.tx.ring()\n", "self.values[99]\n", "Minnow.on_write_KICK"),  # raised below a line of the miniport
    ("self.sending = False\n        entry", "self.sending = 1 // 0\n        entry", "Minnow.send"),  # raised while the card runs alone
    ("return STATUS.LINK.put(self.wire.up)", "raise ValueError('no link')", "Minnow.on_read_STATUS"),
])
def test_a_model_that_raises_is_told_from_a_miniport_that_does(folder: Path, old: str, new: str, where: str) -> None:
    change(folder, "minnow.py", old, new)
    result = run("--nic", "minnow.py", "--life", "suspend" if "STATUS" in where else "halt")
    if "STATUS" in where:
        with pytest.raises(UsageError, match="ValueError: no link"):
            Bed(nic="minnow.py", faults=("frame-in#1=link-flap",)).run()
        return
    error = json.loads(result.stdout)["error"]
    assert result.exit_code == 2
    assert where in error["message"]
    assert "minnow.py:" in error["message"]


def test_a_finding_names_the_line_of_the_miniport_and_not_of_the_model(folder: Path) -> None:
    change(folder, "minnow_miniport.py", "        context.block.write_ulong(descriptor + 4, length | OWN)",
           "        context.block.write_ulong(descriptor + 4, length | OWN)\n"
           "        context.block.write_ulong(descriptor + 4, length + 1 | OWN)")
    findings = json.loads(run("--nic", "minnow.py").stdout)["findings"]
    assert findings[0]["rule"] == "desc-own-last"
    assert findings[0]["where"].startswith("minnow_miniport.py:")
    assert not any(finding["where"].startswith("minnow.py") for finding in findings)


@pytest.mark.parametrize("limit, rule", [("boundary=0x10000", ""), ("boundary=0x400", "dma-boundary")])
def test_the_limits_of_the_model_bite(folder: Path, limit: str, rule: str) -> None:
    change(folder, "minnow.py", "boundary=0x10000", limit)
    findings = json.loads(run("--nic", "minnow.py", "--placement", "low").stdout)["findings"]
    assert [finding["rule"] for finding in findings][:1] == [rule][:bool(rule)]


def test_limits_can_be_set_where_the_model_says_so(folder: Path) -> None:
    assert run("--nic", "minnow.py", "--address-bits", "24").exit_code == 2
    change(folder, "minnow.py", "    registers = Registers", "    limits_settable = True\n    registers = Registers")
    assert json.loads(run("--nic", "minnow.py", "--address-bits", "24").stdout)["limits"]["address_bits"] == 24


def test_a_fault_that_the_model_lacks_is_refused_and_one_that_it_has_fires(folder: Path) -> None:
    with pytest.raises(UsageError, match="frame-out"):
        Bed(nic="minnow.py").inject("frame-out#1")
    with pytest.raises(UsageError, match="NIC 'minnow' has no register 'RX_TAIL'"):
        Bed(nic="minnow.py").inject("register-read:RX_TAIL#1")
    change(folder, "minnow.py", "    registers = Registers",
           '    faults = {**Nic.faults, "frame-out": (Effect("never", "device", False, "the frame is not sent"),)}\n'
           "    registers = Registers")
    change(folder, "minnow.py", "        address, length = Entry",
           '        if self.fault("frame-out") == "never":\n            return\n        address, length = Entry')
    change(folder, "minnow.py", "from hw.limits import DmaLimits", "from hw.inject import Effect\nfrom hw.limits import DmaLimits")
    bed = Bed(nic="minnow.py")
    bed.inject("frame-out#1")
    assert bed.run()["faults"]["not_fired"] == []


def test_a_campaign_of_the_example_in_processes_is_that_of_one_process(folder: Path) -> None:
    plan = Plan(Bed(nic="minnow.py", frames=2).spec, Selection(("routine",)))
    one, two = campaign.run(plan, workers=1), campaign.run(plan, workers=2)
    assert [(r.case.id, r.outcome) for r in one.records] == [(r.case.id, r.outcome) for r in two.records]
    assert {r.outcome for r in one.records} <= {"recovered", "degraded", "refused"}


def test_a_worker_finds_the_model_at_another_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dmabed.campaign.remote import Source, _laid_out
    from dmabed.campaign.worker import Job
    from dmabed.load import _elsewhere, lies_at

    spec = Bed(nic="minnow.py").spec
    miniport, _ = find_miniport(None, "minnow.py")
    source = Source.of(Job(spec, Selection()), miniport)
    here = _laid_out(source)
    monkeypatch.chdir(here)
    monkeypatch.setattr("dmabed.load._elsewhere", dict(_elsewhere))
    with pytest.raises(UsageError):
        find_nic("minnow.py")
    lies_at("minnow.py", "../nic/minnow.py")
    assert find_nic("minnow.py").model == "minnow"
    assert find_miniport(None, "minnow.py")[1] == here.parent / "nic"
