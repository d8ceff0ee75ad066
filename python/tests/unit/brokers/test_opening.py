"""Brokers by name: ours, those of installed packages, and names that are nobody's."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pytest

from duckbourse.brokers.opening import BrokerSetup, broker_of
from duckbourse.errors import ConfigurationError

MODULE = """
from duckbourse.brokers.opening import open_paper

def open_broker(setup):
    broker = open_paper(setup)
    broker.name = "elsewhere"
    return broker
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with a broker, as pip leaves it."""
    (tmp_path / "their_broker.py").write_text(MODULE)
    about = tmp_path / "their_broker-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-broker\nVersion: 1\n")
    entry = "[duckbourse.brokers]\nelsewhere = their_broker:open_broker\n"
    (about / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "their_broker", raising=False)


@pytest.mark.parametrize(
    ("name", "opened"),
    [
        ("paper", "paper"),
        ("elsewhere", "elsewhere"),
        ("their_broker:open_broker", "elsewhere"),
    ],
)
@pytest.mark.usefixtures("package")
def test_a_broker_is_opened_by_its_name(tmp_path: Path, name: str, opened: str) -> None:
    broker = broker_of(name)(BrokerSetup("mine", tmp_path / "mine", Decimal(1)))
    assert broker.name == opened
    broker.close()


@pytest.mark.usefixtures("package")
def test_an_unknown_broker_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match="'papr'; did you mean 'paper'") as refused:
        broker_of("papr")
    assert "elsewhere, paper" in refused.value.remedy
