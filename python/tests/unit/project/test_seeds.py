"""The properties file of a seed describes each column, and a slip in the CSV is named by it."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
import yaml

from duckbourse.seeds import problems
from duckbourse.settings import PROJECT
from tests.support.commands import bourse

CRP = "seeds/scanners/crp_presets.csv"
GAP = "seeds/scanners/gap_presets.csv"
PORTFOLIOS = "seeds/reference/portfolios.csv"
VAR = "seeds/reference/var_settings.csv"
HOLIDAYS = "seeds/calendars/holidays.csv"
WINDOWS = "seeds/reference/portfolio_windows.csv"
END = object()
# a file, what is in it and what is written instead (END adds it), and what is said
SLIPS: dict[str, tuple[str, object, str, list[str]]] = {
    "a column": (
        *(CRP, "min_score", "min_scor"),
        ["1: there is no column 'min_scor'; did you mean 'min_score'?"],
    ),
    "a column less": (
        *(VAR, ",lookback_sessions\n", "\n"),
        ["1: there is no lookback_sessions: add 1 column"],
    ),
    "a column twice": (
        *(VAR, "method,", "confidence,"),
        ["1: there are two columns 'confidence'", "1: there is no method: add 1 column"],
    ),
    "a column without a name": (
        *(WINDOWS, "window_sessions\n63\n", "window_sessions,\n63,\n"),
        ["1: column 2 has no name", "3: 1 value, but 2 columns"],
    ),
    "semicolons": (
        *(WINDOWS, "window_sessions\n", "window_sessions;note\n"),
        ["1: there is no column 'window_sessions;note'; did you mean 'window_sessions'?"],
    ),
    "tabs": (
        *("seeds/indicators/stored_indicators.csv", "family,timeframe", "family\ttimeframe"),
        ["1: the columns are separated by '\\t': separate them by ','"],
    ),
    "a decimal comma": (
        *(CRP, "aggressive,1.5,", "aggressive,1,5,"),
        ["3: 21 values, but 20 columns; quote any value that contains a comma"],
    ),
    "a value less": (*(CRP, "aggressive,1.5,", "aggressive,"), ["3: 19 values, but 20 columns"]),
    "a quote": (
        *(PORTFOLIOS, 'every January",weights', "every January,weights"),
        ["2: a quoted value has no closing quote, or something after it"],
    ),
    "a preset twice": (
        *(CRP, "\naggressive,", "\nstandard,"),
        ["3: preset standard is already on line 2"],
    ),
    "a row twice": (
        *(VAR, END, "historical,0.99,1,250\n"),
        [
            "70: method historical, confidence 0.99, horizon_sessions 1, lookback_sessions 250 is"
            " already on line 5"
        ],
    ),
    "a blank": (
        *(CRP, "\naggressive,", "\naggressive ,"),
        ["3: preset 'aggressive ' has leading or trailing whitespace"],
    ),
    "nothing": (*(CRP, "\naggressive,", "\n,"), ["3: preset is empty"]),
    "a date on the last line": (
        *(HOLIDAYS, END, "XNSE,2027-02-30,Never\n"),
        ["1096: session_date '2027-02-30' is not a date, such as 2010-05-28"],
    ),
    "a time": (
        *(GAP, "09:50", "9h50"),
        ["2: cutoff_time '9h50' is not a time of day, such as 09:50"],
    ),
    "a number": (
        *(GAP, "2.0,6.0", "2.0,6%"),
        ["2: take_profit_pct '6%' is not a number, such as 0.5"],
    ),
    "part of a session": (
        *(VAR, "historical,0.9,1,", "historical,0.9,1.5,"),
        ["2: horizon_sessions '1.5' is not a whole number"],
    ),
    "neither true nor false": (
        *(PORTFOLIOS, "0,0,false", "0,0,never"),
        ["2: has_cash_interest 'never' is not true or false"],
    ),
    "a word": (
        *(PORTFOLIOS, '",weights', '",wieghts'),
        ["2: source 'wieghts' is not known; did you mean 'weights'?"],
    ),
    "no word": (
        *(PORTFOLIOS, '",weights', '",gold'),
        ["2: source 'gold' is not known: it is one of weights, fills"],
    ),
    "a bound": (
        *(VAR, "historical,0.9,", "historical,90,"),
        ["2: violates confidence > 0.5 and confidence < 1: confidence = 90"],
    ),
    "a currency": (
        *(PORTFOLIOS, ",USD,", ",usd,"),
        ["2: violates currency matches ^[A-Z]{3}$: currency = usd"],
    ),
    "a rule of a row": (
        *(GAP, "09:50", "15:20"),
        ["2: violates exit_time > cutoff_time: cutoff_time = 15:20, exit_time = 15:15"],
    ),
    "weights": (
        *(CRP, ",50,0.4,0.3,", ",50,0.6,0.3,"),
        [
            "2: the weights must add up to 1: close_weight = 0.6, range_weight = 0.3,"
            " volume_weight = 0.2, momentum_weight = 0.1"
        ],
    ),
}


def test_every_column_of_a_seed_has_a_type_and_a_description() -> None:
    seeds = [
        (seed, properties.with_name(f"{seed['name']}.csv"))
        for properties in (PROJECT / "seeds").rglob("*.yml")
        for seed in yaml.safe_load(properties.read_text())["seeds"]
    ]
    wrong = []
    for seed, file in seeds:
        with file.open(newline="") as rows:
            header = sorted(next(csv.reader(rows)))
        described = [column["name"] for column in seed["columns"] if column["description"]]
        typed = seed["config"]["column_types"]
        if not header == sorted(described) == sorted(typed):
            wrong.append(seed["name"])
    assert len(seeds) > 30
    assert wrong == []


def slip(folder: Path, file: str, written: object, instead: str) -> None:
    """Copy a seed with its properties, and change its text once."""
    copy = folder / file
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy((PROJECT / file).with_suffix(".yml"), copy.parent)
    text = (PROJECT / file).read_text()
    assert written is END or str(written) in text
    copy.write_text(text + instead if written is END else text.replace(str(written), instead, 1))


def test_the_shipped_seeds_have_none() -> None:
    assert problems(PROJECT / "seeds") == []


@pytest.mark.parametrize(("file", "written", "instead", "said"), SLIPS.values(), ids=SLIPS.keys())
def test_a_slip_is_named_with_its_file_and_line(
    tmp_path: Path, file: str, written: object, instead: str, said: list[str]
) -> None:
    slip(tmp_path, file, written, instead)
    assert problems(tmp_path / "seeds") == [f"{file}:{line}" for line in said]


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    slip(tmp_path, HOLIDAYS, END, "")
    (tmp_path / HOLIDAYS).write_bytes(b"calendar,session_date,name\nXNSE,2024-01-26,F\xeate\n")
    assert problems(tmp_path / "seeds") == [f"{HOLIDAYS}:2: it is not UTF-8: save it as UTF-8"]


def test_a_line_is_that_of_an_editor(tmp_path: Path) -> None:
    # two lines in one value, an empty line, and the mark that Excel puts in front
    slip(tmp_path, HOLIDAYS, END, "")
    right = '\ufeffcalendar,session_date,name\n\nXNSE,2024-01-26,"Republic\nDay"\n'
    text = right + "XNSE,26 Jan,Day\n"
    (tmp_path / HOLIDAYS).write_text(text)
    [said] = problems(tmp_path / "seeds")
    assert said.startswith(f"{HOLIDAYS}:5: session_date '26 Jan' is not a date")


def test_a_seed_without_properties_may_have_any_columns(tmp_path: Path) -> None:
    slip(tmp_path, GAP, "preset,", "name,")
    (tmp_path / GAP).with_suffix(".yml").unlink()
    assert problems(tmp_path / "seeds") == []
    types = {"seeds": [{"name": "gap_presets", "config": {"column_types": {"cutof_time": "time"}}}]}
    (tmp_path / GAP).with_suffix(".yml").write_text(yaml.safe_dump(types))
    assert problems(tmp_path / "seeds") == [
        f"{GAP}:1: there is no column 'cutoff_time'; did you mean 'cutof_time'?"
    ]


def test_any_column_may_have_any_name(tmp_path: Path) -> None:
    slip(tmp_path, GAP, "preset,", 'c("[,')
    text = (tmp_path / GAP).read_text().replace('c("[', '"c(""["').replace("09:50", "15:20")
    (tmp_path / GAP).write_text(text)
    first, *rest = problems(tmp_path / "seeds")
    assert first.startswith(f"{GAP}:1: there is no column 'c(\"['")
    assert rest[-1] == (
        f"{GAP}:2: violates exit_time > cutoff_time: cutoff_time = 15:20, exit_time = 15:15"
    )


@pytest.mark.parametrize(
    "wrong", [[{"columns": []}, "gap_presets", {"name": "x", "columns": [{}]}], "x"]
)
def test_properties_that_are_none_are_left_to_dbt(tmp_path: Path, wrong: object) -> None:
    slip(tmp_path, GAP, "09:50", "9h50")
    (tmp_path / GAP).with_name("wrong.yml").write_text(yaml.safe_dump({"seeds": wrong}))
    (tmp_path / GAP).with_name("list.yml").write_text(yaml.safe_dump([wrong]))
    [said] = problems(tmp_path / "seeds")
    assert said.startswith(f"{GAP}:2: cutoff_time '9h50' is not a time of day")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "seeds:\n  - name x\n    config: 1\n",
            "3: mapping values are not allowed in this context",
        ),
        ('seeds:\n  - name: "x\n    config: 1\n', "2: found unexpected end of stream"),
        ("- a\nb: 1\n", "2: did not find expected '-' indicator"),
        ("a: \x01\n", "1: control characters are not allowed"),
    ],
)
def test_a_slip_in_properties_has_its_line_too(tmp_path: Path, text: str, said: str) -> None:
    slip(tmp_path, GAP, END, "")
    wrong = (tmp_path / GAP).with_suffix(".yml")
    wrong.write_text(text)
    [found] = problems(tmp_path / "seeds")
    line, _, problem = said.partition(": ")
    name = wrong.relative_to(tmp_path)
    assert found.startswith(f"{name}:{line}: it cannot be read as YAML: ")
    assert problem in found
    assert "\n" not in found


def test_a_rule_that_cannot_be_run_drops_no_other(tmp_path: Path) -> None:
    slip(tmp_path, GAP, "09:50", "15:20")
    properties = (tmp_path / GAP).with_suffix(".yml")
    content = yaml.safe_load(properties.read_text())
    tests = content["seeds"][0].setdefault("data_tests", [])
    tests.insert(
        0, {"dbt_expectations.expression_is_true": {"arguments": {"expression": "no > 1"}}}
    )
    match = "dbt_expectations.expect_column_values_to_match_regex"
    content["seeds"][0]["columns"][0].setdefault("data_tests", []).append(
        {match: {"arguments": {"regex": "^it's$"}}}
    )
    properties.write_text(yaml.safe_dump(content))
    said = [line.partition(":2: ")[2] for line in problems(tmp_path / "seeds")]
    assert "violates exit_time > cutoff_time: cutoff_time = 15:20, exit_time = 15:15" in said
    assert "violates preset matches ^it's$: preset = standard" in said


def test_a_build_lists_every_slip_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slip(tmp_path, GAP, "09:50", "9h50")
    slip(tmp_path, CRP, "min_score", "min_scor")
    monkeypatch.setattr("duckbourse.cli.build.PROJECT", tmp_path)
    done = bourse(tmp_path, "build")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines() == [
        f"✗ {CRP}:1: there is no column 'min_scor'; did you mean 'min_score'?",
        f"✗ {GAP}:2: cutoff_time '9h50' is not a time of day, such as 09:50",
        "error: 2 errors in the seeds",
        "  remedy: correct what is listed above and run it again; nothing was built",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["seeds"]
