"""Retired words are found in prose and code, and no other words."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from duckbourse.settings import PROJECT
from hooks.banned_words import banned_words, main, retired_words

# as in .pre-commit-config.yaml
SUFFIXES = (".md", ".py", ".sql", ".yml")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The strategy is told at 09:45.", "told"),
        ("Close of the eve.", "eve"),
        ("high\nso far", "so far"),
        ("Losses beyond the value at risk", "Losses beyond"),
        ("class Desk:", "Desk"),
        ("a standardised score", "standardised"),
        ("An unrealised gain", "unrealised"),
        ("the favourable side", "favourable"),
        ("from serving.indicator_catalogue", "indicator_catalogue"),
        ("over lookback_days sessions", "lookback_days"),
        ("sum(quantity) as told_volume", "told"),
        ("max(volume_so_far) over to_date", "so_far"),
    ],
)
def test_a_retired_word_is_found_on_its_line(text: str, found: str) -> None:
    ((number, word, instead),) = banned_words(text)
    assert (number, word) == (len(text.splitlines()), found)
    assert instead


@pytest.mark.parametrize(
    "text",
    [
        "a trading desk, the house style",
        "lawful flaws, evening, every, shear, retelling",
        "promised, advertised, premises",
        "min_unsound_symbols",
        "an early close on Christmas Eve",
        "a token is needed, and none is set",
        "min_lookback_days",
        "retold_volume, evenings_so_farther",
    ],
)
def test_other_words_are_not(text: str) -> None:
    assert list(banned_words(text)) == []


def test_the_list_is_the_table_of_the_glossary() -> None:
    words = retired_words((PROJECT / "CONTRIBUTING.md").read_text())
    assert len(words) > 60
    assert words["horizon_days"] == "lookback_sessions, horizon_sessions"
    # retired in one sense only, so that nothing can search for them
    assert not {"settle", "page", "mute"} & set(words)
    for word, instead in words.items():
        assert (1, word, instead) in list(banned_words(word))


def test_the_command_names_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "page.md"
    file.write_text("fine\nreckoned\n")
    assert main([str(file)]) == 1
    assert capsys.readouterr().out == f"{file}:2: 'reckoned': write compute, mark, value\n"
    # the glossary quotes them
    assert main([str(PROJECT / "CONTRIBUTING.md")]) == 0
    assert capsys.readouterr().out == ""


def test_no_file_of_the_project_has_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (PROJECT / ".git").exists():
        pytest.skip("a copy, without git's list of files")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    monkeypatch.chdir(PROJECT)
    names = [name for name in listed if name.endswith(SUFFIXES) and Path(name).is_file()]
    assert {"README.md", "python/duckbourse/settings.py"} <= set(names)
    assert main(names) == 0, capsys.readouterr().out
