"""What is tested of the pages without a browser: drawing again, waiting, numbers and files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from duckbourse.report import WEB
from tests.browser.test_pages import HERE, node


@pytest.mark.parametrize("script", ["drawing.mjs", "words.mjs"])
def test_the_modules_do_without_a_browser(tmp_path: Path, script: str) -> None:
    folder = tmp_path / "js"
    shutil.copytree(str(WEB / "js"), folder)
    (folder / "package.json").write_text('{"type": "module"}')
    command = [node(), script, str(folder)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
