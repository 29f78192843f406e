# SPDX-License-Identifier: Apache-2.0
"""What an image or ELF file that cannot be used is answered with."""

from __future__ import annotations

from verifier.errors import UsageError

PACK_AGAIN = "make the image again: dmabed firmware pack ELF -o FILE"


class ImageError(UsageError):
    """An image or an ELF file that is refused; *reason* says what is wrong with it, numbers included."""

    def __init__(self, reason: str, remedy: str = PACK_AGAIN) -> None:
        super().__init__(reason, remedy)
        self.reason = reason
