"""
Every model that computes has a unit test with handmade numbers, which cannot hide a fault.

The data of a build hide many faults: in rare cases, or in inputs of every other number, they leave
all data tests green. So every model that does more than select, rename or filter has a unit test in
its properties file; the exceptions are listed here, with the test that covers them.
"""

from __future__ import annotations

import re

import yaml

from duckbourse.settings import PROJECT

MODELS = PROJECT / "models"
# Model -> why it has no dbt unit test, and which test of python/tests covers it
COVERED_OTHERWISE = {
    "bars__stale_symbols": "reads the build before; acceptance/warehouse/test_increments.py",
    "indicators__stale_bars": "reads the build before; acceptance/warehouse/test_increments.py",
    "indicators__stale_symbols": "reads the build before; acceptance/warehouse/test_increments.py",
    "scanners__stale_sessions": "reads the build before; acceptance/warehouse/test_rebuild.py",
    "serving__indicator_catalog": "rows of the indicators' definitions; a data test has some",
    "serving__publication": "names the run that builds it; a data test holds the parts",
}
COMPUTES = re.compile(
    r"\b(over|group by|distinct|case|asof|unnest|qualify|except)\b"
    r"|\b(if|coalesce|nullif|least|greatest|sum|count|min|max|avg|median|product|list\w*|arg_\w+"
    r"|round|floor|sqrt|pow|hash|md5)\s*\("
    r"|[\w)\]] [*/+-] [\w(\[]"
)
# macros that do not compute
PLAIN = {"ref", "source", "config", "var", "env_var"}


def computes(sql: str) -> bool:
    """Return whether a model's SQL does more than select, rename, filter, join and union."""
    sql = re.sub(r"\{#.*?#\}", "", sql, flags=re.DOTALL)
    sql = re.sub(r"--.*", "", sql)
    called = re.findall(r"\{\{-?\s*(\w+)\(", sql)
    plain = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " relation ", sql, flags=re.DOTALL)
    plain = re.sub(r"select \*|\bcount\(\*\) = 0", "select", plain)
    return bool(COMPUTES.search(plain)) or bool(set(called) - PLAIN)


def test_every_model_that_computes_has_a_unit_test() -> None:
    tested = {
        test["model"]
        for file in MODELS.rglob("*.yml")
        for test in yaml.safe_load(file.read_text()).get("unit_tests", [])
    }
    models = [path for path in MODELS.rglob("*.sql") if not path.stem.endswith(".live")]
    computing = {path.stem for path in models if computes(path.read_text())}
    assert sorted(computing - tested - COVERED_OTHERWISE.keys()) == []
    # and no exception is obsolete
    assert sorted(COVERED_OTHERWISE.keys() - (computing - tested)) == []


def test_what_counts_as_computing() -> None:
    assert not computes("with bars as (select * from {{ ref('bars__ohlcv') }}) select a from bars")
    assert not computes("{# a + b #} select a -- sum(b)\nfrom {{ source('raw', 'daily') }}")
    assert computes("select a + b as c from {{ ref('bars__ohlcv') }}")
    assert computes("select max(a) as a from {{ ref('bars__ohlcv') }} group by b")
    assert computes("{{ indicators(['sma(20)']) }}")
