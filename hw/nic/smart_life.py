# SPDX-License-Identifier: Apache-2.0
"""The life of a program on the smart NIC: the states that BOOT_STATUS shows, and every way in which one ends (data sheet 4.3, 4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.inject import Effect
from hw.nic.smart_core import WATCHDOG_NS, Core
from hw.nic.smart_registers import BootError, SmartRegisters, State
from hw.nic.smart_rules import FIRMWARE_ASSERT, FIRMWARE_HANG, FIRMWARE_TRAP
from hw.rv32.engine import Trap
from verifier.events import Kind
from verifier.where import Where

if TYPE_CHECKING:
    from hw.machine import Machine
    from hw.nic.reference_rings import Ring

_I = SmartRegisters.index
_STATE, _ERROR = _I["BOOT_STATUS"], _I["BOOT_ERROR"]
INJECTED = 0xFFFF << 16
"""ASSERTION where a fault fails one: a file that no program has."""

HANG = Effect("hang", "device", False, "the core stands still, and the watchdog expires 1 ms later")
ASSERTION = Effect("assertion", "device", False, "an assertion of the program fails")


class ProgramLife:
    """What `hw.nic.smart.SmartNic` has of the program's states."""

    name: str
    machine: Machine
    values: list[int]
    tx: Ring
    rx: Ring
    core: Core | None
    """The core with its program; None before the first START and after a reset."""
    _noted = 0
    """TX_ACTIVE and RX_ACTIVE as the program says."""

    def fault(self, point: str) -> str:
        """The effect of the fault that is due at *point* of this card."""
        raise NotImplementedError

    @property
    def state(self) -> State:
        """BOOT_STATUS.STATE."""
        return State(self.values[_STATE])

    def _enter(self, state: State, error: BootError = BootError.NONE) -> None:
        self.values[_STATE], self.values[_ERROR] = int(state), int(error)
        text = f"{state.name}, {error.name}" if error else state.name
        self.machine.events.append((self.machine.clock.now, Kind.FIRMWARE, 0, self.name, text))

    def reported(self, state: int) -> None:
        """REPORT was written."""
        if state == State.READY and self.state is State.STARTING:
            self._enter(State.READY)
        elif state == State.STOPPED and self.state is State.READY:
            self._end(State.STOPPED, BootError.NONE)
        elif state == State.REFUSED and self.state is State.STARTING:
            self._end(State.REFUSED, BootError.VERSION)

    def _end(self, state: State, error: BootError) -> None:
        assert self.core is not None
        self.core.stop()
        self._noted = 0
        self._enter(state, error)

    def asserted(self, value: int) -> None:
        """ASSERT was written: the program gave up."""
        assert self.core is not None
        pc = self.core.engine.pc
        self.values[_I["ASSERTION"]] = value
        self._end(State.DEAD, BootError.ASSERTION)
        self.machine.findings.report(
            FIRMWARE_ASSERT, f"{self.name}: an assertion of the firmware fails in {self.core.source.text(pc)}",
            where=self.core.source.where(pc), subject=((self.name, "firmware"),), related=self._last_doorbells())

    def trapped(self, trap: Trap) -> None:
        """The core trapped."""
        assert self.core is not None
        self.values[_I["TRAP_PC"]] = trap.pc
        self.values[_I["TRAP_CAUSE"]] = trap.cause.value
        self._end(State.DEAD, BootError.TRAP)
        self.machine.findings.report(
            FIRMWARE_TRAP, f"{self.name}: the firmware traps in {self.core.source.text(trap.pc)}: {trap}",
            where=self.core.source.where(trap.pc), subject=((self.name, "firmware"),), related=self._last_doorbells())

    def hung_at(self, pc: int) -> None:
        """The watchdog expires, and the program is at *pc*."""
        assert self.core is not None
        self.hung()
        self.machine.findings.report(
            FIRMWARE_HANG, f"{self.name}: the firmware ran for {WATCHDOG_NS // 1_000_000} ms without heartbeat and sleep, and is in "
            f"{self.core.source.text(pc)}", where=self.core.source.where(pc), subject=((self.name, "firmware"),),
            related=self._last_doorbells())

    def hung(self) -> None:
        """The watchdog expires."""
        self.values[_I["WATCHDOG"]] = 1
        self._end(State.DEAD, BootError.HANG)

    def _last_doorbells(self) -> list[tuple[str, Where | None]]:
        return [(f"the last {ring.what} doorbell", ring.doorbell) for ring in (self.tx, self.rx)]

    def _bring_about(self, effect: str) -> bool:
        """What a fault does to the program; True if it ends it."""
        assert self.core is not None
        if effect == "hang":
            self.core.hang()
        elif effect == "assertion":
            self.values[_I["ASSERTION"]] = INJECTED
            self._end(State.DEAD, BootError.ASSERTION)
        return effect in ("hang", "assertion")

    def woken(self) -> bool:
        """The core wakes in a world with an injector; True if that is its end."""
        return self.state is State.READY and self._bring_about(self.fault("firmware"))
