# SPDX-License-Identifier: Apache-2.0
"""The event record: each kind has its fields by name, in order, and old events fall out."""

from __future__ import annotations

import pytest

from verifier.events import SCHEMA, EventRecord, Kind


def test_every_kind_has_its_fields() -> None:
    assert set(SCHEMA) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_no_field_hides_time_kind_or_processor(kind: Kind) -> None:
    assert not {"time_ns", "kind", "processor"} & set(SCHEMA[kind])
    assert len(set(SCHEMA[kind])) == len(SCHEMA[kind])


@pytest.mark.parametrize("kind", Kind)
def test_an_event_reads_back_with_the_names_of_its_fields(kind: Kind) -> None:
    record = EventRecord()
    record.append((70, kind, 1, *range(len(SCHEMA[kind]))))
    assert record.as_dicts() == [
        {"time_ns": 70, "kind": kind.name.lower(), "processor": 1} | {name: i for i, name in enumerate(SCHEMA[kind])}]


@pytest.mark.parametrize("fields", [(), ("nic0", "CTRL", 4), ("nic0", "CTRL", 4, 1, 2)])
def test_an_event_with_a_field_too_few_or_too_many_is_loud(fields: tuple[object, ...]) -> None:
    record = EventRecord()
    record.append((0, Kind.REGISTER_READ, 0, *fields))
    with pytest.raises(ValueError, match="argument"):
        record.as_dicts()


@pytest.mark.parametrize("count, kept", [(2, [0, 1]), (3, [0, 1, 2]), (4, [1, 2, 3])])
def test_beyond_its_limit_the_record_loses_the_oldest(count: int, kept: list[int]) -> None:
    record = EventRecord(limit=3)
    for number in range(count):
        record.append((number, Kind.LOG, 0, "text"))
    assert [row["time_ns"] for row in record.as_dicts()] == kept
