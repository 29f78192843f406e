# SPDX-License-Identifier: Apache-2.0
"""The command line on its bad days: exit codes, one clear message, one JSON object, nothing lost, no false pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import dmabed
from dmabed import commands
from dmabed.bed import Bed
from dmabed.cli import main
from dmabed.watchdog import TimeIsUp, Watchdog
from miniport.reference import ReferenceMiniport
from verifier.errors import BedError, NotModelledError

ROOT = Path(dmabed.__file__).resolve().parent.parent
ERROR = Draft202012Validator(json.loads((ROOT / "dmabed" / "schemas" / "error.schema.json").read_text("utf-8")))
RUN = Draft202012Validator(json.loads((ROOT / "dmabed" / "schemas" / "run.schema.json").read_text("utf-8")))

Write = Callable[..., str]


def fails(*words: str, code: int = 2) -> tuple[str, str]:
    """Message and remedy of a line that fails with *code*: the same as two lines on stderr and as the one JSON object."""
    plain = CliRunner().invoke(main, list(words))
    assert (plain.exit_code, plain.stdout) == (code, "")
    lines = plain.stderr.splitlines()
    assert lines[0].startswith("error: ") and lines[1].startswith("remedy: ") and len(lines) == 2
    with_json = CliRunner().invoke(main, [*words, "--json"])
    value = json.loads(with_json.stdout)
    ERROR.validate(value)
    assert (with_json.exit_code, with_json.stderr) == (code, "")
    message = lines[0].removeprefix("error: ")
    assert value["error"]["message"] == message
    return message, lines[1].removeprefix("remedy: ")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file into the working directory, for a miniport with *body* inside its class."""
    monkeypatch.chdir(tmp_path)

    def writes(body: str, name: str = "mine.py", head: str = "") -> str:
        Path(name).write_text(
            "import sys\nfrom miniport.reference import ReferenceMiniport\n" + head + "\n\nclass Mine(ReferenceMiniport):\n"
            + "".join(f"    {line}\n" for line in body.splitlines()), encoding="utf-8")
        return name

    return writes


@pytest.mark.parametrize("words, part", [
    (("--nic", "refrence"), "no NIC is called 'refrence'"),
    (("--nic", ""), "--nic: ''"),
    (("--limits", "b45"), "no limits are called 'b45'"),
    (("--limits", "i8237"), "slave DMA"),
    (("--limits", "b44", "--boundary", "16M"), "exclude each other"),
    (("--address-bits", "0"), "0 address bits"),
    (("--address-bits", "65"), "65 address bits"),
    (("--address-bits", "x"), "--address-bits: 'x'"),
    (("--boundary", "3"), "0x3 is no power of two"),
    (("--boundary", "8"), "below 16 bytes"),
    (("--boundary", "16777216T"), "64-bit"),
    (("--boundary", "-16"), "--boundary is below 0"),
    (("--ram", "99999999999T"), "bytes of RAM is not modelled"),
    (("--ram", "1M"), "0x100000 bytes of RAM"),
    (("--ram", "2097153"), "no whole number of pages"),
    (("--ram", "lots"), "--ram: 'lots' is no size"),
    (("--windows", "8"), "runs no NDIS 5 miniport"),
    (("--windows", "2002"), "no Windows version"),
    (("--ndis", "6.0"), "NDIS 6.0 is not modelled"),
    (("--ndis", "five"), "'five' is no NDIS version"),
    (("--windows", "2000", "--ndis", "5.1"), "up to NDIS 5.0"),
    (("--placement", "lucky"), "no placement"),
    (("--processors", "0"), "0 processors"),
    (("--processors", "9"), "9 processors"),
    (("--bus-offset", "4095"), "bus offset"),
    (("--bus-offset", "4T4"), "'4T4' is no size"),
    (("--frames", "-1"), "-1 frames"),
    (("--frames", "1" + "0" * 30), "frames are not modelled"),
    (("--frames", "10**30"), "--frames: '10**30'"),
    (("--frames", "1", "--pcap", "x.pcap"), "exclude each other"),
    (("--pcap", "none.pcap"), "does not exist"),
    (("--life", "long"), "no life is called 'long'"),
    (("--seed", "-1"), "seed -1"),
    (("--seed", "18446744073709551616"), "64-bit"),
    (("--seed", "1.5"), "--seed: '1.5'"),
    (("--silicon", "--stop"), "exclude each other"),
    (("--report", ""), "empty name"),
    (("--capture", "none/wire.pcapng"), "there is no folder none"),
    (("--tracing", "x"), "no such option --tracing"),
    (("--deny", "x"), "--deny: there is no rule 'x'"),
    (("--fault", "x"), "no such option --fault"),
    (("--frames",), "requires an argument"),
    (("a.py", "b.py"), "unexpected extra argument"),
    (("none.py",), "there is no file none.py"),
    (("no_such_module:Mine",), "there is no module"),
    (("driver.c",), "no Python miniport"),
    (("miniport.miniport:Miniprt",), "no subclass of Miniport is called"),
])
def test_wrong_line_exits_with_2_and_a_remedy(words: tuple[str, ...], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # A --json that follows an option without its argument would become the argument.
    if words == ("--frames",):
        assert "requires an argument" in CliRunner().invoke(main, ["run", "--json", *words]).stdout
        return
    message, remedy = fails("run", *words)
    assert part in message
    assert remedy


@pytest.mark.parametrize("words, part, hint", [
    (("rnu",), "no command 'rnu'", "did you mean run?"),
    (("--josn", "run"), "no such option --josn", "behind the command"),
    (("run", "--procesors", "1"), "no such option --procesors", "did you mean --processors?"),
    (("nics", "--nic", "reference"), "no such option --nic", "dmabed nics --help"),
    (("map", "--report", "x"), "no such option --report", "dmabed map --help"),
    (("replay", "--fault", "NdisMAllocateSharedMemry#1"), "is no fault point", "did you mean NdisMAllocateSharedMemory?"),
    (("replay", "--fault", "NdisMFreeSharedMemory#1"), "never fails", "choose"),
    (("replay", "none.json"), "none.json cannot be read", "--json"),
    (("run", "--fault", "frame-out#1"), "no such option --fault", "dmabed replay MINIPORT --fault"),
    (("faults", "--resume", __file__), "is no folder", "name a folder"),
])
def test_misspelling_is_named_with_a_hint(words: tuple[str, ...], part: str, hint: str) -> None:
    message, remedy = fails(*words)
    assert part in message
    assert hint in remedy


def test_option_without_its_argument_names_the_help_of_its_command() -> None:
    assert "remedy: dmabed faults --help" in CliRunner().invoke(main, ["faults", "--only"]).stderr


@pytest.mark.parametrize("name, text, part, hint", [
    ("none.py", "x = 1", "holds no subclass of Miniport", "write one into it: class Mine(Miniport)"),
    ("other.py", "from miniport.reference import ReferenceMiniport", "holds no subclass of Miniport", "other.py:ReferenceMiniport"),
    ("zero.py", "\0", "cannot be imported: SyntaxError: source code string cannot contain null bytes", "mend the file"),
])
def test_file_without_a_miniport_says_what_it_lacks(
        name: str, text: str, part: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text, encoding="utf-8")
    message, remedy = fails("run", name)
    assert message.endswith(part) and hint in remedy


def test_miniport_in_a_folder_that_may_not_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", denied)
    assert fails("run", "kept/mine.py") == ("kept/mine.py cannot be read: Permission denied", "check the permissions of its folder")


def test_help_fits_80_columns() -> None:
    shown = [CliRunner().invoke(main, [*words, "--help"], terminal_width=80).stdout
             for words in ([], *([name] for name in main.commands))]
    assert max(len(line) for page in shown for line in page.splitlines()) <= 80


def test_no_command_shows_the_help_and_is_an_error() -> None:
    result = CliRunner().invoke(main, [])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: dmabed" in result.stderr
    ERROR.validate(json.loads(CliRunner().invoke(main, ["--json"]).stdout))


@pytest.mark.parametrize("text, part", [
    ("", "is no JSON"), ("{", "is no JSON"), ("[1]", "holds no JSON object"), ('{"rma": 1}', "no option 'rma'"),
    ('{"ram": [1]}', "--ram: [1]"), ('{"frames": true}', "--frames: True"), ('{"seed": 1.5}', "--seed: 1.5"),
    ('{"silicon": "yes"}', "--silicon: 'yes'"), ('{"faults": "x#1"}', "faults: 'x#1'"), ('{"ram_ranges": [[1, 2]]}', "ram_ranges"),
    ('{"ram_ranges": [[0, 4096], [0, 4096]]}', "ram_ranges"), ('{"nic": null}', "--nic: None"),
    ('{"verdict": "error", "error": {}}', "no world"), ('{"world": {"incoherent": 1}}', "incoherent"),
    ('{"frames": 10000001}', "frames are not modelled"), ("[" * 100_000, "is no JSON"),
])
def test_file_that_holds_no_world_is_refused(text: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spec.json").write_text(text, encoding="utf-8")
    assert part in fails("replay", "spec.json")[0]


def test_file_that_is_not_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("result").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in fails("replay", "result")[0]


@pytest.mark.parametrize("machine, part", [
    ("dict(rma='64M')", "Mine.machine: there is no option 'rma'"), ("dict(ram=64.5)", "--ram: 64.5"), ("dict(frames='x')", "--frames: 'x'"),
    ("dict(stop=True)", "no option 'stop'"), ("['ram']", "not a dict"), ("dict(frames=1, pcap='x')", "exclude each other"),
    ("dict(limits='b44', address_bits=3)", "exclude each other"), ("dict(nic='none')", "no NIC is called"),
    ("dict(address_bits=True)", "--address-bits: True"),
])
def test_machine_that_cannot_be_is_refused_and_named(write: Write, machine: str, part: str) -> None:
    message, remedy = fails("run", write(f"machine = {machine}"))
    assert part in message
    assert remedy


@pytest.mark.parametrize("head, part", [
    ("1 / 0", "ZeroDivisionError"), ("def", "SyntaxError"), ("import no_such_thing", "ModuleNotFoundError"),
    ("sys.exit(0)", "ends the program"),
])
def test_miniport_that_cannot_be_imported_exits_with_2(write: Write, head: str, part: str) -> None:
    assert part in fails("run", write("pass", head=head))[0]


def test_handler_that_cannot_be_called_is_named_by_its_own_line() -> None:
    class Short(ReferenceMiniport):
        def initialize(self) -> int:  # type: ignore[override]
            return 0

    finding = Bed(Short, frames=0).run()["findings"][0]
    assert finding["rule"] == "miniport-exception" and "test_cli_errors.py" in finding["where"]


def test_miniport_that_cannot_be_made_exits_with_2(write: Write) -> None:
    assert "raised SystemExit" in fails("run", write("def __init__(self):\n    sys.exit(0)"))[0]


@pytest.mark.parametrize("statement", ["sys.exit(0)", "raise SystemExit", "raise GeneratorExit", "1 / 0"])
def test_handler_that_leaves_is_a_crash_and_no_clean_exit(write: Write, statement: str) -> None:
    result = CliRunner().invoke(main, ["run", write(f"def halt(self, adapter):\n    {statement}"), "--json"])
    run = json.loads(result.stdout)
    assert (result.exit_code, run["outcome"], run["findings"][0]["rule"]) == (1, "crash", "miniport-exception")


def test_interrupt_from_the_keyboard_exits_with_130_in_one_line(write: Write) -> None:
    name = write("def halt(self, adapter):\n    raise KeyboardInterrupt")
    result = CliRunner().invoke(main, ["run", name])
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")
    result = CliRunner().invoke(main, ["run", name, "--json"])
    value = json.loads(result.stdout)
    ERROR.validate(value)
    assert (result.exit_code, value["error"]["kind"]) == (130, "interrupted")


@pytest.mark.parametrize("problem, message, kind", [
    (RuntimeError("out of\ncheese"), "the bed failed: RuntimeError: out of cheese", "bed"),
    (BedError("no cheese", "buy some"), "the bed failed: no cheese", "bed"),
    (NotModelledError("register CHEESE is not modelled", "see docs/add-a-nic.md"), "register CHEESE is not modelled", "not-modelled"),
])
def test_failure_of_the_bed_exits_with_3_and_one_line(
        problem: Exception, message: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise problem

    monkeypatch.setattr(commands, "run_world", broken)
    monkeypatch.delenv("DMABED_DEBUG", raising=False)
    said, remedy = fails("run", code=3)
    assert said == message
    assert remedy == (getattr(problem, "remedy", "") or remedy)
    value = json.loads(CliRunner().invoke(main, ["run", "--json"]).stdout)
    assert value["error"]["kind"] == kind
    assert "Traceback" in CliRunner(env={"DMABED_DEBUG": "1"}).invoke(main, ["run"]).stderr


@pytest.mark.parametrize("option, name", [
    ("--capture", "none/x.pcapng"), ("--capture", "folder"), ("--trace", "none/x.json"), ("--trace", "folder"),
    ("--report", "file"), ("--report", "file/below"), ("--report", "taken"),
])
def test_place_that_cannot_be_written_is_refused_before_the_world_runs(
        option: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine", encoding="utf-8")
    Path("folder").mkdir()
    Path("taken/index.html").mkdir(parents=True)
    monkeypatch.setattr(commands, "run_world", lambda *_, **__: pytest.fail("the world ran"))
    assert option in fails("run", option, name)[0]
    assert Path("file").read_text("utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "taken"]


def test_capture_that_exists_survives_a_run_that_fails(tmp_path: Path) -> None:
    file = tmp_path / "wire.pcapng"
    file.write_bytes(b"precious")
    fails("run", "--capture", str(file), "--nic", "none")
    assert file.read_bytes() == b"precious"


def test_message_holds_nothing_that_a_terminal_obeys() -> None:
    assert "\x1b" not in "".join(fails("run", "--nic", "\x1b[31mred"))


def python(*words: str, cwd: Path, path: str = "", stdout: Any = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (path, str(ROOT))))}
    return subprocess.run([sys.executable, "-m", "dmabed", *words], stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=cwd, env=env,
                          check=False)


@pytest.mark.parametrize("name", ["hw", "verifier"])
def test_folder_that_shadows_a_package_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("", encoding="utf-8")
    result = python("run", cwd=tmp_path, path=str(tmp_path))
    assert (result.returncode, result.stdout) == (3, "")
    assert f"the package '{name}' of dmabed is shadowed" in result.stderr
    assert "rename your" in result.stderr and "Traceback" not in result.stderr
    ERROR.validate(json.loads(python("run", "--json", cwd=tmp_path, path=str(tmp_path)).stdout))


@pytest.mark.skipif(os.name == "nt", reason="pipes close in another way on Windows")
@pytest.mark.parametrize("words, code", [(("run",), 0), (("run", "--json", "--nic", "none"), 2)])
def test_closed_pipe_makes_no_traceback_and_keeps_the_exit_code(words: tuple[str, ...], code: int, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = python(*words, cwd=tmp_path, stdout=writer)
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (code, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_output_that_cannot_be_written_is_no_pass(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = python("run", "--json", cwd=tmp_path, stdout=full)
    assert result.returncode == 3
    assert "cannot be written to stdout" in result.stderr and "Traceback" not in result.stderr


LOOP = "def handle_interrupt(self, adapter):\n    print('looping')\n    while True:\n        pass"
STUBBORN = """\
def initialize(self, adapter):
    while True:
        try:
            while True:
                self.overrides('halt')
        except BaseException:
            pass"""


def test_endless_loop_is_ended_at_the_handlers_line(write: Write) -> None:
    answer = commands.run({"miniport": write(LOOP)}, seconds=0.2)
    RUN.validate(answer.data)
    finding = answer.data["findings"][0]
    assert (answer.code, answer.data["outcome"], finding["rule"], finding["where"]) == (1, "hang", "time-limit", "mine.py:6")
    assert "time-limit" in answer.text(80, False)


def test_how_long_the_host_waited_changes_no_byte(write: Write, tmp_path: Path) -> None:
    name = write(LOOP.replace("pass", "adapter.stall_execution(1)\n        sum(range(2000))"))
    folders = [tmp_path / "short", tmp_path / "long"]
    answers = [commands.run({"miniport": name}, report=folder, seconds=seconds)
               for folder, seconds in zip(folders, (0.1, 0.3), strict=True)]
    assert answers[0].data == answers[1].data
    assert answers[0].data["log"] == ["looping"]
    pages = [(folder / "index.html").read_text("utf-8") for folder in folders]
    assert pages[0] == pages[1]


def test_loop_that_cannot_be_ended_ends_the_program(write: Write, tmp_path: Path) -> None:
    name = write(STUBBORN)
    code = ("import dmabed.watchdog as w, dmabed.commands as c\nfrom dmabed.cli import main\n"
            "c.run.__kwdefaults__['seconds'] = 0.2\nmain(['run', 'mine.py', '--json'])")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
                            env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, timeout=60)
    value = json.loads(result.stdout)
    ERROR.validate(value)
    assert (result.returncode, result.stderr) == (2, "")
    assert f"initialize ({name}:6) never returns" in value["error"]["message"]


def test_world_that_ended_is_not_disturbed() -> None:
    dog = Watchdog(0.001)
    assert dog.run(lambda: sum(range(5))) == 10
    assert dog.stuck is None
    assert issubclass(TimeIsUp, BaseException) and not issubclass(TimeIsUp, Exception)
