# SPDX-License-Identifier: Apache-2.0
"""Device registers: port ranges and mapped memory, and their accesses by size.

In Python a pointer to registers is a `RegisterWindow`, and each access names the window and the offset of the register.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hw.bus import PORT_NS, READ_NS
from miniport import rules
from miniport.handlers import INIT, INIT_OR_HALT
from miniport.routine import PASSIVE, routine
from miniport.status import NDIS_STATUS_RESOURCE_CONFLICT, NDIS_STATUS_SUCCESS
from miniport.view import RegisterWindow
from verifier.address import Span

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

_CLAIM_FAILS = ("RESOURCES", "RESOURCE_CONFLICT", "FAILURE")


def _no_window(status: int | None) -> tuple[int | None, None]:
    return status, None


@routine("NdisMMapIoSpace", irql=PASSIVE, irql_rule="iomap-init-only", handlers=INIT, handlers_rule="iomap-init-only",
         fails=_CLAIM_FAILS, on_failure=_no_window,
         c="NDIS_STATUS NdisMMapIoSpace(OUT PVOID*, NDIS_HANDLE, NDIS_PHYSICAL_ADDRESS, UINT Length)",
         source="ddi:ndis/nf-ndis-ndismmapiospace")
def map_io_space(ndis: Ndis, adapter: Adapter, physical: int, length: int) -> tuple[int, RegisterWindow | None]:
    """Map device memory. Returns (status, window); only memory that a base address register of the NIC holds."""
    _attributes_first(ndis, adapter, "NdisMMapIoSpace")
    return _window(ndis, adapter, "NdisMMapIoSpace", physical, length, ports=False)


@routine("NdisMUnmapIoSpace", irql=PASSIVE, irql_rule="iomap-unmap-exact", handlers=INIT_OR_HALT,
         handlers_rule="iomap-unmap-exact", c="VOID NdisMUnmapIoSpace(NDIS_HANDLE, PVOID VirtualAddress, UINT Length)",
         source="ddi:ndis/nf-ndis-ndismunmapiospace")
def unmap_io_space(ndis: Ndis, adapter: Adapter, window: RegisterWindow, length: int) -> None:
    """Undo NdisMMapIoSpace, with the same address and length."""
    if not window.live or length != window.length or window.ports:
        ndis.findings.report(rules.UNMAP_EXACT, f"NdisMUnmapIoSpace: 0x{length:x} bytes of {window!r}", subject=(window,))
    window.live = False
    adapter.release(window)


@routine("NdisMRegisterIoPortRange", irql=PASSIVE, irql_rule="ioport-register-init", handlers=INIT,
         handlers_rule="ioport-register-init", fails=_CLAIM_FAILS, on_failure=_no_window,
         c="NDIS_STATUS NdisMRegisterIoPortRange(OUT PVOID* PortOffset, NDIS_HANDLE, UINT InitialPort, UINT NumberOfPorts)",
         source="ddi:ndis/nf-ndis-ndismregisterioportrange")
def register_io_port_range(ndis: Ndis, adapter: Adapter, initial_port: int, number_of_ports: int,
                           ) -> tuple[int, RegisterWindow | None]:
    """Claim ports. Returns (status, window)."""
    _attributes_first(ndis, adapter, "NdisMRegisterIoPortRange")
    return _window(ndis, adapter, "NdisMRegisterIoPortRange", initial_port, number_of_ports, ports=True)


@routine("NdisMDeregisterIoPortRange", irql=PASSIVE, irql_rule="ioport-deregister-exact", handlers=INIT_OR_HALT,
         handlers_rule="ioport-deregister-exact",
         c="VOID NdisMDeregisterIoPortRange(NDIS_HANDLE, UINT InitialPort, UINT NumberOfPorts, PVOID PortOffset)",
         source="ddi:ndis/nf-ndis-ndismderegisterioportrange")
def deregister_io_port_range(ndis: Ndis, adapter: Adapter, initial_port: int, number_of_ports: int, window: RegisterWindow,
                             ) -> None:
    """Undo NdisMRegisterIoPortRange, with the same port, count and offset."""
    if not window.live or initial_port != window.start or number_of_ports != window.length or not window.ports:
        ndis.findings.report(
            rules.PORTS_EXACT, f"NdisMDeregisterIoPortRange: port 0x{initial_port:x}, {number_of_ports} ports of {window!r}",
            subject=(window,))
    window.live = False
    adapter.release(window)


def _attributes_first(ndis: Ndis, adapter: Adapter, name: str) -> None:
    if not adapter.attributes_set:
        ndis.findings.report(rules.ATTRIBUTES_FIRST, f"{name} before NdisMSetAttributesEx", subject=(name,))


def _window(ndis: Ndis, adapter: Adapter, name: str, start: int, length: int, *, ports: bool,
            ) -> tuple[int, RegisterWindow | None]:
    nic = ndis.nic
    for bar in nic.bars:
        base = nic.config.bar(bar.number)
        if bar.ports == ports and length > 0 and base <= start and start + length <= base + bar.size:
            window = RegisterWindow(ndis.machine.bus, nic, bar.number, start, length, ports, start - base + bar.first)
            adapter.claim(window, "port range" if ports else "register mapping", name)
            return NDIS_STATUS_SUCCESS, window
    if ports and nic.bus_kind == "isa" and ndis.machine.system_ports.holds(start, length):
        system = ndis.machine.system_ports
        window = RegisterWindow(ndis.machine.bus, system, 0, start, length, ports, start)
        adapter.claim(window, "port range", name)
        return NDIS_STATUS_SUCCESS, window
    for span, in_ports in nic.former:
        if in_ports == ports and length > 0 and span.contains(Span(start, length)):
            ndis.findings.report(
                rules.RESOURCES_CURRENT, f"{name}: {Span(start, length)} belonged to {nic.name} before the system gave it other resources",
                subject=("resources",))
            break
    if not ports and ndis.ram.contains(start, max(length, 1)):
        ndis.findings.report(
            rules.MAP_INIT, f"{name}: {Span(start, max(length, 1))} is RAM, not device memory", span=Span(start, max(length, 1)))
    ndis.refused(name)
    return NDIS_STATUS_RESOURCE_CONFLICT, None


def _read(size: int, ports: bool) -> Callable[[Adapter, RegisterWindow, int], int]:
    def access(adapter: Adapter, window: RegisterWindow, offset: int = 0) -> int:
        if not window.live or window.ports is not ports or offset < 0 or offset + size > window.length:
            return _wrong_access(adapter, window, offset, size, ports)
        return window.bus.read(window.device, window.bar, window.base + offset, size, ports)
    return access


def _write(size: int, ports: bool) -> Callable[[Adapter, RegisterWindow, int, int], None]:
    mask = (1 << size * 8) - 1

    def access(adapter: Adapter, window: RegisterWindow, offset: int, value: int) -> None:
        if not window.live or window.ports is not ports or offset < 0 or offset + size > window.length:
            _wrong_access(adapter, window, offset, size, ports)
        else:
            window.bus.write(window.device, window.bar, window.base + offset, size, value & mask, ports)
    return access


def _wrong_access(adapter: Adapter, window: RegisterWindow, offset: int, size: int, ports: bool) -> int:
    kind = "port" if ports else "register"
    if not window.live:
        rule = rules.PORTS_AFTER if window.ports else rules.MAP_AFTER
        text = f"{kind} access at offset 0x{offset:x} after the range was given back"
    else:
        rule = rules.PORTS_EXACT if window.ports else rules.UNMAP_EXACT
        text = f"{kind} access of {size} bytes at offset 0x{offset:x}, outside {window!r}"
    adapter.report(rule, text, window)
    adapter._ndis.clock.advance(PORT_NS if ports else READ_NS)  # a loop that polls such a range must see time pass
    return (1 << size * 8) - 1


for _size, _name, _type in ((1, "Uchar", "UCHAR"), (2, "Ushort", "USHORT"), (4, "Ulong", "ULONG")):
    for _ports, _reading, _writing, _where in (
            (False, "NdisReadRegister", "NdisWriteRegister", "Register"), (True, "NdisRawReadPort", "NdisRawWritePort", "Port")):
        _reader, _writer = _read(_size, _ports), _write(_size, _ports)
        _python = "port" if _ports else "register"
        _reader.__name__ = f"{'raw_read' if _ports else 'read'}_{_python}_{_name.lower()}"
        _writer.__name__ = f"{'raw_write' if _ports else 'write'}_{_python}_{_name.lower()}"
        _reader.__doc__ = f"Read {_size} byte(s) at *offset* of a register window; all ones where nothing answers."
        _writer.__doc__ = f"Write {_size} byte(s) at *offset* of a register window" + (
            "." if _ports else "; the write is posted until a read drains it.")
        routine(f"{_reading}{_name}", direct=True, event=False,
                c=f"VOID {_reading}{_name}(P{_type} {_where}, OUT P{_type} Data)",
                source=f"ddi:ndis/nf-ndis-{_reading.lower()}{_name.lower()}")(_reader)
        routine(f"{_writing}{_name}", direct=True, event=False,
                c=f"VOID {_writing}{_name}(P{_type} {_where}, {_type} Data)",
                source=f"ddi:ndis/nf-ndis-{_writing.lower()}{_name.lower()}")(_writer)
