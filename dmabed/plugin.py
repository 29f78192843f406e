# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: the fixture ``bed`` and the marker ``dmabed``.

::

    @pytest.mark.dmabed(nic="reference", placement="low")
    def test_life_is_clean(bed):
        bed.run(MyMiniport)

    def test_third_allocation_fails(bed):
        bed.inject("NdisMAllocateSharedMemory#3")
        assert bed.run("mynic.py")["verdict"] == "refused"

A run with a finding or a leak fails the test, with the picture in the failure text. Nothing of the bed is imported before
a test asks for it, so that projects with folders of their own named ``hw`` or ``firmware`` are left in peace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from miniport.miniport import Miniport

_OPTIONS = (
    ("nic", "NIC model"), ("windows", "Windows version"), ("ndis", "NDIS version"), ("placement", "placement policy"),
    ("ram", "size of the RAM, for instance 256M"), ("seed", "seed of placement and scheduling"),
    ("processors", "number of processors"), ("life", "how a life ends"),
)
"""Options of the command line, ``--dmabed-NAME``; a marker or an argument of a test wins."""
_POLICY = (("deny", "count a notice as a finding: a rule, PREFIX*, warning or advice; may be repeated"),
           ("allow", "keep findings of a rule out of the verdict; may be repeated"))
"""As on the command line of dmabed; what a marker names wins where they disagree, and else both count."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--dmabed-*``."""
    group = parser.getgroup("dmabed", "DMA test bed for network miniports")
    for name, help_text in _OPTIONS:
        group.addoption(f"--dmabed-{name}", dest=f"dmabed_{name}", default=None, help=f"{help_text} of every bed")
    for name, help_text in _POLICY:
        group.addoption(f"--dmabed-{name}", dest=f"dmabed_{name}", action="append", default=None, metavar="RULE", help=help_text)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "dmabed(miniport=None, **options): options of the fixture bed, named as on the command line of dmabed")


class PytestBed:
    """What the fixture ``bed`` gives: worlds whose findings fail the test."""

    def __init__(self, miniport: type[Miniport] | str | None, options: dict[str, Any]) -> None:
        self._miniport = miniport
        self._options = options
        self._faults: list[tuple[str, str | None]] = []
        self._allowed: set[str] = set()
        self.result: dict[str, Any] = {}
        """The result of the last `run`, as ``dmabed run --json`` prints it."""

    def inject(self, point: str, effect: str | None = None) -> None:
        """Arm a fault for the next `run`; one that does not fire fails the test."""
        self._faults.append((point, effect))

    def allow(self, *rules: str) -> None:
        """Findings of these rules do not fail the next `run`: for tests of what breaks a rule on purpose."""
        self._allowed.update(rules)

    def run(self, miniport: type[Miniport] | str | None = None, **options: Any) -> dict[str, Any]:
        """Live one life and return its result. A finding, a leak, a crash, or a fault that did not fire fails the test."""
        from dmabed.bed import Bed
        from dmabed.report import text
        from dmabed.result import as_json, sources
        from verifier.errors import BedError
        faults, self._faults = self._faults, []
        problem: BedError | None = None
        try:
            bed = Bed(miniport if miniport is not None else self._miniport, **{**self._options, **options})
            for point, effect in faults:
                bed.inject(point, effect)
            world = bed.world()
        except BedError as broken:
            problem = broken
        if problem is not None:
            pytest.fail(f"{problem.message}\n{problem.remedy}", pytrace=False)
        self.result = as_json(world)
        allowed, self._allowed = self._allowed, set()
        wrong = [f for f in self.result["findings"] if f["rule"] not in allowed and not allowed & set(f["also"])]
        if wrong or self.result["verdict"] == "not-proven":
            shown = text.render({**self.result, "notices": [], "timeline": []}, width=100, sources=sources(world))
            pytest.fail(shown, pytrace=False)
        return self.result


@pytest.fixture
def bed(request: pytest.FixtureRequest) -> PytestBed:
    """A bed for one test, with the options of the command line and of the marker ``dmabed``."""
    from dmabed import SiblingShadowedError, check_siblings
    try:
        check_siblings()
    except SiblingShadowedError as problem:
        pytest.fail(f"{problem.message}\n{problem.remedy}", pytrace=False)
    options: dict[str, Any] = {}
    for name, _ in _OPTIONS:
        value = request.config.getoption(f"dmabed_{name}")
        if value is not None:
            options[name] = int(value) if name in ("seed", "processors") else value
    policy: list[dict[str, Any]] = [{name: value for name, _ in _POLICY if (value := request.config.getoption(f"dmabed_{name}"))}]
    miniport = None
    for marker in reversed(list(request.node.iter_markers("dmabed"))):
        given = dict(marker.kwargs)
        miniport = marker.args[0] if marker.args else given.pop("miniport", miniport)
        policy.append({name: [value] if isinstance(value := given.pop(name), str) else value for name, _ in _POLICY if name in given})
        options.update(given)
    for layer in filter(None, policy):
        from dmabed.policy import merged
        options.update(merged(options, layer))
    return PytestBed(miniport, options)
