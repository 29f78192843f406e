# SPDX-License-Identifier: Apache-2.0
"""The command ``dmabed``: options, help, exit codes, and errors as one message. What the commands do is in `dmabed.commands`.

Exit codes: 0 clean or unchecked; 1 not clean; 2 usage or bad input; 3 the bed failed; 130 interrupted. Nothing but click is
imported before the line is understood.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dmabed import SiblingShadowedError, __version__, check_siblings

if TYPE_CHECKING:
    from types import CodeType

    from click.shell_completion import CompletionItem

    from dmabed.commands import Answer

NOT_CLEAN, USAGE, FAILED, INTERRUPTED = 1, 2, 3, 130
F = TypeVar("F", bound=Callable[..., Any])


class _LineError(click.UsageError):
    """A line that cannot be understood, with a remedy of our own."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class _Interrupted(click.ClickException):
    exit_code = INTERRUPTED


class _Commands(click.Group):
    """A group whose every error is one message, or one JSON object where ``--json`` stands on the line."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, complete_var: str | None = None,
             standalone_mode: bool = True, **extra: Any) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(args, prog_name or "dmabed", complete_var, standalone_mode=False, **extra)
        except Exception as problem:
            code = _fail(problem, "--json" in words)
        if standalone_mode:
            sys.exit(code)
        return code

    def invoke(self, ctx: click.Context) -> Any:
        try:
            check_siblings()
            return super().invoke(ctx)
        except click.UsageError as problem:
            command = self.commands.get(ctx.invoked_subcommand or "")
            if problem.ctx is None and command is not None:
                problem.ctx = click.Context(command, ctx, info_name=ctx.invoked_subcommand)
            raise
        except KeyboardInterrupt:
            raise _Interrupted("interrupted") from None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.commands and not name.startswith("-"):
            near = get_close_matches(name, self.commands, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise _LineError(f"there is no command {name!r}", f"{hint}known: {', '.join(self.commands)}")
        return super().resolve_command(ctx, args)


@click.group("dmabed", cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}, epilog="""
\b
Examples:
  dmabed run                          the reference miniport's whole life
  dmabed run mynic.py                 your miniport, on the reference NIC
  dmabed run mynic.py --address-bits 24 --report out
  dmabed run mynic.py --json | jq .verdict
  dmabed faults mynic.py              the same life with every fault in turn
  dmabed map mynic.py                 where its memory lies
  dmabed new mine                     a miniport and its tests to start from
\b
Exit codes:
  0 clean; 1 findings, refused or not proven; 2 usage or bad input;
  3 the bed failed
\b
Shell completion (bash; zsh and fish alike):
  eval "$(_DMABED_COMPLETE=bash_source dmabed)"
""")
@click.version_option(__version__, prog_name="dmabed", message="%(prog)s %(version)s", help="Show the version and exit.")
@click.pass_context
def main(ctx: click.Context) -> None:
    """A test bed for Windows NDIS 5 network miniports that do DMA.

    A miniport is the part of a network driver that knows the card. dmabed runs yours against a modelled card over emulated
    memory: no Windows, no virtual machine, no hardware. It gives every block the worst place that is still legal, checks every
    call and every transfer against the documented rules, and says for each rule that is broken where in your source, why, and
    with which command you see it again.
    """
    _help_if_alone(ctx)


def _help_if_alone(ctx: click.Context) -> None:
    """A group without a command behind it says what there is."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)


def _names(*where: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Shell completion from the keys of a table, imported when a shell asks: the module's name, then the table's."""

    def complete(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        from importlib import import_module

        from click.shell_completion import CompletionItem

        known = getattr(import_module(where[0]), where[1])
        return [CompletionItem(str(name)) for name in known if str(name).startswith(begun)]

    return complete


_WORLD = (
    click.option("--nic", metavar="NAME", shell_complete=_names("hw.nic", "MODELS"), help="The card; dmabed nics lists them. [reference]"),
    click.option("--limits", metavar="PRESET", shell_complete=_names("hw.limits", "PRESETS"),
                 help="DMA limits of a known device, on the reference NIC."),
    click.option("--address-bits", metavar="N", help="How many address bits the reference NIC has, 1 to 64. [26]"),
    click.option("--boundary", metavar="SIZE", help="What its transfers cannot cross: a power of two, or 0. [16M]"),
    click.option("--ram", metavar="SIZE", help="Memory of the machine, 2M to 1T. [256M]"),
    click.option("--windows", metavar="VERSION", shell_complete=_names("miniport.versions", "WINDOWS"),
                 help="nt4, 2000, xp, xp-sp1, 2003, vista, 2008 or 7. [2003]"),
    click.option("--ndis", metavar="VERSION", help="4.0, 5.0 or 5.1. [as the miniport registers]"),
    click.option("--placement", metavar="POLICY", shell_complete=_names("allocator.frames", "Placement"),
                 help="Where blocks go: low, high, random or hostile, the worst legal place. [hostile]"),
    click.option("--processors", metavar="N", help="1 to 8. [2]"),
    click.option("--adapters", metavar="N", help="Cards of the same kind that the one driver runs at once, 1 to 4. [1]"),
    click.option("--bus-offset", metavar="SIZE", help="Device address minus physical address, whole pages. [0]"),
    click.option("--incoherent", is_flag=True, help="Caches that devices do not see: cached memory needs its flush (no PC has them)."),
    click.option("--iommu", is_flag=True, help="Put an IOMMU in front of the cards (stress: no PC of NDIS 5's time had one)."),
    click.option("--frames", metavar="N", help="Frames to send; the wire returns each. [8]"),
    click.option("--pcap", metavar="FILE", help="Send the frames of a pcap or pcapng file instead."),
    click.option("--life", metavar="LIFE", shell_complete=_names("dmabed.spec", "LIVES"),
                 help="How it ends: halt, power-off, bug-check or surprise; or what comes in mid traffic: suspend or rebalance. [halt]"),
    click.option("--msi", is_flag=True, help="Stress: interrupts come as messages (MSI), which no PC with NDIS 5 had."),
    click.option("--seed", metavar="N", help="Decides contents and the order of events. [1]"),
    click.option("--silicon", is_flag=True, help="Switch the checks off and see what the hardware would do."),
    click.option("--stop", is_flag=True, help="Stop at the first finding."),
    click.option("--deny", metavar="RULE", multiple=True,
                 help="Count a notice as a finding: a rule, PREFIX*, warning or advice. May be repeated."),
    click.option("--allow", metavar="RULE", multiple=True,
                 help="Keep findings of a rule out of the verdict; they stay listed. May be repeated."),
)
_FAULT = click.option("--fault", "faults", metavar="POINT[=EFFECT]", multiple=True,
                      help="Inject a fault, for instance NdisMAllocateSharedMemory#2. May be repeated.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
_REPORT = click.option("--report", metavar="DIR", help="Write DIR/index.html, a report with pictures.")
_CAPTURE = click.option("--capture", metavar="FILE", help="Write all frames to a pcapng file.")
_TRACE = click.option("--trace", metavar="FILE", help="Write the record of events to a JSON file for Perfetto (ui.perfetto.dev).")


def _with(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in the order in which the help shows them."""

    def decorate(function: F) -> F:
        for one in reversed(options):
            function = one(function)
        return function

    return decorate


@main.command(epilog="SIZE: decimal, 0x…, or a number with K, M, G or T (powers of 1024).")
@click.argument("miniport", required=False)
@_with(*_WORLD, _JSON, _REPORT, _CAPTURE, _TRACE)
def run(as_json: bool, report: str | None, capture: str | None, trace: str | None, **given: Any) -> int:
    """Run one life of a miniport and say which rules it breaks.

    MINIPORT is FILE.py, FILE.py:Class or module:Class; without it the reference miniport of the NIC runs.
    """
    from dmabed import commands

    return _say(commands.run(
        _given(given), report=_path(report), capture=_path(capture), trace=_path(trace), **_debug(as_json)), as_json)


@main.command(epilog="SIZE: decimal, 0x…, or a number with K, M, G or T (powers of 1024).")
@click.argument("world", metavar="[MINIPORT|FILE.json]", required=False)
@_with(*_WORLD, _FAULT, _JSON, _REPORT, _CAPTURE, _TRACE,
       click.option("--pdb", is_flag=True, help="Open the Python debugger at the miniport's line of the first finding."))
def replay(world: str | None, as_json: bool, pdb: bool, report: str | None, capture: str | None, trace: str | None, **given: Any) -> int:
    """Run a world again: every finding prints the line to type.

    FILE.json is what dmabed run --json printed, or the options of a world as JSON; options on the line win over it.
    """
    from dmabed import commands
    from dmabed.options import is_data

    line, data = _given(given), None
    if world is not None and is_data(world):
        data = world
    elif world is not None:
        line["miniport"] = world
    if pdb and as_json:
        raise _LineError("--pdb and --json exclude each other", "give one of the two")
    return _say(commands.run(
        line, data=data, report=_path(report), capture=_path(capture), trace=_path(trace), pdb=pdb, **_debug(as_json)), as_json)


@main.command(epilog="SIZE: decimal, 0x…, or a number with K, M, G or T (powers of 1024). How to read the table: docs/faults.md.")
@click.argument("miniport", required=False)
@_with(
    *_WORLD,
    click.option("--kinds", metavar="KINDS", shell_complete=_names("hw.inject", "KINDS"),
                 help="Kinds of fault, with commas between: routine, device, upper-edge, interrupt, life, async, race. [all]"),
    click.option("--only", metavar="GLOB", multiple=True, help="Only fault points that fit, as NdisM* or dma-read#7. May be repeated."),
    click.option("--skip", metavar="GLOB", multiple=True, help="Leave out fault points that fit. May be repeated."),
    click.option("--list", "list_only", is_flag=True, help="Show the fault points, how many worlds and seconds they make; run none."),
    click.option("--chaos", is_flag=True, help="What broken hardware does, by its own measure, in place of what documents allow."),
    click.option("--persistent", is_flag=True, help="Each fault stays: every later use fails as well."),
    click.option("--pairs", is_flag=True, help="Every second fault behind every first one, of routines and devices."),
    click.option("--all-uses", is_flag=True, help="Of a long series that a fault brings about, every use, not its ends alone."),
    click.option("--random", metavar="N", help="N random sets of one to four faults; --seed draws them."),
    click.option("--conditions", metavar="NAMES", help="Again under other conditions, one at a time: all, or names with commas between, "
                 "as placement,windows=xp."),
    click.option("--pairwise", is_flag=True, help="Again under all conditions together, in few worlds that hold each two of them."),
    click.option("--workers", metavar="N", help="Processes. [as many as it is worth]"),
    click.option("--dask", metavar="ADDRESS", help="Over the workers of this Dask scheduler, as tcp://127.0.0.1:8786 (extra: dask)."),
    click.option("--no-coverage", is_flag=True, help="Do not look which statements of the miniport no world ran."),
    click.option("--shard", metavar="I/N", help="Only part I of N; the parts together are the whole."),
    click.option("--max-time", metavar="S", help="Stop after S seconds; the rest is listed as not covered."),
    click.option("--resume", metavar="DIR", help="Keep finished worlds in DIR, and do not live them again."),
    _JSON, _REPORT,
    click.option("--junit", metavar="FILE", help="Write a JUnit file, one test case a world."),
    click.option("--sarif", metavar="FILE", help="Write a SARIF file, one result a cause."),
    click.option("--baseline", metavar="FILE", help="Causes that are known and do not fail the campaign."),
    click.option("--write-baseline", metavar="FILE", help="Write the causes of this campaign as a baseline."),
    click.option("--today", metavar="DATE", help="The day by which entries of the baseline expire. [today]"))
def faults(as_json: bool, report: str | None, junit: str | None, sarif: str | None, baseline: str | None, write_baseline: str | None,
           resume: str | None, **given: Any) -> int:
    """Inject every fault at every point of a miniport's life.

    A life without a fault shows where one can happen; then each fault gets a world of its own. Each world has to recover, to go
    on with less, or to refuse to start; what else it does is shown with the line that replays it.
    """
    from dmabed.commands_faults import Asked, faults

    own = {name: given.pop(name) for name in Asked.__slots__ if name in given}
    asked = Asked(**own, report=_path(report), junit=_path(junit), sarif=_path(sarif), baseline=_path(baseline),
                  write_baseline=_path(write_baseline), resume=_path(resume))
    return _say(faults(_given(given), asked, give_up=_debug(as_json)["give_up"]), as_json)


@main.command()
@_with(_JSON)
def nics(as_json: bool) -> int:
    """List the network cards that are modelled, with their DMA limits."""
    from dmabed import commands

    return _say(commands.nics(), as_json)


@main.command()
@click.argument("trace")
@_with(click.option("--nic", metavar="NAME", shell_complete=_names("hw.nic", "MODELS"), help="The model. [what the trace says]"),
       click.option("--write", metavar="FILE", help="Write the trace with what the model did in place of what it holds."), _JSON)
def conform(trace: str, nic: str | None, write: str | None, as_json: bool) -> int:
    """Hold the model of a card against a trace of a real one.

    The trace is replayed, and the first difference named.
    TRACE holds register accesses, DMA, interrupts and frames as JSON lines: docs/conform.md. Exit code 1: they differ.
    """
    from dmabed import commands_conform

    return _say(commands_conform.conform(trace, nic, write), as_json)


@main.command("map", short_help="Show the address map at the end of initialize.",
              epilog="SIZE: decimal, 0x…, or a number with K, M, G or T (powers of 1024).")
@click.argument("miniport", required=False)
@_with(*_WORLD, _JSON)
def map_(as_json: bool, **given: Any) -> int:
    """Show the address map at the end of initialize: memory, holes, what the card reaches, blocks.

    No frame is sent; of the options of run those that shape machine and miniport have an effect.
    """
    from dmabed import commands

    return _say(commands.memory_map(_given(given), **_debug(as_json)), as_json)


@main.command()
@_with(click.option("--state", metavar="STATE", help="Only rules that are enforced, guaranteed, advisory or not-modelled."),
       click.option("--group", metavar="GROUP", help="Only the rules of one group, A to H, N or P."), _JSON)
def rules(state: str | None, group: str | None, as_json: bool) -> int:
    """List every rule, with its state: what the bed does about it."""
    from dmabed import commands_rules

    return _say(commands_rules.rules(state, group), as_json)


@main.command(short_help="Say what a rule asks for, and how to keep it.")
@click.argument("rule")
@_with(_JSON)
def explain(rule: str, as_json: bool) -> int:
    """Say what a rule asks for, what happens where it is broken, and how to keep it."""
    from dmabed import commands_rules

    return _say(commands_rules.explain(rule), as_json)


@main.command(short_help="Make a folder to start from: a miniport and its tests.")
@click.argument("folder", metavar="DIR")
def new(folder: str) -> int:
    """Make a folder to start from: a miniport, its tests, a job for CI, a README.

    DIR must not exist or be empty.
    """
    from dmabed.new import create
    from dmabed.output import write_out
    from dmabed.report.facts import clean

    path = _file(folder)
    files = create(path)
    write_out("".join(f"{clean(file)}\n" for file in files) + f"next: cd {clean(path)}, dmabed run mynic.py, python -m pytest\n")
    return 0


@main.group("firmware", cls=_Commands, invoke_without_command=True)
@click.pass_context
def firmware(ctx: click.Context) -> None:
    """Make firmware images for the NIC smart, and look at them."""
    _help_if_alone(ctx)


@firmware.command("pack", epilog="How a program is written and linked: docs/firmware.md.")
@click.argument("elf")
@_with(click.option("-o", "--output", metavar="FILE", required=True, help="The image to write."),
       click.option("--version", metavar="X.Y.Z", default="1.0.0", help="The version that the card states. [1.0.0]"), _JSON)
def firmware_pack(elf: str, output: str, version: str, as_json: bool) -> int:
    """Make an image from a linked program, an ELF file for RV32IM."""
    from dmabed import commands_firmware

    return _say(commands_firmware.pack(_file(elf), _file(output), version), as_json)


@firmware.command("show")
@click.argument("file")
@_with(_JSON)
def firmware_show(file: str, as_json: bool) -> int:
    """Show an image, or an ELF file as it would be packed."""
    from dmabed import commands_firmware

    return _say(commands_firmware.show(_file(file)), as_json)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """The options that stand on the line."""
    return {name: value for name, value in values.items() if value not in (None, False, ())}


def _path(name: str | None) -> Path | None:
    if name == "":
        raise _LineError("an empty name stands where a file or folder is asked for", "give a name")
    return Path(name) if name is not None else None


def _file(name: str) -> Path:
    path = _path(name)
    assert path is not None
    return path


def _debug(as_json: bool) -> dict[str, Any]:
    """Arguments of a command that lives a world: is somebody debugging, and what if a handler cannot be ended?"""
    from dmabed.watchdog import debugging, never_returns

    def give_up(stuck: CodeType) -> None:
        from verifier.errors import UsageError

        sys.stdout = sys.__stdout__
        os._exit(_fail(UsageError(never_returns(stuck), "catch Exception, not BaseException"), as_json))

    return {"debug": debugging() and not as_json, "give_up": give_up}


def _say(answer: Answer, as_json: bool) -> int:
    """Print the answer; returns its exit code."""
    from dmabed.output import json_text, write_out

    if as_json:
        write_out(json_text(answer.data))
        return answer.code
    width, colour = 80, False
    if sys.stdout is not None and sys.stdout.isatty():
        from shutil import get_terminal_size

        width = get_terminal_size().columns
        colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    write_out(answer.text(width, colour))
    return answer.code


def _fail(problem: Exception, as_json: bool) -> int:
    """Say what went wrong; returns the exit code."""
    kind, message, remedy, code = _described(problem)
    if code == FAILED and os.environ.get("DMABED_DEBUG", "") not in ("", "0"):
        import traceback

        traceback.print_exception(problem)
    if as_json and kind != "output":
        import json

        text = json.dumps({"schema": 1, "verdict": "error", "error": {"kind": kind, "message": message, "remedy": remedy}}, indent=2)
        if isinstance(problem, SiblingShadowedError):
            click.echo(text)
        else:
            from dmabed.output import write_out

            write_out(text + "\n")
    else:
        lines = [f"error: {message}"] if code != INTERRUPTED else [message]
        click.echo("\n".join([*lines, *([f"remedy: {remedy}"] if remedy else [])]), err=True)
    return code


def _described(problem: Exception) -> tuple[str, str, str, int]:
    """Kind, message, remedy and exit code of an error."""
    if isinstance(problem, _Interrupted | click.Abort):
        return "interrupted", "interrupted", "", INTERRUPTED
    if isinstance(problem, click.ClickException):
        return "usage", *_of_click(problem), USAGE
    if isinstance(problem, SiblingShadowedError):
        return "bed", problem.message, problem.remedy, FAILED
    from verifier import errors

    if isinstance(problem, errors.UsageError):
        return problem.kind, _one_line(problem.message), _one_line(problem.remedy), USAGE
    if isinstance(problem, errors.NotModelledError):
        return problem.kind, _one_line(problem.message), _one_line(problem.remedy), FAILED
    if isinstance(problem, errors.BedError):
        return problem.kind, f"the bed failed: {_one_line(problem.message)}", _one_line(problem.remedy or _REPORT_IT), FAILED
    return "bed", _one_line(f"the bed failed: {type(problem).__name__}: {problem}"), _REPORT_IT, FAILED


_REPORT_IT = "please report this with the line that you typed; with DMABED_DEBUG=1 in the environment it shows a traceback"


def _of_click(problem: click.ClickException) -> tuple[str, str]:
    """Message and remedy of an error that click found, in our form."""
    context = getattr(problem, "ctx", None)
    path = context.command_path if context is not None else "dmabed"
    remedy = getattr(problem, "remedy", f"{path} --help lists what there is")
    if isinstance(problem, click.NoSuchOption):
        name = problem.option_name
        options = [one for parameter in context.command.params for one in parameter.opts] if context is not None else []
        near = get_close_matches(name, options, 1, 0.75)
        if near:
            remedy = f"did you mean {near[0]}? {remedy}"
        elif name == "--fault":
            remedy = f"one fault: dmabed replay MINIPORT --fault POINT; every fault: dmabed faults MINIPORT; {remedy}"
        elif context is not None and context.parent is None:
            remedy = f"options stand behind the command, as in dmabed run {name}; {remedy}"
        return f"no such option {name}", remedy
    message = problem.format_message().strip().rstrip(".")
    return _one_line(message[:1].lower() + message[1:]), remedy


def _one_line(text: str) -> str:
    """*text* on one line, with nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else " " if c in "\n\t" else ascii(c)[1:-1] for c in text)
