"""Files that must not be opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from duckbourse.disk import refuse_special
from duckbourse.errors import ConfigurationError


@pytest.mark.parametrize("name", ["seeds/reference/new.csv", "models/new.sql", "models/new.yml"])
def test_a_pipe_among_the_files_that_a_build_reads_is_refused(name: str, tmp_path: Path) -> None:
    pipe = tmp_path / name
    pipe.parent.mkdir(parents=True)
    (tmp_path / "models").mkdir(exist_ok=True)
    pipe.with_name("plain.csv").write_text("a\n1\n")
    pipe.with_name("nowhere.csv").symlink_to(tmp_path / "gone")
    refuse_special(tmp_path, ("seeds", "models", "macros"))
    os.mkfifo(pipe)
    with pytest.raises(ConfigurationError) as refused:
        refuse_special(tmp_path, ("seeds", "models", "macros"))
    assert str(refused.value) == f"{name} is a pipe, which cannot be read as a file"
    assert refused.value.remedy == f"remove it, or write a file of that name: `rm {pipe}`"
