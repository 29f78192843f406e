# SPDX-License-Identifier: Apache-2.0
"""How a driver stops the system, or its debugger: KeBugCheckEx and ASSERT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport.handlers import METHODS
from miniport.routine import ANY, routine
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

BUG_CHECK = rule(
    "miniport-bug-check", "refuse, reset or ask for removal with NdisMRemoveMiniport instead of stopping the system",
    text="A miniport does not stop the system with a bug check.")
ASSERTION = rule(
    "miniport-assertion", "mend what made the condition false, or the assertion",
    text="A condition that a miniport asserts is true.")


@routine("KeBugCheckEx", irql=ANY,
         c="VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1, ULONG_PTR BugCheckParameter2, "
           "ULONG_PTR BugCheckParameter3, ULONG_PTR BugCheckParameter4)", source="ddi:wdm/nf-wdm-kebugcheckex")
def ke_bug_check_ex(ndis: Ndis, adapter: Adapter, bug_check_code: int, parameter1: int = 0, parameter2: int = 0, parameter3: int = 0,
                    parameter4: int = 0) -> None:
    """Stop the system. The world ends here with the outcome *crash*; shutdown handlers are not called: a world with ``--life
    bug-check`` does that."""
    from miniport.ndis import WorldEnds
    code = f"0x{bug_check_code:X} ({', '.join(f'0x{value:x}' for value in (parameter1, parameter2, parameter3, parameter4))})"
    ndis.findings.report(BUG_CHECK, f"{METHODS[ndis.handler]} asks for bug check {code}", subject=(bug_check_code,),
                         bugcheck=f"0x{bug_check_code:X}, which the driver asks for")
    raise WorldEnds("crash")


@routine("ASSERT", irql=ANY, event=False, c="VOID ASSERT(Expression)", source="ddi:wdm/nf-wdm-assert")
def assert_(ndis: Ndis, adapter: Adapter, condition: object, text: str = "") -> None:
    """Tell the debugger that a condition is false, as a checked build does; *text* is the expression that C shows. The driver goes on,
    as after *ignore* in the debugger. Python's own ``assert`` raises an exception instead, which ends the world."""
    if not condition:
        ndis.findings.report(ASSERTION, f"{METHODS[ndis.handler]}: assertion failed{f': {text}' if text else ''}", subject=(text,))
