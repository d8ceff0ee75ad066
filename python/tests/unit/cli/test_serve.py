"""`./bourse serve`: where it says it is, its tokens, how it stops, and what it refuses."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

import httpx
import pytest

from duckbourse.cli.serve import listening_socket
from duckbourse.client import Client, token_in
from duckbourse.settings import PROJECT
from tests.support import commands
from tests.support.commands import Ended
from tests.unit.market.test_publications import published

pytestmark = pytest.mark.some_day
Run = Callable[..., Ended]
OWN = "own-" + "o" * 40


@pytest.fixture
def bourse(tmp_path: Path) -> Run:
    return partial(commands.bourse, tmp_path)


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


def test_it_serves_until_a_signal_with_tokens_that_only_the_owner_reads(tmp_path: Path) -> None:
    published(tmp_path, 1)
    for end in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(
            [sys.executable, "-m", "duckbourse.cli", "serve", "--port", "0"],
            env={**os.environ, "BOURSE_DATA_DIR": str(tmp_path)},
            cwd=PROJECT / "python",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            root = line(process.stdout).removeprefix("serving ").rstrip("/")
            reads, commands_ = line(process.stderr), line(process.stderr)
            tokens = [Path(each.partition(": ")[2]) for each in (reads, commands_)]
            assert (reads.split(":")[0], commands_.split(":")[0]) == (
                "token to read",
                "token of commands",
            )
            for path in tokens:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
                assert len(token_in(path)) == 64
            with Client(root, token_in(tokens[0])) as client:
                assert client.rows("publication")[0]["build_id"] == "b1"
            headers = {"authorization": f"Bearer {token_in(tokens[0])}"}
            with httpx.stream("GET", f"{root}/api/events", headers=headers) as stream:
                lines = stream.iter_lines()
                assert next(lines) == "retry: 2000"
                process.send_signal(end)
                assert set(lines) <= {"", ": still here"}
            assert process.wait(30) == 0
            printed = process.stderr.read() if process.stderr else ""
        assert printed.endswith("stopped\n")
        assert "Traceback" not in printed


def test_it_refuses_in_one_line(bourse: Run, tmp_path: Path) -> None:
    done = bourse("serve", "--port", "0")
    assert (done.returncode, "nothing has been published" in done.stderr) == (5, True)
    published(tmp_path, 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = bourse("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "cannot be listened on: Address already in use" in done.stderr
    assert "choose another: --port" in done.stderr
    done = bourse("serve", "--host", "0.0.0.0")
    assert (done.returncode, "needs a token of yours" in done.stderr) == (2, True)
    assert "set BOURSE_API_TOKEN" in done.stderr
    done = bourse("serve", "--host", "192.0.2.1", BOURSE_API_TOKEN=OWN)
    assert (done.returncode, "cannot be listened on" in done.stderr) == (2, True)
    done = bourse("serve", "--memory", "1; set x")
    assert (done.returncode, "is no size" in done.stderr) == (2, True)
    done = bourse("serve", BOURSE_API_TOKEN=OWN, BOURSE_API_COMMAND_TOKEN=OWN)
    assert (done.returncode, "the one that reads" in done.stderr) == (2, True)
    done = bourse("serve", BOURSE_API_TOKEN="short")
    assert (done.returncode, "short" in done.stderr) == (2, False)


def test_a_link_to_nothing_is_no_place_for_a_token(bourse: Run, tmp_path: Path) -> None:
    published(tmp_path, 1)
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "token").symlink_to(tmp_path / "gone")
    done = bourse("serve", "--port", "0")
    assert (done.returncode, "is a link to nothing" in done.stderr) == (2, True)
    assert (tmp_path / "api" / "token").is_symlink()


def test_a_token_file_is_checked(bourse: Run, tmp_path: Path) -> None:
    published(tmp_path, 1)
    path = tmp_path / "secret"
    done = bourse("serve", "--token-file", str(path))
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True)
    path.write_text(OWN)
    path.chmod(0o644)
    done = bourse("serve", "--token-file", str(path))
    assert (done.returncode, f"chmod 600 {path}" in done.stderr) == (2, True)
    path.chmod(0o600)
    for text in ("", "short", "two words " * 5, "é" * 40):
        path.write_text(text)
        done = bourse("serve", "--token-file", str(path))
        assert (done.returncode, "has no token" in done.stderr) == (2, True), text
        assert not text or text.strip() not in done.stderr


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from duckbourse.cli.serve import serve
    from duckbourse.errors import ConfigurationError

    monkeypatch.setattr("duckbourse.cli.serve.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="fastapi is not installed") as refused:
        serve()
    assert "pip install -e './python[serve]'" in refused.value.remedy


def test_the_two_parts_of_an_answer_are_sent_at_once() -> None:
    async def is_sent_at_once() -> bool:
        found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            own = writer.get_extra_info("socket")
            found.set_result(bool(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            writer.close()

        listening = listening_socket("127.0.0.1", 0)
        async with await asyncio.start_server(connected, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            answer = await found
            writer.close()
        return answer

    assert asyncio.run(is_sent_at_once())
