"""When pages are drawn again, and how long they wait for a server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from duckbourse.report import WEB
from tests.browser.test_pages import HERE, node


def test_a_page_is_drawn_however_long_answers_take(tmp_path: Path) -> None:
    folder = tmp_path / "js"
    shutil.copytree(str(WEB / "js"), folder)
    (folder / "package.json").write_text('{"type": "module"}')
    command = [node(), "drawing.mjs", str(folder)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
