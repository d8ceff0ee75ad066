"""Events on their way to a receiver in this process: content, signature, faults and secrets."""

from __future__ import annotations

import logging
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from duckbourse import clock, state
from duckbourse.settings import EventKind, Settings
from duckbourse.telemetry import webhook
from duckbourse.telemetry.webhook import Event, problems, signed
from tests.support.commands import bourse
from tests.support.publications import make
from tests.support.receiver import Receiver, receiving
from tests.support.warehouse import empty_store

TOKEN = "T0ken-in-the-path"
# an example of Standard Webhooks
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = Event(EventKind.build_failed, "the build failed", "run 1", {"failed": ["test a"]})
NOON = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSE_SECONDS", 0)


def settings_of(receiver: Receiver, **values: str) -> Settings:
    url = f"{receiver.address}/{TOKEN}"
    return Settings(_env_file=None, **{"webhook_url": url, **values})  # type: ignore[call-arg, arg-type]


def sent(event: Event, settings: Settings) -> list[str]:
    with clock.driven_by(lambda: NOON):
        return problems(event, settings)


def test_the_whole_payload(receiver: Receiver) -> None:
    settings = settings_of(receiver)
    assert sent(EVENT, settings) == []
    [(path, body)] = receiver.got
    assert path == f"/{TOKEN}"
    id = body.pop("id")
    assert body == {
        "text": "the build failed",
        "event": "build_failed",
        "at": "2026-11-27T12:00:00Z",
        "host": socket.gethostname(),
        "details": {"failed": ["test a"]},
    }
    [headers] = receiver.headers
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == id
    assert headers["webhook-timestamp"] == "1795780800"
    assert "webhook-signature" not in headers


def test_the_same_event_has_the_same_id(receiver: Receiver) -> None:
    other = Event(EVENT.kind, EVENT.text, "run 2")
    for event in (EVENT, EVENT, other):
        assert sent(event, settings_of(receiver)) == []
    first, again, different = (body["id"] for _, body in receiver.got)
    assert first == again != different


def test_the_signature_is_that_of_standard_webhooks(receiver: Receiver) -> None:
    headers = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330"}
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signed(SECRET, headers, b'{"test": 2432232314}') == expected
    assert sent(EVENT, settings_of(receiver, webhook_secret=SECRET)) == []
    [headers] = receiver.headers
    assert headers["webhook-signature"] == signed(SECRET, headers, receiver.bodies[0])


@pytest.mark.parametrize(
    ("statuses", "problem", "tries"),
    [
        ([500, 429], None, 3),
        ([500, 502, 503], "status 503, 3 times", 3),
        ([404], "status 404", 1),
        ([302], "status 302", 1),
    ],
)
def test_a_server_may_fail_twice_and_a_redirect_is_not_followed(
    receiver: Receiver, statuses: list[int], problem: str | None, tries: int
) -> None:
    receiver.statuses = statuses
    receiver.elsewhere = f"{receiver.address}/elsewhere"
    found = sent(EVENT, settings_of(receiver))
    expected = [f"the webhook at 127.0.0.1 was not notified: {problem}"] if problem else []
    assert found == expected
    assert [path for path, _ in receiver.got] == [f"/{TOKEN}"] * tries


def test_a_receiver_that_is_not_there_is_named_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSE_SECONDS", 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x"
        settings = Settings(_env_file=None, webhook_url=url)  # type: ignore[call-arg, arg-type]
        assert sent(EVENT, settings) == [
            "the webhook at 127.0.0.1 was not notified: no connection, 3 times"
        ]


def test_a_receiver_that_hangs_is_not_awaited(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.hangs = True
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.05)
    expected = "the webhook at 127.0.0.1 was not notified: no answer in 0.05 s, 3 times"
    assert sent(EVENT, settings_of(receiver)) == [expected]


def test_a_webhook_that_drips_does_not_keep_the_chat_from_the_message(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, and the answer does not."""
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(webhook, "TRIES", 2)
    receiver.drips = True
    with receiving() as chat:
        settings = settings_of(
            receiver, telegram_token=TOKEN, telegram_chat="77", telegram_url=chat.address
        )
        began = clock.elapsed_seconds()
        assert sent(EVENT, settings) == [
            "the webhook at 127.0.0.1 was not notified: no answer in 1 s, 2 times"
        ]
        assert clock.elapsed_seconds() - began < 10
        assert len(chat.got) == 1
        assert len(receiver.got) == 2


def test_a_chat_gets_the_text_alone(receiver: Receiver) -> None:
    receiver.statuses = [500] * webhook.TRIES
    with receiving() as chat:
        settings = settings_of(
            receiver, telegram_token=TOKEN, telegram_chat="77", telegram_url=chat.address
        )
        # that the webhook fails does not keep the chat from the message
        assert len(sent(EVENT, settings)) == 1
        assert chat.got == [
            (f"/bot{TOKEN}/sendMessage", {"text": "the build failed", "chat_id": "77"})
        ]


def test_no_secret_is_shown_or_logged(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = settings_of(receiver, webhook_secret=SECRET)
    assert sent(EVENT, settings) == []
    for shown in (repr(settings), repr(webhook.targets(settings)), caplog.text):
        assert TOKEN not in shown
        assert SECRET not in shown


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("URL", f"ftp://example.com/{TOKEN}", "it is not an address of http:// or https://"),
        ("URL", TOKEN, "it is not an address of http:// or https://"),
        ("URL", f"https://[{TOKEN}", "it is not an address of http:// or https://"),
        (
            "SECRET",
            f"whsec_{TOKEN}",
            "it is not whsec_ and 24 bytes or more in base64, such as by: "
            'echo "whsec_$(openssl rand -base64 32)"',
        ),
    ],
)
def test_an_unusable_secret_is_named_and_not_shown(
    name: str, value: str, problem: str, tmp_path: Path
) -> None:
    done = bourse(tmp_path, "notify", "--test", **{f"BOURSE_WEBHOOK_{name}": value})
    assert done.returncode == 2
    assert done.stderr == (
        f"error: BOURSE_WEBHOOK_{name} is not usable: {problem}\n"
        f"  remedy: set BOURSE_WEBHOOK_{name} in the environment or in .env, or unset it for the"
        " default\n"
    )


def test_an_empty_setting_is_none(tmp_path: Path) -> None:
    """A scheduler sets a secret that it does not have to nothing."""
    names = ("WEBHOOK_URL", "WEBHOOK_SECRET", "WEBHOOK_EVENTS", "TELEGRAM_TOKEN", "TELEGRAM_URL")
    empty = {f"BOURSE_{name}": "" for name in names}
    done = bourse(tmp_path, "notify", "--test", BOURSE_TELEGRAM_CHAT="77", **empty)
    assert (done.returncode, done.stderr) == (
        2,
        "error: nobody would be notified: neither a webhook nor a Telegram chat is set\n"
        "  remedy: set BOURSE_WEBHOOK_URL in the environment or in .env\n",
    )


def test_every_empty_setting_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"BOURSE_{name.upper()}", "")
    found = Settings(_env_file=None)  # type: ignore[call-arg]
    for name, field in Settings.model_fields.items():
        assert getattr(found, name) == field.default, name


@pytest.mark.any_day
def test_a_test_message_reports_whether_it_arrived(receiver: Receiver, tmp_path: Path) -> None:
    hook = {"BOURSE_WEBHOOK_URL": f"{receiver.address}/{TOKEN}"}
    done = bourse(tmp_path, "notify", "--test", **hook)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "notified: the webhook at 127.0.0.1\n"
    done = bourse(tmp_path, "notify", "the backup failed", **hook)
    assert [body["text"] for _, body in receiver.got] == [
        f"a test of duckbourse on {socket.gethostname()}",
        "the backup failed",
    ]
    receiver.statuses = [403]
    done = bourse(tmp_path, "notify", "--test", **hook)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: the webhook at 127.0.0.1 was not notified: status 403\n"
        "  remedy: check the address, and whether this machine can reach it\n"
    )
    done = bourse(tmp_path, "notify", **hook)
    assert done.stderr == (
        "error: notify takes either a text or --test\n"
        "  remedy: to test the settings: ./bourse notify --test\n"
    )
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("words", "event"),
    [
        (("nowhere", "build"), "build_failed"),
        (("data", "build"), None),
        (("data", "build", "x"), None),
    ],
    ids=["a data folder that is gone", "another build is running", "a slip"],
)
@pytest.mark.some_day
def test_only_a_build_that_failed_is_announced(
    words: tuple[str, ...], event: str | None, receiver: Receiver, tmp_path: Path
) -> None:
    data = empty_store(tmp_path / "data")
    with state.sole_owner(data / "build" / "duckbourse.duckdb"):
        done = bourse(
            tmp_path / words[0], *words[1:], BOURSE_WEBHOOK_URL=f"{receiver.address}/{TOKEN}"
        )
    assert done.returncode == (2 if event or words[2:] else 4), done.stderr
    assert [body["event"] for _, body in receiver.got] == ([event] if event else [])


@pytest.mark.some_day
def test_each_publication_is_announced_without_its_tables(
    receiver: Receiver, tmp_path: Path
) -> None:
    """The way back too, under another id: a receiver drops what it already had."""
    hook = {"BOURSE_WEBHOOK_URL": receiver.address, "BOURSE_WEBHOOK_EVENTS": "published"}
    for generation in (1, 2):
        make(tmp_path / "data" / "build" / "duckbourse.duckdb", generation)
        assert bourse(tmp_path / "data", "publish", **hook).returncode == 0
    for _ in range(2):
        done = bourse(tmp_path / "data", "rollback", "b1", **hook)
        assert done.returncode == 0, done.stderr
        # already the current one
        bourse(tmp_path / "data", "rollback", "current", **hook)
        make(tmp_path / "data" / "build" / "duckbourse.duckdb", 2)
        assert bourse(tmp_path / "data", "publish").returncode == 0
    assert [body["text"].split(" on ")[0] for _, body in receiver.got] == [
        *("published", "published", "published again", "published again")
    ]
    assert [body["details"]["build_id"] for _, body in receiver.got] == ["b1", "b2", "b1", "b1"]
    assert len({body["id"] for _, body in receiver.got}) == 4
    for _, body in receiver.got:
        assert body["event"] == "published"
        assert not {"row_counts", "keys"} & body["details"].keys()
