# SPDX-License-Identifier: Apache-2.0
"""Power states of a card, and what it decodes and drives in them.

Below D0 a card answers configuration cycles alone: no memory, no ports, no DMA, no INTA. From D3hot to D0 it is reset, and
D3cold takes everything. Source: PCI Bus Power Management Interface Specification 1.1, chapter 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hw.dma import DmaPort
from hw.pci import COMMAND_BUS_MASTER, COMMAND_IO, COMMAND_MEMORY, PciConfig
from hw.pci_capabilities import D0, D3, STATE_NAMES
from hw.processor import Line
from verifier.address import Span
from verifier.events import Kind

if TYPE_CHECKING:
    from hw.machine import Machine


class Powered:
    """What `hw.nic.base.Nic` has of power states and resources."""

    name: str
    machine: Machine
    present: bool
    config: PciConfig
    dma: DmaPort
    interrupt_line: Line

    def __init__(self) -> None:
        self.awake = True
        """False while the card is gone, without power or in a state below D0: it does no cycle and pulls no line."""
        self.answers = (True, True)
        """Whether the card decodes memory accesses, and whether accesses to ports."""
        self.on_unanswered: Callable[[str], None] | None = None
        """Called with what a processor tries while the card is not awake."""
        self.former: list[tuple[Span, bool]] = []
        """Where base address registers pointed before the system gave the card other resources; True for ports."""
        self.former_vectors: list[int] = []

    def reset_registers(self) -> None:
        """Give every register its reset value."""
        raise NotImplementedError

    def power_off(self) -> None:
        """Power is taken away (D3cold): the card forgets everything and answers nothing, configuration space included."""
        if self.present:
            self._sleep()
            self.config.present = False
            self._say("D3cold")

    def power_on(self) -> None:
        """Power is back: registers and configuration space are as after power-up."""
        if self.present and not self.config.present:
            self.config.present = True
            self.config.reset()
            self._wake()
            self.power_on_reset()
            self._say("D0 after power-up")

    def power_on_reset(self) -> None:
        """Registers and engines get the state after power-up. A model with engines or memory overrides it."""
        self.reset_registers()

    def resumed(self) -> None:
        """Back in D0 from D1 or D2, in which nothing was lost: a model with causes pulls its line if one is set."""

    def running(self) -> tuple[str, ...]:
        """What the driver has to stop before the card goes to D3, as far as it is on."""
        raise NotImplementedError

    def settings(self) -> tuple[str, ...]:
        """What else is set and gets lost in D3."""
        return ()

    def _power_changed(self, before: int, after: int) -> None:
        """PMCSR was written."""
        if after != D0:
            self._sleep()
        else:
            self._wake()
            if before == D3:
                self.power_on_reset()
            else:
                self.resumed()
        self._say(STATE_NAMES[after])

    def _sleep(self) -> None:
        self.dma.flush()
        self.awake = False
        self._connect(self.config.command)
        self.machine.scheduler.deassert_line(self.interrupt_line, self.name)

    def _wake(self) -> None:
        self.awake = True
        self._connect(self.config.command)

    def _say(self, state: str) -> None:
        self.machine.events.append((self.machine.clock.now, Kind.POWER, 0, self.name, state))

    def _connect(self, command: int) -> None:
        """What the card decodes, and whether it may master the bus, by its power and the command register."""
        awake = self.awake
        self.answers = awake and bool(command & COMMAND_MEMORY), awake and bool(command & COMMAND_IO)
        self.dma.bus_master = awake and bool(command & COMMAND_BUS_MASTER)
