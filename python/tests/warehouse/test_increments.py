"""Indicators go on from what is stored, and end with what a full build would have made."""

from __future__ import annotations

from duckbourse.settings import PROJECT
from tests.warehouse.conftest import Warehouse
from tests.warehouse.deliveries import deliver

FAMILIES = sorted(
    model.stem.removeprefix("indicators__")
    for model in (PROJECT / "models" / "indicators").glob("*.sql")
    if "{{ indicators(" in model.read_text()
)
RELATIONS = [*(f"indicators.{family}" for family in FAMILIES), "serving.latest_indicators"]
MODELS = ("-s", "+serving__latest_indicators", "+indicators__built_days")
GOES_ON = "-- goes on with code"


def went_on(warehouse: Warehouse) -> list[str]:
    return [f for f in FAMILIES if GOES_ON in warehouse.compiled(f"indicators__{f}")]


def test_indicators_go_on_as_if_built_at_once(warehouse: Warehouse) -> None:
    warehouse.build(*MODELS)
    assert went_on(warehouse) == []
    first = warehouse.content(*RELATIONS)

    warehouse.build(*MODELS)
    assert went_on(warehouse) == FAMILIES
    assert warehouse.content(*RELATIONS) == first, "nothing new, nothing changed"

    # a new session of whatever was still traded: of minutes, and of days
    sample = f"read_parquet('{warehouse.data}/sample/{{}}/**/*.parquet')"
    deliver(
        warehouse,
        "new_minutes",
        "minute",
        "select * replace (bar_ts + interval 4 days as bar_ts, date '2010-06-01' as session_date, "
        "high * 1.002 as high, close * 1.001 as close) "
        f"from {sample.format('minute')} where session_date = '2010-05-28'",
        "2026-11-02",
    )
    deliver(
        warehouse,
        "new_days",
        "daily",
        "select * replace (date '2013-03-04' as session_date, high * 1.02 as high, "
        "close * 1.01 as close) "
        f"from {sample.format('daily')} where session_date = '2013-03-01'",
        "2026-11-02",
    )
    warehouse.build(*MODELS)
    assert went_on(warehouse) == FAMILIES
    new_session = warehouse.content(*RELATIONS)
    assert [name for name in RELATIONS if new_session[name] == first[name]] == []
    assert warehouse.query(
        "select count(*) > 0, count(*) = count(ema_20) from indicators.moving_averages "
        "where timeframe = '1m' and bar_ts >= '2010-06-01'"
    ) == [(True, True)]

    # corrections of the past, on a Wednesday, and a symbol that was not there before
    deliver(
        warehouse,
        "corrected_days",
        "daily",
        "select * replace (close * 1.001 as close, high * 1.01 as high) "
        f"from {sample.format('daily')} "
        "where symbol in ('MMM', 'KO', 'AAPL') and session_date = '2010-03-03'",
        "2026-11-05",
    )
    deliver(
        warehouse,
        "corrected_minutes",
        "minute",
        "select * replace (high + 0.05 as high, volume + 7 as volume) "
        f"from {sample.format('minute')} where symbol = 'IBM' and session_date = '2010-05-20'",
        "2026-11-05",
    )
    deliver(
        warehouse,
        "new_symbol",
        "daily",
        "select * replace ('NEWLY_LISTED' as symbol) "
        f"from {sample.format('daily')} where symbol = 'FB'",
        "2026-11-05",
    )
    warehouse.build(*MODELS)
    assert went_on(warehouse) == FAMILIES
    corrected = warehouse.content(*RELATIONS)
    assert [name for name in RELATIONS if corrected[name] == new_session[name]] == []

    warehouse.build(*MODELS, "--full-refresh")
    assert went_on(warehouse) == []
    assert warehouse.content(*RELATIONS) == corrected
    warehouse.build(*MODELS, "--full-refresh", "--vars", "{as_of: '2026-11-04 12:00:00'}")
    assert warehouse.content(*RELATIONS) == new_session
