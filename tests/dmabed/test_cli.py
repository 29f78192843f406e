# SPDX-License-Identifier: Apache-2.0
"""The command line on its good days: verdicts, JSON, replay, reports, what a miniport may print and ask for."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

import dmabed
from dmabed.cli import main
from dmabed.commands import run as run_command
from dmabed.options import checked, over
from dmabed.spec import WorldSpec
from hw.capture import read_frames
from hw.limits import PRESETS
from verifier.errors import UsageError

ROOT = Path(dmabed.__file__).resolve().parent.parent
SCHEMAS = ROOT / "dmabed" / "schemas"
CAPTURE = ROOT / "tests" / "data" / "mixed.pcap"

Write = Callable[..., str]


def call(*words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner(env=env).invoke(main, list(words))


def data(*words: str, schema: str = "run") -> dict[str, Any]:
    """The JSON object that a command prints, after it satisfied its schema."""
    result = call(*words, "--json")
    value: dict[str, Any] = json.loads(result.stdout)
    Draft202012Validator(json.loads((SCHEMAS / f"{schema}.schema.json").read_text("utf-8"))).validate(value)
    assert result.stderr == ""
    return value


def shell(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, in the working directory of the test."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run([sys.executable, "-m", "dmabed", *words], capture_output=True, text=True, env=env, check=False, **options)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a miniport derived from the reference miniport, with *body* inside its class, into the working directory."""
    monkeypatch.chdir(tmp_path)

    def writes(body: str, name: str = "mine.py") -> str:
        Path(name).write_text(
            "from miniport.reference import ReferenceMiniport\n\n\nclass Mine(ReferenceMiniport):\n"
            + "".join(f"    {line}\n" for line in body.splitlines()), encoding="utf-8")
        return name

    return writes


LEAK = "def halt(self, adapter):\n    self._quiet(adapter, adapter.context)"


def test_reference_miniport_is_clean_and_exits_with_0() -> None:
    result = call("run", "--frames", "2")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("verdict  clean\n")
    assert "\x1b" not in result.stdout


def test_json_of_a_clean_run_is_one_object_without_a_timeline() -> None:
    run = data("run", "--frames", "6")
    assert (run["verdict"], run["outcome"], run["status"]) == ("clean", "ran", "NDIS_STATUS_SUCCESS")
    assert run["frames"] == {"sent": 6, "received": 6, "lost": 0, "padded": 0}
    assert run["faults"] == {"armed": [], "not_fired": []}
    assert "timeline" not in run


def test_findings_exit_with_1_and_name_the_line(write: Write) -> None:
    name = write(LEAK)
    run = data("run", name)
    assert run["verdict"] == "findings"
    assert "halt-undo-all" in {finding["rule"] for finding in run["findings"]}
    result = call("run", name)
    assert result.exit_code == 1
    assert "halt-undo-all" in result.stdout


def test_refusal_exits_with_1() -> None:
    result = call("replay", "--fault", "NdisMRegisterInterrupt#1", "--json")
    assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (1, "refused")


def test_fault_that_did_not_fire_is_not_proven() -> None:
    result = call("replay", "--fault", "NdisMRegisterInterrupt#999", "--json")
    run = json.loads(result.stdout)
    assert (result.exit_code, run["verdict"]) == (1, "not-proven")
    assert run["faults"]["not_fired"] == ["NdisMRegisterInterrupt#999"]


def test_silicon_is_unchecked_and_exits_with_0(write: Write) -> None:
    run = data("run", write(LEAK), "--silicon")
    assert (run["verdict"], run["findings"]) == ("unchecked", [])
    assert call("run", "--silicon").exit_code == 0


@pytest.mark.parametrize("words, key, value", [
    (("--nic", "reference"), "nic", "reference"),
    (("--limits", "tg3-40"), "address_bits", 40),
    (("--address-bits", "24"), "address_bits", 24),
    (("--address-bits", "64"), "address_bits", 64),
    (("--boundary", "64K"), "boundary", 65536),
    (("--boundary", "0"), "boundary", 0),
    (("--ram", "0x4000000"), "ram", 64 << 20),
    (("--windows", "xp-sp1"), "windows", "xp-sp1"),
    (("--windows", "2000"), "ndis", "5.0"),
    (("--ndis", "5.0"), "ndis", "5.0"),
    (("--placement", "low"), "placement", "low"),
    (("--processors", "1"), "processors", 1),
    (("--bus-offset", "-1M"), "bus_offset", -(1 << 20)),
    (("--frames", "0"), "frames", 0),
    (("--life", "bug-check"), "life", "bug-check"),
    (("--seed", "18446744073709551615"), "seed", 2**64 - 1),
    (("--stop",), "stop", True),
])
def test_option_reaches_the_world(words: tuple[str, ...], key: str, value: object) -> None:
    run = data("run", *(() if "--frames" in words else ("--frames", "1")), *words)
    assert run["world"][key] == value
    assert run["verdict"] == "clean"


@pytest.mark.parametrize("words", [
    (), ("--limits", "pci32-16m"), ("--address-bits", "24"), ("--boundary", "64K", "--ram", "1G"), ("--limits", "reference"),
    ("--seed", "7", "--stop"), ("--silicon",), ("--bus-offset", "-16M"), ("--windows", "2000", "--life", "power-off"),
    ("--fault", "NdisMAllocateSharedMemory#2"), ("--fault", "NdisMRegisterInterrupt#1", "--fault", "register-read:STATUS#9=all-ones"),
])
def test_replay_line_and_replay_file_give_the_same_bytes(words: tuple[str, ...], tmp_path: Path) -> None:
    first = call("replay", "--frames", "2", *words, "--json")
    line = shlex.split(json.loads(first.stdout)["replay"])
    assert line[:2] == ["dmabed", "replay"]
    again = call(*line[1:], "--json")
    assert (again.stdout, again.exit_code) == (first.stdout, first.exit_code)
    file = tmp_path / "result.json"
    file.write_text(first.stdout, encoding="utf-8")
    assert call("replay", str(file), "--json").stdout == first.stdout


def test_replay_line_overrides_what_the_class_asks_for(write: Write) -> None:
    name = write('machine = dict(address_bits=24, bus_offset="16M", ram="64M", seed=5, pcap="none.pcap", windows="xp")')
    first = call("run", name, "--address-bits", "26", "--bus-offset", "0", "--ram", "256M", "--frames", "1", "--json")
    run = json.loads(first.stdout)
    assert [run["world"][key] for key in ("limits", "bus_offset", "ram", "seed", "windows")] == ["reference", 0, 256 << 20, 5, "xp"]
    assert call(*shlex.split(run["replay"])[1:], "--json").stdout == first.stdout


def test_findings_replay_with_the_same_bytes(write: Write, tmp_path: Path) -> None:
    first = call("run", write(LEAK), "--json")
    assert call(*shlex.split(json.loads(first.stdout)["findings"][0]["replay"])[1:], "--json").stdout == first.stdout


def test_replay_takes_a_spec_as_plain_data(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text('{"seed": 3, "ram": "64M", "frames": 1, "limits": null}', encoding="utf-8")
    world = data("replay", str(spec))["world"]
    assert (world["seed"], world["ram"], world["frames"]) == (3, 64 << 20, 1)
    assert data("replay", str(spec), "--seed", "4")["world"]["seed"] == 4, "the line wins over the file"


def test_map_of_ranges_replays() -> None:
    first = call("replay", '{"ram_ranges": [[0, 16777216], [67108864, 16777216]], "frames": 1}', "--json")
    run = json.loads(first.stdout)
    assert run["world"]["ram_ranges"] == [[0, 1 << 24], [1 << 26, 1 << 24]]
    assert call(*shlex.split(run["replay"])[1:], "--json").stdout == first.stdout
    assert "ram_ranges" not in data("replay", '{"ram_ranges": [[0, 16777216]]}', "--ram", "64M")["world"]


@pytest.mark.parametrize("spec", [WorldSpec(), WorldSpec(
    miniport="mine.py", nic="other", address_bits=24, boundary=1 << 20, ram=64 << 20, ram_ranges=((0, 1 << 24),), nodes=2,
    aged="fragments", windows="xp", ndis="5.0", placement="low", processors=1, adapters=2, bus_offset=4096, frames=3,
    pcap="x.pcap", life="surprise", seed=7, faults=("dma-read#1",), silicon=True)])
def test_plain_data_of_a_spec_is_understood_field_by_field(spec: WorldSpec) -> None:
    given = json.loads(json.dumps(spec.as_dict()))
    assert replace(WorldSpec(), **checked(given)) == spec
    for name in given:
        with pytest.raises(UsageError):
            checked({name: {"no": "value"}})


def test_edited_limits_of_a_result_are_obeyed(tmp_path: Path) -> None:
    run = data("run", "--frames", "1")
    run["world"]["address_bits"] = 24
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(run), encoding="utf-8")
    assert data("replay", str(file))["limits"]["address_bits"] == 24


def test_prints_of_a_miniport_go_to_the_log_and_not_to_stdout(write: Write) -> None:
    name = write("def shutdown(self, adapter):\n    import sys\n    print('going', 'down')\n    sys.stdout.buffer.write(b'raw')\n"
                 "    super().shutdown(adapter)")
    assert data("run", name, "--life", "power-off")["log"] == ["going down", "raw"]
    assert "going down" in call("run", name, "--life", "power-off").stdout.partition("log ")[2]


def test_prints_of_an_import_belong_to_no_world(write: Write) -> None:
    name = write("print('imported')\n" + LEAK)
    result = call("run", name, "--json")
    assert (json.loads(result.stdout)["log"], result.stderr) == ([], "imported\n")


def test_printing_without_end_keeps_a_bounded_log(write: Write) -> None:
    log = data("run", write("def halt(self, adapter):\n    print('x' * 99 + '\\n' * 2, end='' * 3)\n    for n in range(9999):\n"
                            "        print('line', n)\n    super().halt(adapter)"))["log"]
    assert "more was printed" in log[-1]
    assert len("\n".join(log)) < 70_000


def test_class_says_which_machine_it_needs_and_the_line_wins(write: Write) -> None:
    name = write('machine = dict(limits="lance-isa", ram="64M", windows="xp", seed=9, frames=1)')
    world = data("run", name)["world"]
    assert [world[key] for key in ("limits", "ram", "windows", "seed", "frames")] == ["lance-isa", 64 << 20, "xp", 9, 1]
    world = data("run", name, "--address-bits", "30", "--seed", "2")["world"]
    assert [world[key] for key in ("limits", "address_bits", "ram", "seed")] == ["custom", 30, 64 << 20, 2]


@pytest.mark.parametrize("below, above, result", [
    ({"limits": "b44"}, {"address_bits": 24}, {"limits": None, "address_bits": 24}),
    ({"address_bits": 24, "boundary": 16}, {"address_bits": 26}, {"address_bits": 26, "boundary": 16}),
    ({"address_bits": 24, "boundary": 16}, {"limits": "b44"}, {"address_bits": None, "boundary": None, "limits": "b44"}),
    ({"pcap": "x"}, {"frames": 3}, {"pcap": None, "frames": 3}),
    ({"stop": True}, {"silicon": True}, {"stop": False, "silicon": True}),
    ({"nic": "reference", "limits": "b44"}, {"nic": "other"}, {"nic": "other", "limits": None}),
    ({"nic": "other", "limits": "b44"}, {"seed": 3}, {"nic": "other", "limits": "b44", "seed": 3}),
    ({"limits": "b44"}, {"limits": None, "seed": 1}, {"limits": None, "seed": 1}),
])
def test_later_layer_replaces_what_it_excludes(below: dict[str, Any], above: dict[str, Any], result: dict[str, Any]) -> None:
    assert over(below, above) == result


def test_pcap_beside_the_miniport_is_found_from_another_folder(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write('machine = dict(pcap="some.pcap")')
    (tmp_path / "some.pcap").write_bytes(CAPTURE.read_bytes())
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    run = data("run", "../mine.py")
    assert run["frames"]["sent"] == len(read_frames(CAPTURE))
    assert run["world"]["pcap"] == str(Path("..", "some.pcap"))


def test_no_absolute_path_reaches_the_output(write: Write, tmp_path: Path) -> None:
    path = tmp_path / write(LEAK)
    first = call("run", f"{path}:Mine", "--pcap", str(CAPTURE), "--json")
    assert str(tmp_path) not in first.stdout
    assert call(*shlex.split(json.loads(first.stdout)["replay"])[1:], "--json").stdout == first.stdout


def test_capture_holds_each_frame_out_and_in(tmp_path: Path) -> None:
    file = tmp_path / "wire.pcapng"
    result = call("run", "--frames", "3", "--capture", str(file))
    assert result.exit_code == 0
    assert "wire.pcapng" in result.stdout
    frames = read_frames(file)
    assert [len(frame) for frame in frames[:2]] == [60, 60] or len(frames) >= 6


@pytest.mark.parametrize("command", ["run", "replay"])
def test_trace_is_written_and_said(command: str, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    result = call(command, "--frames", "2", "--trace", str(file))
    assert result.exit_code == 0
    assert f"trace    {file}" in result.stdout
    names = {event["name"] for event in json.loads(file.read_text("utf-8"))["traceEvents"]}
    assert {"initialize", "halt", "NdisMAllocateSharedMemory", "life: halt"} <= names


def test_trace_of_a_run_with_findings_shows_them(write: Write, tmp_path: Path) -> None:
    run = data("run", write(LEAK), "--trace", "trace.json")
    events = json.loads(Path("trace.json").read_text("utf-8"))["traceEvents"]
    assert {f["rule"] for f in run["findings"]} <= {event["name"] for event in events if event.get("cat") == "finding"}


def test_report_is_written_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    result = call("run", "--report", str(folder))
    assert result.exit_code == 0
    assert f"report   {folder / 'index.html'}" in result.stdout
    page = (folder / "index.html").read_text("utf-8")
    assert "clean" in page and "initialize begins" in page
    assert data("run", "--report", str(folder))["verdict"] == "clean"


def test_nics_lists_each_model() -> None:
    value = data("nics", schema="nics")
    assert [nic["name"] for nic in value["nics"]][:1] == ["reference"]
    assert value["nics"][0]["limits"]["address_bits"] == 26
    result = call("nics")
    assert (result.exit_code, ["reference", "pci"] in [line.split()[:2] for line in result.stdout.splitlines()]) == (0, True)
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_map_shows_where_memory_lies() -> None:
    value = data("map", "--ram", "64M", schema="map")
    assert (value["reach_last"], value["boundary"]) == ((1 << 26) - 1, 16 << 20)
    assert any(block["kind"] == "shared" and block["state"] == "live" for block in value["blocks"])
    result = call("map", "--frames", "5")
    assert (result.exit_code, "the NIC reaches no further" in result.stdout) == (0, True)
    assert result.stdout.endswith("verdict  clean\n")


def test_map_of_a_refusal_is_printed_and_exits_with_1(write: Write) -> None:
    name = write("def initialize(self, adapter):\n    return 0xC000009A")
    result = call("map", name)
    assert result.exit_code == 1
    assert "0x00000000" in result.stdout and "dmabed run" in result.stdout
    assert call("map", name, "--json").exit_code == 1


def test_help_teaches_and_version_is_one_line() -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert "no Windows, no virtual machine" in " ".join(result.stdout.split())
    for command in ("run", "replay", "nics", "map", "new"):
        assert f"  {command} " in result.stdout
        assert call(command, "--help").exit_code == 0
    assert call("--version").stdout == f"dmabed {dmabed.__version__}\n"


def test_shell_completion_knows_names() -> None:
    env = {"_DMABED_COMPLETE": "bash_complete", "COMP_WORDS": "dmabed run --limits l", "COMP_CWORD": "3"}
    assert call(env=env).stdout.split(",")[-1].strip() in PRESETS


def test_module_runs_as_the_command_does(tmp_path: Path) -> None:
    result = shell("run", "--frames", "1", "--json", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == call("run", "--frames", "1", "--json").stdout


def test_plain_run_imports_no_heavy_library(tmp_path: Path) -> None:
    code = ("import sys; from dmabed.cli import main; main(['run', '--frames', '1'], standalone_mode=False); "
            "print(sorted({m.partition('.')[0] for m in sys.modules} & "
            "{'rich', 'jinja2', 'construct', 'elftools', 'cffi', 'pytest', 'ctypes', 'asyncio'}))")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
                            env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_help_imports_nothing_of_the_bed(tmp_path: Path) -> None:
    code = ("import sys; from dmabed.cli import main; main(['run', '--help'], standalone_mode=False); "
            "print(sorted({m.partition('.')[0] for m in sys.modules} & {'hw', 'miniport', 'allocator', 'verifier'}))")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
                            env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminal of this kind")
@pytest.mark.parametrize("env, coloured", [
    ({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_only_on_a_terminal_that_wants_it(env: dict[str, str], coloured: bool, tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    plain = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen([sys.executable, "-m", "dmabed", "run", "--frames", "0"], stdout=theirs, cwd=tmp_path,
                               env={**plain, "PYTHONPATH": str(ROOT), **env})
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait() == 0
    assert (b"\x1b[" in shown) is coloured


def test_hash_order_and_folder_do_not_change_a_byte(tmp_path: Path) -> None:
    runs = {shell("run", "--json", "--seed", "5", cwd=tmp_path, env={"PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")}
    assert len(runs) == 1


def test_answer_of_a_run_does_not_depend_on_how_often_it_ran() -> None:
    assert run_command({"frames": "1"}).data == run_command({"frames": "1"}).data
