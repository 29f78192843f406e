# SPDX-License-Identifier: Apache-2.0
"""Deny and allow: what counts and what does not, and that nothing is hidden."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dmabed.bed import Bed
from dmabed.cli import main
from dmabed.policy import merged
from dmabed.report import text
from dmabed.report.html import render
from dmabed.result import as_json, verdict_of
from dmabed.spec import WorldSpec
from verifier.errors import UsageError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LEAKS = str(EXAMPLES / "flawed" / "half_freed.py")
NOTICED = str(EXAMPLES / "clean" / "boundary.py")
SOURCE = """\
from miniport.reference import ReferenceMiniport


class Mine(ReferenceMiniport):
    def send(self, adapter, packet, flags):
        adapter.stall_execution(51){comment}
        return super().send(adapter, packet, flags)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Callable[..., str]:
    """A miniport that breaks stall-50us at line 6, with a comment there and a project file beside it."""

    def make(comment: str = "", project: str | None = None) -> str:
        path = tmp_path / "project" / "source"
        path.mkdir(parents=True, exist_ok=True)
        (path / "mine.py").write_text(SOURCE.format(comment=comment and f"  {comment}"), encoding="utf-8")
        if project is not None:
            (path.parent / "pyproject.toml").write_text(project, encoding="utf-8")
        return str(path / "mine.py")

    return make


def lists(name: str, **options: Any) -> tuple[str, list[str], list[str], list[str]]:
    """Verdict, and the rules of findings, notices and what is allowed."""
    world = Bed(name, **{"frames": 1, **options}).world()
    found = world.machine.findings
    return (verdict_of(world), [f.rule.id for f in found.errors], [f.rule.id for f in found.notices],
            [a.finding.rule.id for a in world.allowed])


# Allow


def test_an_allowed_finding_leaves_the_verdict_and_stays_listed(mine: Callable[..., str]) -> None:
    assert lists(mine()) == ("findings", ["stall-50us"], [], [])
    assert lists(mine(), allow=["stall-50us"]) == ("clean", [], [], ["stall-50us"])


def test_another_rule_than_the_allowed_one_counts(mine: Callable[..., str]) -> None:
    assert lists(mine(), allow=["dma-width"]) == ("findings", ["stall-50us"], [], [])


def test_what_followed_from_an_allowed_finding_counts_unless_it_is_allowed_too() -> None:
    name = str(EXAMPLES / "flawed" / "aligned_free.py")
    assert lists(name)[1] == ["shared-free-exact"]
    verdict, errors, _, allowed = lists(name, allow=["shared-free-exact"])
    assert (verdict, errors, allowed) == ("findings", ["halt-undo-all"], ["shared-free-exact"])
    both = ["shared-free-exact", "halt-undo-all"]
    verdict, errors, _, allowed = lists(name, allow=both)
    assert (verdict, errors, allowed) == ("clean", [], both)


def test_a_rule_is_not_allowed_by_another_rule_that_states_the_same_fact() -> None:
    _, errors, _, allowed = lists(LEAKS, allow=["shared-free-exact"])
    assert errors == ["shared-free-no-subrange"] and allowed == []


def test_an_id_without_a_check_of_its_own_allows_the_findings_that_carry_it() -> None:
    name = str(EXAMPLES / "flawed" / "truncated_address.py")
    assert lists(name, frames=8)[1] == ["dma-width"]
    assert "dma-width" in lists(name, frames=8, allow=["contig-highest-inclusive"])[3]


def test_nothing_is_allowed_in_a_world_that_crashed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SOURCE.replace("adapter.stall_execution(51){comment}", "raise ValueError"), encoding="utf-8")
    verdict, errors, _, allowed = lists(str(tmp_path / "mine.py"), allow=["miniport-exception"])
    assert (verdict, errors, allowed) == ("findings", ["miniport-exception"], [])


def test_stop_passes_by_what_is_allowed_and_ends_at_what_counts(mine: Callable[..., str]) -> None:
    assert lists(mine(), stop=True) == ("findings", ["stall-50us"], [], [])
    verdict, errors, _, allowed = lists(mine(), stop=True, allow=["stall-50us"])
    assert (verdict, errors, allowed) == ("clean", [], ["stall-50us"])


# Deny


@pytest.mark.parametrize("pattern", ["contig-not-for-ndis-dma", "contig-not-*", "warning"])
def test_a_denied_notice_is_a_finding(pattern: str) -> None:
    assert lists(NOTICED) == ("clean", [], ["contig-not-for-ndis-dma"], [])
    assert lists(NOTICED, deny=[pattern]) == ("findings", ["contig-not-for-ndis-dma"], [], [])


def test_advice_is_not_a_warning() -> None:
    assert lists(NOTICED, deny=["advice"])[0] == "clean"


def test_a_denied_notice_has_the_severity_of_an_error() -> None:
    finding, = Bed(NOTICED, deny=["warning"]).run()["findings"]
    assert finding["severity"] == "error"


def test_what_is_allowed_by_name_is_not_denied_by_its_severity() -> None:
    assert lists(NOTICED, deny=["warning"], allow=["contig-not-for-ndis-dma"]) == ("clean", [], [], ["contig-not-for-ndis-dma"])


def test_stop_ends_at_a_denied_notice() -> None:
    whole, stopped = Bed(NOTICED, deny=["warning"]).world(), Bed(NOTICED, deny=["warning"], stop=True).world()
    assert verdict_of(stopped) == "findings"
    assert len(stopped.machine.events.events) < len(whole.machine.events.events)


# What cannot be


@pytest.mark.parametrize("options, words", [
    ({"allow": ["stall-50ms"]}, "stall-50us"), ({"deny": ["stall-50ms"]}, "stall-50us"), ({"deny": ["stal-*"]}, "stall-"),
    ({"deny": ["*"]}, "enforced"), ({"deny": ["error"]}, "warning"), ({"allow": ["warning"]}, ""), ({"allow": ["stall-*"]}, "stall-50us"),
    ({"allow": ["sg6-header"]}, "NDIS 6"), ({"allow": ["dma-width"], "deny": ["dma-width"]}, "one of the two"),
])
def test_a_rule_that_is_none_is_refused_with_a_remedy(options: dict[str, list[str]], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Bed(**options)
    assert words in caught.value.remedy


def test_an_unknown_rule_on_the_line_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--allow", "dma-widht"], standalone_mode=False) == 2
    assert "did you mean dma-width" in capsys.readouterr().err


# Where it is said


def test_both_layers_count_and_the_upper_one_wins() -> None:
    assert merged({"deny": ["a", "b"], "allow": ["c"]}, {"deny": ["d"]}) == {"deny": ("a", "b", "d"), "allow": ("c",)}
    assert merged({"deny": ["a", "b"]}, {"allow": ["a"]}) == {"deny": ("b",), "allow": ("a",)}
    assert merged({"allow": ["dma-width"]}, {"deny": ["dma-*"]}) == {"deny": ("dma-*",), "allow": ()}
    assert merged({"allow": ["contig-not-for-ndis-dma"]}, {"deny": ["warning"]}) == {"deny": ("warning",), "allow": ()}


def test_merging_again_changes_nothing() -> None:
    below = {"deny": ["warning", "stall-50us"], "allow": ["dma-width", "dma-stray"]}
    once = merged(below, {"deny": ["dma-w*"], "allow": ["stall-50us"]})
    assert merged(below, once) == once


def test_the_project_above_the_miniport_says_so_and_the_line_wins(mine: Callable[..., str]) -> None:
    name = mine(project='[tool.dmabed]\nallow = ["stall-50us"]\n')
    assert lists(name) == ("clean", [], [], ["stall-50us"])
    assert lists(name, deny=["stall-50us"])[0] == "findings"


def test_a_project_without_our_table_says_nothing(mine: Callable[..., str]) -> None:
    assert lists(mine(project='[tool.other]\nallow = ["x"]\n'))[0] == "findings"


@pytest.mark.parametrize("text, words", [
    ('alow = ["stall-50us"]', "did you mean allow"), ('allow = "stall-50us"', "write allow"), ('allow = ["stall-50ms"]', "stall-50us"),
    ("allow = [1]", "write allow"),
])
def test_a_project_that_says_it_wrongly_is_refused(mine: Callable[..., str], text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Bed(mine(project=f"[tool.dmabed]\n{text}\n"))
    assert words in caught.value.remedy and "pyproject.toml" in caught.value.message


def test_a_project_that_is_no_toml_is_refused(mine: Callable[..., str]) -> None:
    with pytest.raises(UsageError, match=r"pyproject\.toml cannot be read"):
        Bed(mine(project="[tool"))


def test_a_comment_with_a_reason_allows_one_rule_at_its_line(mine: Callable[..., str]) -> None:
    world = Bed(mine("# dmabed: allow stall-50us -- the data sheet asks for 51 us"), frames=1).world()
    assert verdict_of(world) == "clean"
    allowed, = world.allowed
    assert allowed.by.endswith("mine.py:6: the data sheet asks for 51 us")


def test_a_comment_allows_no_other_rule(mine: Callable[..., str]) -> None:
    assert lists(mine("# dmabed: allow dma-width -- no"))[0] == "findings"


@pytest.mark.parametrize("comment", [
    "# dmabed: allow stall-50us", "# dmabed: allow stall-50us --", "# dmabed: allow stall-50us, dma-width -- both",
    "# dmabed: alow stall-50us -- a reason", "# dmabed: allow stall-50ms -- a reason", "# dmabed: allow stall-* -- a reason",
])
def test_a_comment_without_a_reason_or_a_known_rule_is_refused_where_it_stands(mine: Callable[..., str], comment: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.py:6: ") as caught:
        Bed(mine(comment))
    assert caught.value.remedy


def test_a_string_is_no_comment(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SOURCE.format(comment='; x = "# dmabed: allow nothing"'), encoding="utf-8")
    assert lists(str(tmp_path / "mine.py"))[0] == "findings"


# What is said of it


def test_the_replay_line_spells_it_out_and_gives_the_same_bytes(mine: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    name = mine(project='[tool.dmabed]\nallow = ["stall-50us"]\n')
    assert main(["run", name, "--frames", "1", "--deny", "warning", "--json"], standalone_mode=False) == 0
    first = capsys.readouterr().out
    result = json.loads(first)
    assert "--deny warning --allow stall-50us" in result["replay"]
    assert (result["world"]["deny"], result["world"]["allow"]) == (["warning"], ["stall-50us"])
    import shlex

    assert main([*shlex.split(result["replay"])[1:], "--json"], standalone_mode=False) == 0
    assert capsys.readouterr().out == first


def test_json_lists_what_is_allowed_with_what_allows_it(mine: Callable[..., str]) -> None:
    result = as_json(Bed(mine(), frames=1, allow=["stall-50us"]).world())
    allowed, = result["allowed"]
    assert (allowed["rule"], allowed["allowed_by"]) == ("stall-50us", "--allow stall-50us")


def test_text_and_page_show_what_is_allowed_and_the_verdict_counts_it(mine: Callable[..., str]) -> None:
    result = as_json(Bed(mine(), frames=1, allow=["stall-50us"]).world())
    shown = text.render(result)
    assert "verdict  clean, 1 allowed" in shown
    assert "allowed    1 finding out of the verdict" in shown and "by --allow stall-50us" in shown
    page = render(result)
    assert "<h2>Allowed</h2>" in page and "--allow stall-50us" in page and "clean, 1 allowed" in page
    assert max(map(len, shown.splitlines()[:-1])) <= 80


def test_a_spec_is_plain_data_and_back() -> None:
    spec = WorldSpec(deny=("warning",), allow=("dma-width",))
    assert WorldSpec.from_dict(spec.as_dict()) == spec
