"""A power cut loses no tick that was sealed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pytest

from duckbourse.streaming import recorder
from duckbourse.streaming.feed import RECORD
from duckbourse.streaming.recorder import LogHeader, to_segment

HEADER = LogHeader(
    session_date=date(2024, 7, 1), calendar="XNYS", source="s", recording="mine", symbols=("A",)
)


def test_a_log_goes_after_its_segment_and_its_name_are_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a power cut could show this; the name of a file is an entry of its folder."""
    log = tmp_path / "a.log"
    records = np.zeros(1, RECORD)
    records["price"] = 10_000_000
    log.write_bytes(msgspec.json.encode(HEADER) + b"\n" + records.tobytes())
    flushed = []

    def flush(path: Path) -> None:
        flushed.append((path.name, sorted(each.name for each in tmp_path.iterdir())))

    monkeypatch.setattr(recorder, "flush", flush)
    assert to_segment(log, None)
    assert flushed == [
        ("a.writing", ["a.log", "a.writing"]),
        (tmp_path.name, ["a.log", "a.parquet"]),
    ]
    assert [each.name for each in tmp_path.iterdir()] == ["a.parquet"]
