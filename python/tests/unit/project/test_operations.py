"""The recipes of python/OPERATIONS.md: each is taken from the page, and run or checked."""

from __future__ import annotations

import configparser
import fcntl
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from duckbourse.settings import PROJECT, Settings

PAGE = (PROJECT / "python" / "OPERATIONS.md").read_text()
EVENING = ["ingest", "build", "freshness", "backup"]
# it notes its words, and fails where the test wants it to
STAND_IN = """#!/bin/sh
echo "$*" >>calls
echo "of $1"
case " $FAIL " in *" $1="*) code=${FAIL##*$1=}; exit "${code%% *}";; esac
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose `bourse` stands in for the real one, and the script of the page beside it."""
    folder = tmp_path / "project"
    (folder / "bin").mkdir(parents=True)
    for path, text in (("bourse", STAND_IN), ("bin/duckbourse-evening", blocks("sh")[0])):
        (folder / path).write_text(text)
        (folder / path).chmod(0o755)
    return folder


def here(text: str, project: Path) -> str:
    """Return a recipe with the folders of the test in place of those of the page."""
    text = text.replace("/usr/local/bin", f"{project}/bin").replace("/srv/duckbourse", str(project))
    return text.replace("/tmp/duckbourse.lock", f"{project}/lock")


def run(command: str, project: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line as cron does: by sh, with a bare PATH and nearly nothing else."""
    environment = {"PATH": f"{project}/bin:/usr/bin:/bin", "HOME": str(project), "SHELL": "/bin/sh"}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd="/",
        env={**environment, "PROJECT": str(project), **more},
        capture_output=True,
        text=True,
        check=False,
    )


def called(project: Path) -> list[str]:
    calls = project / "calls"
    found = [line.split()[0] for line in calls.read_text().splitlines()] if calls.exists() else []
    calls.unlink(missing_ok=True)
    return found


@pytest.mark.parametrize(
    ("fail", "code"),
    [("", 0), ("ingest=3", 3), ("build=1 freshness=8", 1), ("freshness=8 backup=6", 8)],
)
def test_every_step_runs_and_the_first_failure_is_reported(
    fail: str, code: int, project: Path
) -> None:
    done = run("duckbourse-evening", project, FAIL=fail)
    assert (done.returncode, called(project)) == (code, EVENING)
    failed = [word.split("=") for word in fail.split()]
    lines = done.stderr.splitlines()
    assert [line.split(" ./bourse ")[0] for line in lines] == [f"exit code {n}:" for _, n in failed]
    assert [line.split(" ./bourse ")[1].split()[0] for line in lines] == [
        name for name, _ in failed
    ]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \./bourse ingest /srv/drops ", done.stdout)


def test_an_evening_without_its_project_ends(project: Path) -> None:
    done = run("duckbourse-evening", project, PROJECT="/nowhere")
    assert (done.returncode, called(project)) == (2, [])


@pytest.mark.skipif(not shutil.which("flock"), reason="cron's line needs flock")
def test_cron_mails_only_what_failed(project: Path) -> None:
    *settings, line = blocks("cron")[0].splitlines()
    assert [each.split("=")[0] for each in settings] == ["PATH", "MAILTO", "CRON_TZ"]
    *times, command = line.split(" ", 5)
    assert times == ["35", "18", "*", "*", "*"]
    assert "%" not in command  # which cron reads as the end of the line
    command = here(command, project)
    done = run(command, project)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert called(project) == EVENING
    done = run(command, project, FAIL="freshness=8")
    assert (
        "exit code 8: ./bourse freshness --calendar XNSE --source bhavcopy --by 18:30\n"
        in done.stdout
    )
    assert called(project) == EVENING
    log = (project / "duckbourse.log").read_text()
    assert log.count("of build\n") == 2
    # while another evening is running
    with (project / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(command, project).stdout == ""
    assert called(project) == []
    # but if a step was not its turn
    assert "exit code 4: ./bourse build" in run(command, project, FAIL="build=4").stdout


def units(project: Path) -> dict[str, Path]:
    names = re.findall(r"^`/etc/systemd/system/(\S+)`:$", PAGE, re.MULTILINE)
    folder = project / "units"
    folder.mkdir()
    for name, text in zip(names, blocks("ini"), strict=True):
        (folder / name).write_text(here(text, project))
    return {name: folder / name for name in names}


def test_the_units_are_what_systemd_reads(project: Path) -> None:
    found = units(project)
    read = {}
    for name, path in found.items():
        parser = configparser.ConfigParser(interpolation=None, strict=True)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read(path)
        read[name] = {section: dict(parser[section]) for section in parser.sections()}
    evening, timer = read["duckbourse-evening.service"], read["duckbourse-evening.timer"]
    assert evening["Unit"]["OnFailure"] in read
    assert timer["Timer"]["Persistent"] == "true"
    assert timer["Install"] == {"WantedBy": "timers.target"}
    if not shutil.which("systemd-analyze"):
        pytest.skip("the units were read, but not verified: there is no systemd-analyze")
    for name, path in found.items():
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), name


def test_the_timer_and_the_other_schedules_name_one_time(project: Path) -> None:
    [calendar] = re.findall(r"^OnCalendar=(.*)$", PAGE, re.MULTILINE)
    assert calendar == "*-*-* 18:35 Asia/Kolkata"
    [workflow] = blocks("yaml")
    # 18:35 in India is 13:05 in UTC
    assert yaml.safe_load(workflow)[True]["schedule"] == [{"cron": "5 13 * * *"}]
    if not shutil.which("systemd-analyze"):
        pytest.skip("the times are one, but systemd did not read them: no systemd-analyze")
    command = ["systemd-analyze", "calendar", calendar]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("fail", "reported"), [("", False), ("ingest=3", True), ("build=1", True)])
def test_the_steps_of_the_workflow_run_in_order(fail: str, reported: bool, project: Path) -> None:
    [text] = blocks("yaml")
    # `on` is read as true
    [job] = yaml.safe_load(text)["jobs"].values()
    assert job["defaults"]["run"]["working-directory"] == "/srv/duckbourse"
    failed = False
    for step in job["steps"]:
        # what GitHub makes of the conditions that are used; without one, it is success()
        wanted = {None: not failed, "!cancelled()": True, "failure()": failed}
        if wanted[step["if"].strip("${} ") if "if" in step else None]:
            command = f"cd {project} && bash --noprofile --norc -eo pipefail -c '{step['run']}'"
            failed |= run(command, project, FAIL=fail).returncode != 0
    assert called(project) == [*EVENING, *(["notify"] if reported else [])]
    assert failed is reported
    for name in job["env"]:
        assert name.removeprefix("BOURSE_").lower() in Settings.model_fields


def test_all_recipes_have_the_same_steps() -> None:
    def steps(text: str) -> list[str]:
        found = re.findall(r"\./bourse ((?:ingest|build|freshness|backup)\b.*)", text)
        plain = [re.sub(r'"\$\{\w+:-(.*?)\}"', r"\1", each) for each in found]
        return [each.removesuffix(" --quiet") for each in plain]

    [workflow] = blocks("yaml")
    assert steps(blocks("sh")[0]) == steps(workflow)
    # nothing else may stand in for the vendor whose files are ingested
    ingest, _, freshness, _ = steps(workflow)
    assert f"{ingest.split(' --source ')[1]} " in freshness.split(" --source ")[1]
    assert [each.split()[0] for each in steps(workflow)] == EVENING


def test_the_settings_of_the_page_exist() -> None:
    for name in re.findall(r"\bBOURSE_(\w+)\b", PAGE):
        assert name.lower() in Settings.model_fields, name
