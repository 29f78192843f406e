# SPDX-License-Identifier: Apache-2.0
"""NDIS for one adapter: it enters the miniport's handlers, keeps what the adapter claimed, and judges how it left."""

from __future__ import annotations

from collections.abc import Callable
from traceback import format_exception_only
from typing import TYPE_CHECKING, Any

from allocator.memory_manager import MemoryManager
from hw.clock import NEVER, SECOND
from hw.nic.base import Nic
from hw.processor import irql_name
from hw.processor_port import ProcessorPort
from miniport import nulls, rules
from miniport.blame import entries, fault_of_a_model, fault_of_the_bed
from miniport.descriptors import Descriptors
from miniport.effects import act, effect_of
from miniport.handlers import METHODS, Handler
from miniport.lock_order import LockOrder
from miniport.lockset import Lockset
from miniport.miniport import Miniport
from miniport.routine import TABLE, Routine, failure_of, irql_limits, irql_rule
from miniport.status import NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK
from miniport.versions import title
from verifier.errors import BedError
from verifier.events import Kind
from verifier.findings import StopWorld
from verifier.rule import Rule, declared_rules
from verifier.where import is_miniport, where_of_function

if TYPE_CHECKING:
    from hw.machine import Machine
    from miniport.adapter import Adapter
    from miniport.driver import Driver

_ENTER, _LEAVE, _ROUTINE = int(Kind.ENTER), int(Kind.LEAVE), int(Kind.ROUTINE)

BUSY_LIMIT_NS = SECOND // 4
"""Virtual time that one handler may spend on register and memory accesses, besides stalls, sleeps and waits."""
HANDLER_LIMIT_NS = 60 * SECOND
"""Virtual time that one handler may take before it counts as hung."""
CALL_LIMIT = 250_000
"""Calls of routines that one handler may make, with what runs inside it: a loop may call what takes no virtual time."""


class WorldEnds(BaseException):
    """Unwinds the world: a bug check, a crash or a hang. Not an `Exception`: a miniport cannot swallow it."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Ndis:
    """The NDIS library of one world."""

    __slots__ = (
        "_on_limit",
        "adapter",
        "calls",
        "calls_left",
        "clock",
        "deadline",
        "descriptors",
        "driver",
        "error_log",
        "failed_routines",
        "findings",
        "handler",
        "held",
        "injector",
        "irqls",
        "lock_order",
        "lockset",
        "log",
        "machine",
        "memory",
        "miniport",
        "ndis_version",
        "nic",
        "nulls",
        "port",
        "protocol",
        "ram",
        "record",
        "scheduler",
        "up",
        "where",
        "windows",
    )

    adapter: Adapter
    protocol: Any

    def __init__(self, machine: Machine, memory: MemoryManager, miniport: Miniport, nic: Nic, windows: str,
                 ndis_version: tuple[int, int]) -> None:
        self.machine = machine
        self.memory = memory
        self.miniport = miniport
        self.nic = nic
        self.windows = windows
        self.ndis_version = ndis_version
        self.driver: Driver | None = None
        """The driver that all adapters of the machine share; None where an adapter stands without a machine's life."""
        self.clock = machine.clock
        self.scheduler = machine.scheduler
        self.findings = machine.findings
        self.injector = machine.injector
        self.record = machine.events.append
        self.where = machine.where
        self.ram = machine.processor_ram
        self.port = ProcessorPort(machine)
        self.descriptors = Descriptors(machine, memory, self.port, nic.adapter)
        self.handler: int = Handler.NONE
        self.irqls = irqls_for(windows)
        self._on_limit = self.check_time
        self.deadline = NEVER
        """When the running handler has taken too long, whatever it does."""
        self.calls: dict[str, int] = {}
        """How often each handler was called."""
        self.calls_left = CALL_LIMIT
        """Calls of routines that the outermost handler may still make."""
        self.log: list[str] = []
        self.error_log: list[str] = []
        self.failed_routines: list[str] = []
        """Routines that failed in this world, by a fault or because they could not do it."""
        self.nulls: list[nulls.Null] = []
        """Those of them whose failure shows only as NULL."""
        self.up = False
        """True from a successful initialize to the beginning of halt."""
        self.held: list[Any] = []
        """Spin locks that are held, in the order of acquisition."""
        self.lockset = Lockset(self)
        self.lock_order = LockOrder(self)
        self.port.on_race, self.port.on_bare_write = self.lockset.race, self.lockset.note
        if self.lockset.meetings is not None:
            self.port.on_meet = self.lockset.meetings.meet

    # Entering the miniport

    def call(self, handler: int, function: Callable[..., Any], *arguments: Any, irql: int, tag: int = 0) -> Any:
        """Run one handler at *irql* on the current processor. *tag* names the frame that its stores are made for."""
        scheduler, clock, ram, calls, name = self.scheduler, self.clock, self.ram, self.calls, METHODS[handler]
        processor = scheduler.current
        outer = processor.irql, self.handler, self.deadline, clock.limit, clock.on_limit, ram.tag
        held, now = len(self.held), clock.now
        calls[name] = calls.get(name, 0) + 1
        processor.irql = irql
        if not self.handler:
            self.calls_left = CALL_LIMIT
        self.handler = handler
        self.deadline = now + HANDLER_LIMIT_NS
        clock.limit = now + BUSY_LIMIT_NS
        clock.on_limit = self._on_limit
        ram.tag = tag
        self.where.depth += 1
        watched = self.lockset.enter(handler)
        self.record((now, _ENTER, processor.number, name))
        try:
            result = function(self.adapter, *arguments) if arguments else function(self.adapter)
            if processor.irql != irql or len(self.held) != held:
                self._left_badly(handler, function, processor.irql, irql, held)
        except (StopWorld, WorldEnds, BedError, KeyboardInterrupt):
            raise
        except BaseException as problem:
            # SystemExit, too: a handler that leaves the program would else leave it with a clean exit code.
            self._raised(handler, problem)
            raise WorldEnds("crash") from problem
        finally:
            self.where.depth -= 1
            self.lockset.leave(watched)
            processor.irql, self.handler, self.deadline, clock.limit, clock.on_limit, ram.tag = outer
        self.record((clock.now, _LEAVE, processor.number, name, result))
        if scheduler.attention:
            scheduler.point()
        return result

    def _left_badly(self, handler: int, function: Callable[..., Any], irql: int, expected: int, held: int) -> None:
        for lock in self.held[held:]:
            self.findings.report(
                rules.LOCK_BALANCED, f"{METHODS[handler]} returned with the spin lock of {lock.name} held", where=lock.acquired_at,
                subject=(lock,))
        while len(self.held) > held:
            self.held.pop().forget()
            self.scheduler.locks -= 1
            self.lockset.locks_changed()
            irql = expected
        if irql != expected:
            self.findings.report(
                rules.IRQL_RESTORED, f"{METHODS[handler]} was called at {irql_name(expected)} and returned at {irql_name(irql)}",
                subject=(handler,), also=_IRQL_RULES.get(handler, ()))

    def answer(self, handler: int, function: Callable[..., Any], value: Any, *types: type) -> bool:
        """True if a handler returned a tuple of *types*; a finding else."""
        if isinstance(value, tuple) and len(value) == len(types) and all(map(isinstance, value, types)):
            return True
        wanted = ", ".join(t.__name__ for t in types)
        self.findings.report(
            rules.HANDLER_RESULT, f"{METHODS[handler]} returned {_shown(value)}; it returns ({wanted})",
            where=where_of_function(function), subject=(handler,))
        return False

    def _raised(self, handler: int, problem: BaseException) -> None:
        """A handler raised: the miniport's fault, unless the bed broke without being handed nonsense."""
        innermost = entries(problem)[-1].tb_frame.f_code
        if isinstance(problem, NotImplementedError) and innermost is _base_handler(METHODS[handler]):
            self.findings.report(
                rules.REGISTER_HANDLERS, f"NDIS calls {METHODS[handler]}, which {type(self.miniport).__name__} does not supply",
                where=where_of_function(self.miniport.initialize), subject=(handler,))
            return
        of_model = fault_of_a_model(problem)
        if of_model is not None:
            raise of_model from problem
        broken = fault_of_the_bed(problem)
        if broken is not None:
            raise BedError(f"{type(problem).__name__} in {broken.co_qualname}: {problem}",
                           "this is a fault of the bed: please report it with the miniport") from problem
        where = where_of_function(getattr(self.miniport, METHODS[handler], None))
        text = "".join(format_exception_only(problem)).strip().replace("\n", " ")
        for entry in entries(problem):
            if is_miniport(entry.tb_frame.f_code):
                where = (entry.tb_frame.f_code, entry.tb_lasti)
        rule, story = self._why(handler, text)
        also = rule.also if rule is not rules.WITHOUT_RESOURCES else (*rule.also, *nulls.untested_in_initialize(self))
        self.findings.report(rule, f"{METHODS[handler]} raised {text}{story}", where=where, subject=(handler,), also=also)

    def _why(self, handler: int, text: str) -> tuple[Rule, str]:
        """The rule that a handler broke when it raised *text*, and what led to it."""
        if "NoneType" not in text:
            return rules.MINIPORT_EXCEPTION, ""
        if handler == Handler.ISR and not self.up and not self.adapter.gone and self.calls.get(METHODS[Handler.HALT]) is None:
            return rules.INT_READY, "; the ISR may run from NdisMRegisterInterrupt on"
        null = nulls.used(self, handler)
        if null is not None:
            return null.rule, f"; {null.routine} had given no memory"
        failed = self.adapter.failed_in_initialize
        if failed:
            return rules.WITHOUT_RESOURCES, f"; {', '.join(failed)} failed in initialize, which succeeded all the same"
        return rules.MINIPORT_EXCEPTION, ""

    # What the generated face asks

    def fail(self, row: Routine, effect: str, *arguments: Any) -> Any:
        """A fault makes *row*, called with *arguments*, of which the adapter is the first, fail or do what is rare."""
        if effect_of(row.name, effect) is not None:
            result = act(self, row, effect, arguments[0], arguments[1:])
        else:
            result = failure_of(row, effect, *arguments[1:])
            size = arguments[1] if len(arguments) > 1 else 0
            self.refused(row.name, size if isinstance(size, int) else 0)
        self.record((self.clock.now, _ROUTINE, self.scheduler.current.number, row.name, result))
        if self.scheduler.attention:
            self.scheduler.point()
        return result

    def refused(self, row_name: str, size: int = 0) -> None:
        """A routine failed: no memory, no resource. *size* bytes were asked for."""
        self.failed_routines.append(row_name)
        nulls.note(self, row_name, size)

    def wrong_irql(self, row: Routine, irql: int) -> None:
        """*row* was called at an IRQL at which this version of Windows forbids it."""
        low, high = irql_limits(row, self.windows)
        if self.handler & (Handler.ISR | Handler.SYNCHRONIZE) and irql > high:
            rule: Rule | None = rules.ISR_ONLY_ANY
        elif self.handler == Handler.SHUTDOWN and irql > high:
            rule = rules.SHUTDOWN_ANY_IRQL
        else:
            rule = declared_rules().get(irql_rule(row, self.windows))
        if rule is None:
            rule = rules.ROUTINE_IRQL
        level = irql_name(low) if low == high else f"{irql_name(high)} or below" if low == 0 else (
            f"{irql_name(low)} to {irql_name(high)}")
        self.findings.report(
            rule, f"{row.name} was called at {irql_name(irql)}; {title(self.windows)} asks for {level}", subject=(row.name,))

    def wrong_context(self, row: Routine) -> None:
        """*row* was called from a handler that must not call it."""
        rule = declared_rules().get(row.handlers_rule)
        if rule is None and self.handler & (Handler.ISR | Handler.SYNCHRONIZE):
            rule = rules.ISR_ONLY_ANY
        self.findings.report(
            rule or rules.ROUTINE_CONTEXT, f"{row.name} was called from {METHODS[self.handler]}", subject=(row.name,))

    def allow(self, ns: int) -> None:
        """A stall, a sleep or a wait of *ns* nanoseconds is no polling: it counts against the handler's deadline alone."""
        clock = self.clock
        clock.limit = min(clock.limit + ns, self.deadline)

    def check_time(self) -> None:
        """A handler that polls for ever ends here, with a finding and the outcome *hang*."""
        if self.handler:
            self._hangs((f"has polled registers or memory for more than {BUSY_LIMIT_NS / SECOND:g} s of virtual time, stalls and sleeps "
                         "not counted") if self.clock.now <= self.deadline else (
                f"has waited for more than {HANDLER_LIMIT_NS // SECOND} s of virtual time"))

    def called_for_ever(self) -> None:
        """So does one that calls routines for ever."""
        if self.handler:
            self.calls_left = 1  # the next call ends it again, should the miniport catch what unwinds it
            self._hangs(f"has called routines of NDIS more than {CALL_LIMIT} times")

    def _hangs(self, story: str) -> None:
        also: tuple[str, ...] = ("init-no-hang-timeout",) if self.handler == Handler.INITIALIZE else ()
        if not self.nic.present:
            also = ("time-limit",)
            if self.handler == Handler.HALT:
                also += ("halt-surprise-removed",)
            if self.adapter.attributes & NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK:
                also += ("surprise-remove-ok-flag",)
        self.findings.report(
            rules.TIME_LIMIT if self.nic.present else rules.SURPRISE_POLL, f"{METHODS[self.handler]} {story}",
            subject=(self.handler,), also=also)
        raise WorldEnds("hang")


_IRQL_RULES = {Handler.INITIALIZE: ("init-passive",), Handler.HALT: ("halt-passive",)}
"""Rules on the level at which single handlers return."""

_irqls: dict[str, list[int]] = {}


def irqls_for(windows: str) -> list[int]:
    """Where every routine may be called on *windows*, by the index of its row: bit n is set if IRQL n will do."""
    known = _irqls.get(windows)
    if known is None or len(known) != len(TABLE):
        limits = [irql_limits(row, windows) for row in TABLE.values()]
        known = _irqls[windows] = [(2 << high) - (1 << low) for low, high in limits]
    return known


def _base_handler(name: str) -> object:
    """The code of a handler in the base class, which only says that the miniport lacks it."""
    return getattr(getattr(Miniport, name, None), "__code__", None)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
