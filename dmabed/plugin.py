# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: the fixture ``bed`` and the markers ``dmabed`` and ``every_fault``.

::

    @pytest.mark.dmabed(nic="reference", placement="low")
    def test_life_is_clean(bed):
        bed.run(MyMiniport)

    def test_third_allocation_fails(bed):
        bed.inject("NdisMAllocateSharedMemory#3")
        assert bed.run("mynic.py")["verdict"] == "refused"

    @pytest.mark.every_fault(MyMiniport, kinds="routine,device")
    def test_survives_every_fault():
        pass

A run with a finding or a leak fails the test, with the picture in the failure text. Nothing of the bed is imported before
a test asks for it, so that projects with folders of their own named ``hw`` or ``firmware`` are left in peace.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dmabed.every_fault import FaultItem
    from dmabed.sweep import Fate
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
    group.addoption("--dmabed-update-sites", dest="dmabed_update_sites", action="store_true",
                    help="write the fault points of the tests marked every_fault into a file beside each module")


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line(
        "markers", "dmabed(miniport=None, **options): options of the fixture bed, named as on the command line of dmabed")
    config.addinivalue_line(
        "markers", "every_fault(miniport, kinds, only, skip, conditions, chaos, persistent, **options): one test for each fault of "
        "the miniport's life")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item for each fault of a test that is marked every_fault."""
    if metafunc.definition.get_closest_marker("every_fault") is None:
        return
    _check_siblings()
    from dmabed.every_fault import fail, generate, told
    from verifier.errors import BedError
    problem: BedError | None = None
    try:
        miniport, options = _asked(metafunc.config, metafunc.definition, ("dmabed", "every_fault"))
        generate(metafunc, miniport, options, update=metafunc.config.getoption("dmabed_update_sites"))
    except BedError as broken:
        problem = broken
    if problem is not None:
        fail(f"{metafunc.definition.name}: {told(problem)}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write the sites files, from one process: all of them collect the same."""
    config = session.config
    worker = getattr(config, "workerinput", {"workerid": "gw0"})["workerid"]
    if not config.getoption("dmabed_update_sites") or session.testsfailed or worker != "gw0":
        return
    from dmabed.every_fault import write_collected
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for path in write_collected(config):
        if reporter is not None:
            reporter.write_line(f"dmabed: wrote {path}")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Live the case of an item whose test does not take the bed; one that compares a sites file has no body."""
    item = _fault_item(pyfuncitem)
    if item is None:
        return None
    item.check()
    if item.case is None:
        return True
    if _bed_of(pyfuncitem) is None:
        item.live()
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test that takes the bed and never ran it has proven nothing."""
    yield
    bed, fault = _bed_of(item), _fault_item(item)
    if bed is not None and fault is not None and fault.case is not None and not bed.runs:
        pytest.fail(f"not-proven: the test never ran its bed with {fault.case.id}", pytrace=False)


class PytestBed:
    """What the fixture ``bed`` gives: worlds whose findings fail the test."""

    def __init__(self, miniport: type[Miniport] | str | None, options: dict[str, Any], item: FaultItem | None = None) -> None:
        self._miniport = miniport
        self._options = options
        self._item = item
        self._faults: list[tuple[str, str | None]] = []
        self._allowed: set[str] = set()
        self.result: dict[str, Any] = {}
        """The result of the last `run`, as ``dmabed run --json`` prints it."""
        self.outcome = ""
        """In a test marked every_fault what the last `run` came to: ``recovered``, ``degraded`` or ``refused``."""
        self.runs = 0
        """How many lives were lived."""

    def inject(self, point: str, effect: str | None = None) -> None:
        """Arm a fault for the next `run`: ``NAME#N`` or ``NAME#N=EFFECT`` (``docs/fault-points.md``), with the point's first effect
        where none is named. One that does not exist fails the test here, one that does not fire fails it in `run`."""
        __tracebackhide__ = True
        from dmabed.fault_points import checked_fault
        from hw.inject import parse_fault
        from verifier.errors import BedError
        problem: BedError | None = None
        try:
            checked_fault(parse_fault(point, effect))
        except BedError as broken:
            problem = broken
        if problem is not None:
            pytest.fail(f"{problem.message}\n{problem.remedy}")
        self._faults.append((point, effect))

    def allow(self, *rules: str) -> None:
        """Findings of these rules do not fail the next `run`: for tests of what breaks a rule on purpose. A rule that does not exist
        fails the test here."""
        __tracebackhide__ = True
        from dmabed.catalogue import find
        from verifier.errors import UsageError
        problem: UsageError | None = None
        try:
            for rule in rules:
                find(rule)
        except UsageError as broken:
            problem = broken
        if problem is not None:
            pytest.fail(f"{problem.message}\n{problem.remedy}")
        self._allowed.update(rules)

    def run(self, miniport: type[Miniport] | str | None = None, **options: Any) -> dict[str, Any]:
        """Live one life and return its result. A finding, a leak, a crash, or a fault that did not fire fails the test."""
        from dmabed.bed import Bed
        from dmabed.report import text
        from dmabed.result import as_json, sources
        from dmabed.watchdog import watched
        from verifier.errors import BedError
        faults, self._faults = self._faults, []
        allowed, self._allowed = self._allowed, set()
        self.runs += 1
        problem: BedError | None = None
        try:
            if self._item is not None:
                fate = self._live(self._item, miniport, options, faults, allowed)
                self.result, self.outcome = as_json(fate.world), fate.record.outcome
                return self.result
            bed = Bed(miniport if miniport is not None else self._miniport, **{**self._options, **options})
            for point, effect in faults:
                bed.inject(point, effect)
            world = watched(bed.world)
        except BedError as broken:
            problem = broken
        if problem is not None:
            pytest.fail(f"{problem.message}\n{problem.remedy}", pytrace=False)
        self.result = as_json(world)
        wrong = [f for f in self.result["findings"] if f["rule"] not in allowed and not allowed & set(f["also"])]
        if wrong or self.result["verdict"] == "not-proven":
            shown = text.render({**self.result, "notices": [], "timeline": []}, width=100, sources=sources(world))
            idle = self.result["faults"]["not_fired"]
            head = f"not-proven: {', '.join(idle)} did not fire: the life never came to it\n\n" if idle else ""
            pytest.fail(head + shown, pytrace=False)
        return self.result


    def _live(self, item: FaultItem, miniport: type[Miniport] | str | None, options: dict[str, Any],
              faults: list[tuple[str, str | None]], allowed: set[str]) -> Fate:
        from hw.inject import parse_fault
        besides = tuple(str(parse_fault(point, effect)) for point, effect in faults)
        return item.live(frozenset(allowed), item.sweep.varied(miniport, options), besides)


@pytest.fixture
def bed(request: pytest.FixtureRequest) -> PytestBed:
    """A bed for one test, with the options of the command line and of the marker ``dmabed``."""
    _check_siblings()
    miniport, options = _asked(request.config, request.node, ("dmabed",))
    return PytestBed(miniport, options, _fault_item(request.node))


@pytest.fixture
def dmabed_fault(request: pytest.FixtureRequest) -> FaultItem:
    """The case of an item of a test that is marked every_fault."""
    item: FaultItem = request.param
    return item


def _check_siblings() -> None:
    """Fail the test if a folder of the user's hides a package of the bed."""
    from dmabed import SiblingShadowedError, check_siblings
    try:
        check_siblings()
    except SiblingShadowedError as problem:
        pytest.fail(f"{problem.message}\n{problem.remedy}", pytrace=False)


def _asked(config: pytest.Config, node: pytest.Item, markers: tuple[str, ...]) -> tuple[type[Miniport] | str | None, dict[str, Any]]:
    """The miniport and the options of the command line and of the *markers* of a test; what stands nearer to it wins."""
    options: dict[str, Any] = {}
    for name, _ in _OPTIONS:
        value = config.getoption(f"dmabed_{name}")
        if value is not None:
            options[name] = value
    policy: list[dict[str, Any]] = [{name: value for name, _ in _POLICY if (value := config.getoption(f"dmabed_{name}"))}]
    miniport = None
    for marker in (marker for kind in markers for marker in reversed(list(node.iter_markers(kind)))):
        given = dict(marker.kwargs)
        miniport = marker.args[0] if marker.args else given.pop("miniport", miniport)
        policy.append({name: [value] if isinstance(value := given.pop(name), str) else value for name, _ in _POLICY if name in given})
        options.update(given)
    for layer in filter(None, policy):
        from dmabed.policy import merged
        options.update(merged(options, layer))
    return miniport, options


def _fault_item(node: pytest.Item) -> FaultItem | None:
    """What an item of a test that is marked every_fault does; None for all other tests."""
    if node.get_closest_marker("every_fault") is None:
        return None
    from dmabed.every_fault import fail, item_of
    found = item_of(node)
    if found is None:
        fail("every_fault marks functions and methods of plain classes that pytest collects; unittest's test cases have no such items")
    return found


def _bed_of(item: pytest.Item) -> PytestBed | None:
    """The bed that a test takes, itself or through another fixture; None if it takes none."""
    found = getattr(item, "funcargs", {}).get("bed")
    return found if isinstance(found, PytestBed) else None
