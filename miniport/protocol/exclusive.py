# SPDX-License-Identifier: Apache-2.0
"""How NDIS enters a handler: for a serialized miniport under its own lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hw.processor import DISPATCH_LEVEL
from miniport.status import NDIS_ATTRIBUTE_DESERIALIZE

if TYPE_CHECKING:
    from miniport.ndis import Ndis


def exclusive(ndis: Ndis, handler: int, function: Callable[..., Any], *arguments: Any, tag: int = 0) -> Any:
    """Enter a handler at DISPATCH_LEVEL; for a serialized miniport under the lock that NDIS holds. What waited for the lock may run
    before the caller sees the result."""
    if ndis.adapter.attributes & NDIS_ATTRIBUTE_DESERIALIZE:
        return ndis.call(handler, function, *arguments, irql=DISPATCH_LEVEL, tag=tag)
    scheduler = ndis.scheduler
    scheduler.locks += 1
    try:
        result = ndis.call(handler, function, *arguments, irql=DISPATCH_LEVEL, tag=tag)
    finally:
        scheduler.locks -= 1
    if scheduler.attention and not scheduler.locks:
        scheduler.point()
    return result
