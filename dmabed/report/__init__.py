# SPDX-License-Identifier: Apache-2.0
"""The faces that people look at: text for the terminal, the memory map, and the HTML report.

Every face reads the one JSON-able dict that ``dmabed run --json`` prints, and computes nothing that is not in it.
Import the modules themselves; this package imports none of them, so that text costs no template engine.
"""
