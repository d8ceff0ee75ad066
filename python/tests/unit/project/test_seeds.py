"""The properties file of a seed describes each column, and a slip in the CSV is named by it."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import duckdb
import pytest
import yaml

from duckbourse.rules import parts
from duckbourse.seeds import Findings, check
from duckbourse.seeds.properties import seeds_in
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
        ["2: confidence must be below 1: confidence = 90"],
    ),
    "a currency": (
        *(PORTFOLIOS, ",USD,", ",usd,"),
        ["2: currency must match ^[A-Z]{3}$: currency = usd"],
    ),
    "a rule of a row": (
        *(GAP, "09:50", "15:20"),
        ["2: exit_time must be after cutoff_time: cutoff_time = 15:20, exit_time = 15:15"],
    ),
    "a period without a day": (
        *("seeds/reference/stress_windows.csv", "1998-10-08", "1998-07-17"),
        ["2: last_date must be after first_date: first_date = 1998-07-17, last_date = 1998-07-17"],
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
    assert check(PROJECT / "seeds") == Findings()


def test_every_rule_has_words() -> None:
    seeds, _ = seeds_in(PROJECT / "seeds")
    with duckdb.connect() as connection:
        wordless = [
            (name, sql)
            for name, seed in seeds.items()
            for rule in seed.rules
            if not rule.words
            for sql, words in parts(connection, rule.sql)
            if not words
        ]
    assert sum(len(seed.rules) for seed in seeds.values()) > 100
    assert wordless == []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of all that the check reads."""
    for folder in ("seeds", "tests", "macros/indicators"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    return tmp_path


def edit(project: Path, file: str, written: object, instead: str) -> None:
    """Replace the first such text of a file, or add to its end."""
    text = (project / file).read_text()
    assert written is END or str(written) in text
    text = text + instead if written is END else text.replace(str(written), instead, 1)
    (project / file).write_text(text)


# what names other seeds or what was delivered, or is a truth of several rows
SLIPS_OF_SEVERAL: dict[str, tuple[str, object, str, list[str]]] = {
    "a calendar": (
        *("seeds/backtests/backtest_settings.csv", "us_fixed,XNYS", "us_fixed,XNYZ"),
        ["2: there is no calendar 'XNYZ'; did you mean 'XNYS'?"],
    ),
    "a segment": (
        *("seeds/backtests/outcome_settings.csv", "us_equity", "us_equty"),
        ["2: there is no segment of charges 'us_equty'; did you mean 'us_equity'?"],
    ),
    "a benchmark": (
        *(PORTFOLIOS, ",SPX,", ",SPXX,"),
        ["2: benchmark: there is no symbol 'SPXX'; did you mean 'SPX'?"],
    ),
    "a symbol": (
        *("seeds/reference/portfolio_weights.csv", "1990-01-02,AAPL", "1990-01-02,AAPLE"),
        ["2: there is no symbol 'AAPLE'; did you mean 'AAPL'?"],
    ),
    "a symbol that was delivered and is no instrument": (
        *("seeds/reference/corporate_actions.csv", END, "MFE,2010-08-20,split,1,2,,\n"),
        [],
    ),
    "a sector": (
        *("seeds/reference/stress_shocks.csv", "Information Technology", "Infomation Technology"),
        [
            "5: name: there is no sector 'Infomation Technology';"
            " did you mean 'Information Technology'?"
        ],
    ),
    "a scanner": (
        *("seeds/scanners/score_tiers.csv", "crp,close,0", "cpr,close,0"),
        ["2: there is no scanner with tiers 'cpr'; did you mean 'crp'?"],
    ),
    "a component": (
        *("seeds/scanners/score_tiers.csv", "crp,close,0", "crp,closes,0"),
        ["2: there is no component of crp 'closes'; did you mean 'close'?"],
    ),
    "tiers that are not there": (
        *("seeds/scanners/score_tiers.csv", "crp,close,0,1\ncrp,close,-infinity,0.25\n", ""),
        [
            "1: there is no row with scanner crp, component close and more_than = '-infinity':"
            " add it"
        ],
    ),
    "tiers that rise and fall": (
        *("seeds/scanners/score_tiers.csv", END, "crp,close,2,0.5\n"),
        ["2: the shares of crp close both rise and fall with more_than"],
    ),
    "a parameter": (
        *("seeds/backtests/sweep_grid.csv", "max_signals,1,3,1\n", ""),
        ["1: there is no row with parameter max_signals: add it"],
    ),
    "a family": (
        *("seeds/indicators/stored_indicators.csv", "moving_averages,1m", "moving_average,1m"),
        ["2: there is no family 'moving_average'; did you mean 'moving_averages'?"],
    ),
    "a timeframe of another seed": (
        *("seeds/scanners/pattern_presets.csv", "intraday,15m", "intraday,1h"),
        ["3: there is no timeframe of pattern_settings '1h': it is one of 15m, 1d"],
    ),
    "a portfolio without weights": (
        *(PORTFOLIOS, END, "mine,Mine,weights,5,1000000,USD,XNYS,,0,0,false\n"),
        [
            "4: there is no row of portfolio_weights for 'mine':"
            " add its weights to seeds/reference/portfolio_weights.csv"
        ],
    ),
    "a portfolio of no account": (
        *(PORTFOLIOS, END, "paper_usa,Mine,fills,5,1000000,USD,XNYS,,0,0,false\n"),
        ["4: portfolio: there is no account 'paper_usa'; did you mean 'paper_us'?"],
    ),
    "weights above 1": (
        *("seeds/reference/portfolio_weights.csv", "1990-01-02,AAPL,0.05", "1990-01-02,AAPL,0.5"),
        ["2: the weights of equal_20 from 1990-01-02 add up to 1.45, above 1"],
    ),
    "a scenario twice": (
        *("seeds/reference/stress_shocks.csv", "market_down_10,", "russia_1998,"),
        ["2: a scenario of the same name is in stress_windows: scenario = russia_1998"],
    ),
    "a weekend": (
        *("seeds/reference/corporate_actions.csv", "2005-02-28", "2005-02-26"),
        ["3: ex_date is a Saturday or Sunday without a session: ex_date = 2005-02-26"],
    ),
    "one slip that others follow from": (
        *(PORTFOLIOS, '",weights', '",wieghts'),
        ["2: source 'wieghts' is not known; did you mean 'weights'?"],
    ),
}


@pytest.mark.parametrize("slip_of", SLIPS_OF_SEVERAL.values(), ids=SLIPS_OF_SEVERAL.keys())
def test_what_seeds_say_of_each_other_is_checked_too(
    project: Path, slip_of: tuple[str, object, str, list[str]]
) -> None:
    file, written, instead, said = slip_of
    edit(project, file, written, instead)
    assert check(project / "seeds").errors == [f"{file}:{line}" for line in said]


def test_a_name_of_many_lines_is_one_slip(project: Path) -> None:
    edit(project, "seeds/calendars/calendars.csv", "XNSE,", "XNSEX,")
    assert check(project / "seeds").errors == [
        "seeds/backtests/backtest_settings.csv:6: there is no calendar 'XNSE'"
        " (on 429 lines of 6 seeds); did you mean 'XNSEX'?"
    ]


def test_all_slips_are_found_at_once(project: Path) -> None:
    several = ["a calendar", "a sector", "a component", "a family", "weights above 1", "a weekend"]
    said = []
    for file, written, instead, lines in (SLIPS_OF_SEVERAL[name] for name in several):
        edit(project, file, written, instead)
        said += [f"{file}:{line}" for line in lines]
    edit(project, GAP, "09:50", "9h50")
    edit(project, GAP, "2.0,6.0", "-2.0,6.0")
    found = check(project / "seeds")
    assert sorted(found.errors) == sorted(
        [
            *said,
            f"{GAP}:2: cutoff_time '9h50' is not a time of day, such as 09:50",
            f"{GAP}:2: stop_loss_pct must be above 0: stop_loss_pct = -2.0",
        ]
    )


def test_what_is_harmless_is_a_warning(project: Path) -> None:
    edit(project, HOLIDAYS, END, "XNYS,2026-03-07,Nothing\n")
    edit(
        project,
        "seeds/reference/portfolio_weights.csv",
        "equal_20,1990-01-02,AAPL",
        "equal_20,1989-12-30,AAPL",
    )
    edit(project, "seeds/reference/vendor_symbols.csv", END, "wiki6,BRK.B,BRK-B\n")
    found = check(project / "seeds")
    assert found.errors == []
    assert found.warnings == [
        f"{HOLIDAYS}:1096: the calendar has no session on that day of the week anyway:"
        " calendar = XNYS, session_date = 2026-03-07",
        "seeds/reference/portfolio_weights.csv:2: the portfolio's calendar has no session on that"
        " day of the week: portfolio = equal_20, effective_from = 1989-12-30",
        "seeds/reference/vendor_symbols.csv:2: there is no source of a delivery 'wiki6';"
        " did you mean 'wiki5'?",
        "seeds/reference/vendor_symbols.csv:2: there is no symbol 'BRK-B'; did you mean 'BRK.B'?",
    ]
    assert found.warned == {
        "holidays_are_days_of_regular_hours",
        "portfolio_weights_are_of_days_with_hours",
        "vendor_symbols_name_sources_that_exist",
        "vendor_symbols_name_symbols_that_exist",
    }


@pytest.mark.parametrize(("file", "written", "instead", "said"), SLIPS.values(), ids=SLIPS.keys())
def test_a_slip_is_named_with_its_file_and_line(
    tmp_path: Path, file: str, written: object, instead: str, said: list[str]
) -> None:
    slip(tmp_path, file, written, instead)
    assert check(tmp_path / "seeds").errors == [f"{file}:{line}" for line in said]


def test_rows_without_a_key_do_not_repeat_each_other(tmp_path: Path) -> None:
    names = (PROJECT / VAR).read_text().splitlines()[0].count(",")
    slip(tmp_path, VAR, END, f'""{"," * names}\n""{"," * names}\n')
    errors = check(tmp_path / "seeds").errors
    assert errors
    assert [line for line in errors if "already" in line] == []


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    slip(tmp_path, HOLIDAYS, END, "")
    (tmp_path / HOLIDAYS).write_bytes(b"calendar,session_date,name\nXNSE,2024-01-26,F\xeate\n")
    assert check(tmp_path / "seeds").errors == [f"{HOLIDAYS}:2: it is not UTF-8: save it as UTF-8"]


def test_a_line_is_that_of_an_editor(tmp_path: Path) -> None:
    # two lines in one value, an empty line, and the mark that Excel puts in front
    slip(tmp_path, HOLIDAYS, END, "")
    right = '\ufeffcalendar,session_date,name\n\nXNSE,2024-01-26,"Republic\nDay"\n'
    text = right + "XNSE,26 Jan,Day\n"
    (tmp_path / HOLIDAYS).write_text(text)
    [said] = check(tmp_path / "seeds").errors
    assert said.startswith(f"{HOLIDAYS}:5: session_date '26 Jan' is not a date")


def test_a_seed_without_properties_may_have_any_columns(tmp_path: Path) -> None:
    slip(tmp_path, GAP, "preset,", "name,")
    (tmp_path / GAP).with_suffix(".yml").unlink()
    assert check(tmp_path / "seeds").errors == []
    types = {"seeds": [{"name": "gap_presets", "config": {"column_types": {"cutof_time": "time"}}}]}
    (tmp_path / GAP).with_suffix(".yml").write_text(yaml.safe_dump(types))
    assert check(tmp_path / "seeds").errors == [
        f"{GAP}:1: there is no column 'cutoff_time'; did you mean 'cutof_time'?"
    ]


def test_any_column_may_have_any_name(tmp_path: Path) -> None:
    slip(tmp_path, GAP, "preset,", 'c("[,')
    text = (tmp_path / GAP).read_text().replace('c("[', '"c(""["').replace("09:50", "15:20")
    (tmp_path / GAP).write_text(text)
    first, *rest = check(tmp_path / "seeds").errors
    assert first.startswith(f"{GAP}:1: there is no column 'c(\"['")
    assert rest[-1] == (
        f"{GAP}:2: exit_time must be after cutoff_time: cutoff_time = 15:20, exit_time = 15:15"
    )


@pytest.mark.parametrize(
    "wrong", [[{"columns": []}, "gap_presets", {"name": "x", "columns": [{}]}], "x"]
)
def test_properties_that_are_none_are_left_to_dbt(tmp_path: Path, wrong: object) -> None:
    slip(tmp_path, GAP, "09:50", "9h50")
    (tmp_path / GAP).with_name("wrong.yml").write_text(yaml.safe_dump({"seeds": wrong}))
    (tmp_path / GAP).with_name("list.yml").write_text(yaml.safe_dump([wrong]))
    [said] = check(tmp_path / "seeds").errors
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
    [found] = check(tmp_path / "seeds").errors
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
    said = [line.partition(":2: ")[2] for line in check(tmp_path / "seeds").errors]
    assert "exit_time must be after cutoff_time: cutoff_time = 15:20, exit_time = 15:15" in said
    assert "preset must match ^it's$: preset = standard" in said


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
