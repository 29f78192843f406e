# SPDX-License-Identifier: Apache-2.0
"""The boot step of the smart NIC: the card gets its program before the rings are told to it, and again after each reset.

What to look at first: the file is open while the adapter is claimed, and no longer, for NDIS opens files in MiniportInitialize
alone. Its content stays in a block of shared memory, the download block, as long as the adapter lives: a card that comes back
from a reset or from D3 has forgotten its program, and then there is no file to be read.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

from miniport.adapter import Adapter
from miniport.context import Pointer, Ulong, Ulonglong
from miniport.reference import hardware as hw
from miniport.reference.core import Context, ReferenceCore
from miniport.reference.memory import shared
from miniport.smart import hardware as smart
from miniport.status import NDIS_STATUS_ERROR_READING_FILE, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

IMAGE_FILE = "smart.img"
"""The name by which NdisOpenFile finds the program."""
ATTEMPTS = 3
"""How often the card may refuse its program, or hang on it, before the driver gives up."""
STOP_WAITS = 100
NDIS_ERROR_CODE_HARDWARE_FAILURE = 0xC000138A


class SmartContext(Context):
    """The adapter context."""

    # The content of the open file, while the adapter is claimed.
    file = Pointer()
    # The download block: where the card finds its program.
    image_address = Ulonglong()
    image_length = Ulong()


class SmartCore(ReferenceCore):
    """The boot step; what the card does after it is what the reference NIC does."""

    context_type: ClassVar[type[Context]] = SmartContext

    # The program

    def _claim(self, adapter: Adapter, context: Any, undo: ExitStack) -> int:
        """Everything is claimed while the file is open."""
        with ExitStack() as closing:
            status, file, context.image_length = adapter.open_file(IMAGE_FILE)
            if file is None:
                return status
            closing.callback(adapter.close_file, file)
            if context.image_length > smart.LARGEST_IMAGE:
                return NDIS_STATUS_ERROR_READING_FILE
            status, context.file = adapter.map_file(file)
            if status != NDIS_STATUS_SUCCESS:
                return status
            closing.callback(adapter.unmap_file, file)
            return super()._claim(adapter, context, undo)

    def _claim_dma(self, adapter: Adapter, context: Any, limits: hw.Limits, dma_size: int, undo: ExitStack) -> int:
        """With rings and buffers comes the download block. The card reads the image as a whole within its limits: room for the
        next power of two crosses no boundary."""
        status = super()._claim_dma(adapter, context, limits, dma_size, undo)
        if status != NDIS_STATUS_SUCCESS:
            return status
        length = context.image_length
        block, context.image_address = shared(adapter, limits, 1 << (length - 1).bit_length(), 1, undo)
        if block is None:
            return NDIS_STATUS_RESOURCES
        block.write(0, context.file.read(0, length))
        return NDIS_STATUS_SUCCESS

    # The card

    def _program(self, adapter: Adapter, context: Context) -> bool:
        """The rings are for the program to know: it has to run first. Each attempt but the first begins with a reset; where none is
        left, the card is reset once more, so that no half-started program stays behind."""
        for _ in range(ATTEMPTS):
            if self._boot(adapter, context):
                return super()._program(adapter, context)
            self._log(adapter, context)
            if not self._reset_card(adapter, context):
                return False
        return False

    def _boot(self, adapter: Adapter, context: Any) -> bool:
        """Have the card fetch its program and start it; True if it is ready, speaks our version and can do what is needed."""
        registers = context.registers
        for offset, value in ((smart.IMAGE_LO, context.image_address & 0xFFFFFFFF), (smart.IMAGE_HI, context.image_address >> 32),
                              (smart.IMAGE_LENGTH, context.image_length), (smart.HOST_VERSION, smart.SPOKEN)):
            adapter.write_register_ulong(registers, offset, value)
            # A card that fetches from another place than told would run what lies there.
            if adapter.read_register_ulong(registers, offset) != value:
                return False
        adapter.write_register_ulong(registers, smart.BOOT_CTRL, smart.BOOT_START)
        for _ in range(smart.BOOT_WAITS):
            status = adapter.read_register_ulong(registers, smart.BOOT_STATUS)
            if status == hw.GONE or status & smart.STATE > smart.READY:
                return False
            if status & smart.STATE == smart.READY:
                version = adapter.read_register_ulong(registers, smart.VERSION)
                able = adapter.read_register_ulong(registers, smart.CAPABILITIES)
                return bool(version >> smart.MAJOR == smart.SPOKEN >> smart.MAJOR and able & smart.NEEDED == smart.NEEDED)
            adapter.stall_execution(smart.BOOT_WAIT_US)
        return False

    def _log(self, adapter: Adapter, context: Context) -> None:
        """Tell the administrator what the card says of its program: state, error, failed assertion, place of a trap. The card keeps
        them over a reset."""
        registers = context.registers
        adapter.write_error_log_entry(NDIS_ERROR_CODE_HARDWARE_FAILURE, tuple(
            adapter.read_register_ulong(registers, offset)
            for offset in (smart.BOOT_STATUS, smart.BOOT_ERROR, smart.ASSERTION, smart.TRAP_PC)))

    def _quiet(self, adapter: Adapter, context: Context) -> None:
        """Engines and interrupts are off; then the program stops in order. One that does not is stopped by a reset."""
        super()._quiet(adapter, context)
        registers = context.registers
        adapter.write_register_ulong(registers, smart.BOOT_CTRL, smart.BOOT_STOP)
        for _ in range(STOP_WAITS):
            status = adapter.read_register_ulong(registers, smart.BOOT_STATUS)
            if status == hw.GONE or status & smart.STATE == smart.STOPPED:
                return
            if status & smart.STATE != smart.READY:
                break
            adapter.stall_execution(smart.BOOT_WAIT_US)
        self._reset_card(adapter, context)

    # When the card hangs

    def check_for_hang(self, adapter: Adapter) -> bool:
        """True if the program trapped, hung or failed an assertion as well: then nothing comes from the card any more."""
        if super().check_for_hang(adapter):
            return True
        context = adapter.context
        if context.broken or context.asleep:
            return False
        status = adapter.read_register_ulong(context.registers, smart.BOOT_STATUS)
        return bool(status != hw.GONE and status & smart.STATE != smart.READY)

    def reset(self, adapter: Adapter) -> tuple[int, bool]:
        """If the program died, say of what before it is brought again."""
        context = adapter.context
        status = adapter.read_register_ulong(context.registers, smart.BOOT_STATUS)
        if status != hw.GONE and status & smart.STATE == smart.DEAD:
            self._log(adapter, context)
        return super().reset(adapter)
