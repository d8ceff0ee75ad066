"""Delete or corrupt the day and all later data: no estimate for the day changes by a bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from tests.support.portfolio_fixture import METHODS
from tests.support.warehouse import Warehouse

Rows = list[tuple[Any, ...]]

# with a tenth of every lookback, the period covers the longest one twice and some days more
SINCE, DAY, UNTIL = "2011-06-01", "2012-06-15", "2012-08-01"
LAST = "risk.var_estimates"

# changes to a session's own day and later ones
FUTURES = {
    "deleted": {
        "portfolio.returns": "delete from {relation} where session_date >= '{day}'",
        "portfolio.weights": "delete from {relation} where session_date >= '{day}'",
        "bars.total_return_closes": "delete from {relation} where session_date >= '{day}'",
    },
    "corrupted": {
        "portfolio.returns": "update {relation} set gross_return = gross_return * -7 - 0.3"
        " where session_date >= '{day}'",
        # the holdings at the start of the day are known by then
        "portfolio.weights": "update {relation} set"
        " weight = if(session_date = '{day}', weight, weight * -7 + 0.5),"
        " closing_weight = closing_weight * -7 + 0.5, symbol_return = symbol_return * -7 - 0.3"
        " where session_date >= '{day}'",
        "bars.total_return_closes": "update {relation} set"
        " total_return_close = total_return_close * (3 + day(session_date) % 7)"
        " where session_date >= '{day}'",
    },
}
NEXT_DAY = (
    "lookback_sessions preceding and 1 preceding",
    "lookback_sessions - 1 preceding and current row",
)
# a look-ahead planted in each method and in each step that the methods use
PLANTED = {
    "risk.var_historical": (NEXT_DAY, {"historical"}),
    "risk.var_age_weighted": (NEXT_DAY, {"age_weighted"}),
    "risk.var_filtered_historical": (NEXT_DAY, {"filtered_historical"}),
    "risk.moments": (NEXT_DAY, {"normal", "student_t", "cornish_fisher"}),
    "risk.ewma_volatilities": (NEXT_DAY, {"ewma", "filtered_historical"}),
    "risk.factor_loadings": (NEXT_DAY, {"monte_carlo"}),
    "risk.held_weights": (
        (
            "        weight\n    from weights",
            "        closing_weight as weight\n    from weights",
        ),
        {"monte_carlo"},
    ),
    "risk.horizon_returns": (
        (
            "earlier_sessions preceding and current row",
            "1 following and earlier_sessions + 1 following",
        ),
        set(METHODS) - {"monte_carlo"},
    ),
}


class RiskModels:
    """The models behind the estimates, as dbt compiled them, on inputs of a few years."""

    def __init__(self, sample: Warehouse) -> None:
        nodes: dict[str, Any] = json.loads((sample.target / "manifest.json").read_text())["nodes"]
        named = {f"{node['schema']}.{node['alias']}": name for name, node in nodes.items()}
        self.steps: dict[str, str] = {}
        self.inputs: set[str] = set()
        self._visit(sample, nodes, named[LAST])
        self.connection = duckdb.connect()
        self.connection.execute(f"attach '{sample.file}' as built (read_only)")
        self.connection.execute("attach ':memory:' as origin")
        for relation in self.inputs:
            self.connection.execute(f"create schema if not exists origin.{relation.split('.')[0]}")
            kept = ""
            if relation in FUTURES["deleted"]:
                kept = f" where session_date between '{SINCE}' and '{UNTIL}'"
            self.connection.execute(
                f"create table origin.{relation} as from built.{relation}{kept}"
            )

        self.connection.execute(
            "update origin.seeds.var_settings set lookback_sessions = lookback_sessions // 10"
        )

    def _visit(self, sample: Warehouse, nodes: dict[str, Any], name: str) -> None:
        node = nodes[name]
        relation = f"{node['schema']}.{node['alias']}"
        if node["resource_type"] != "model" or node["schema"] != "risk":
            self.inputs.add(relation)
            return
        for parent in node["depends_on"]["nodes"]:
            self._visit(sample, nodes, parent)
        self.steps.setdefault(relation, sample.compiled(node["name"]))

    def lay_out(self, change: str | None) -> None:
        """Set up the inputs, change the future data, and build the models."""
        self.connection.execute("detach database if exists duckbourse")
        self.connection.execute("attach ':memory:' as duckbourse")
        self.connection.execute("create schema duckbourse.risk")
        for relation in self.inputs:
            schema = relation.split(".")[0]
            self.connection.execute(f"create schema if not exists duckbourse.{schema}")
            self.connection.execute(f"create table duckbourse.{relation} as from origin.{relation}")
        for relation, statement in FUTURES.get(change or "", {}).items():
            self.connection.execute(statement.format(relation=f"duckbourse.{relation}", day=DAY))
        self.build(*self.steps)

    def build(self, *relations: str, mistake: tuple[str, str] | None = None) -> None:
        for relation in relations:
            sql = self.steps[relation]
            if mistake:
                assert mistake[0] in sql, relation
                sql = sql.replace(*mistake)
            self.connection.execute(f"create or replace table duckbourse.{relation} as {sql}")

    def answers(self, method: str, days: str = "<=") -> Rows:
        """Return the estimates of a method up to and including the day."""
        return self.connection.execute(
            f"select t::varchar from duckbourse.risk.var_{method} as t"
            f" where session_date {days} '{DAY}' order by all"
        ).fetchall()

    def readers(self, relation: str, methods: set[str]) -> list[str]:
        """Return the models that depend on a relation, in order, without other methods."""
        affected = [relation]
        for step, sql in self.steps.items():
            reads = any(f'"{one.split(".")[0]}"."{one.split(".")[1]}"' in sql for one in affected)
            other = step.removeprefix("risk.var_") in set(METHODS) - methods
            if reads and not other and step not in (*affected, LAST, "risk.normal_draws"):
                affected.append(step)
        return affected[1:]


@pytest.fixture(scope="module")
def models(sample: Warehouse) -> Iterator[RiskModels]:
    built = RiskModels(sample)
    yield built
    built.connection.close()


def test_no_estimate_uses_its_own_day(models: RiskModels) -> None:
    """Every planted look-ahead is detected, so the test can fail."""
    as_built: dict[str, Rows] = {}
    planted: dict[tuple[str, str], list[Rows]] = {}
    for change in (None, *FUTURES):
        models.lay_out(change)
        for method in METHODS:
            found = models.answers(method)
            assert found == as_built.setdefault(method, found), (method, change)
        for relation, (mistake, methods) in PLANTED.items():
            steps = models.readers(relation, methods)
            models.build(relation, mistake=mistake)
            models.build(*steps)
            for method in methods:
                planted.setdefault((relation, method), []).append(models.answers(method))
            models.build(relation, *steps)
    for method, rows in as_built.items():
        of_day = [row for row in rows if DAY in row[0] and "NULL" not in row[0]]
        assert of_day, f"{method} has no estimate for the day, which proves nothing"
    unseen = [
        place
        for place, (first, *futures) in planted.items()
        if all(future == first for future in futures)
    ]
    assert unseen == []
