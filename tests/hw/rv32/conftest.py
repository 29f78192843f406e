# SPDX-License-Identifier: Apache-2.0
"""The engines as a fixture. Where the package unicorn is missing, each test that needs it is skipped by name."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

WITHOUT_UNICORN = "the package unicorn is not installed (pip install dmabed[unicorn]): nothing referees the engine of Python here"


@pytest.fixture(scope="session")
def unicorn() -> str:
    if find_spec("unicorn") is None:
        pytest.skip(WITHOUT_UNICORN)
    return "unicorn"


@pytest.fixture(params=["python", "unicorn"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "unicorn":
        request.getfixturevalue("unicorn")
    return str(request.param)
