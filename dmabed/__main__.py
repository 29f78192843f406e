# SPDX-License-Identifier: Apache-2.0
"""``python -m dmabed`` is the command ``dmabed``."""

from dmabed.cli import main

if __name__ == "__main__":
    main(prog_name="dmabed")
