"""The properties files of the indicator families match the indicators' definitions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from duckbourse.errors import BuildFailed
from duckbourse.properties import properties
from duckbourse.settings import PROJECT
from tests.support.warehouse import Warehouse


def test_every_properties_file_is_up_to_date(warehouse: Warehouse) -> None:
    written = properties(warehouse.inline).items()
    stale = [file for file, text in written if not file.exists() or file.read_text() != text]
    assert [str(file.relative_to(PROJECT)) for file in stale] == [], "run `./bourse properties`"


def test_the_command_reports_what_dbt_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dbt = tmp_path / "dbt"
    dbt.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word" >> asked; done\necho "{}"\n')
    dbt.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("duckbourse.templates.PROJECT", tmp_path)
    assert [text.count("name: ") for text in properties().values()] == [6]
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("--quiet\n--no-use-colors\n--no-write-json\ncompile\n")
    assert "{{ family_properties(chosen) }}" in asked
    dbt.write_text('#!/bin/sh\necho "Compilation Error"\necho "  no macro"\nexit 2\n')
    with pytest.raises(BuildFailed, match=r"(?m)^no macro$"):
        properties()


def test_a_template_that_dbt_cannot_compile_fails_its_test(warehouse: Warehouse) -> None:
    with pytest.raises(AssertionError, match="'no_such_macro' is undefined"):
        warehouse.inline("{{ no_such_macro() }}")
