"""The named selections in selectors.yml, as dbt resolves them."""

from __future__ import annotations

import re

import yaml

from duckbourse.settings import PROJECT
from tests.support.warehouse import Warehouse

SELECTORS = {
    one["name"]: one["definition"]
    for one in yaml.safe_load((PROJECT / "selectors.yml").read_text())["selectors"]
}
MODELS = {
    file.stem: file
    for file in (PROJECT / "models").rglob("*__*.sql")
    if not file.stem.endswith(".live")  # dbt does not build these
}
SEEDS = {file.stem for file in (PROJECT / "seeds").rglob("*.csv")}


def selected(warehouse: Warehouse, selector: str) -> set[str]:
    """Return the names of the models and seeds that a selector chooses."""
    kinds = ("--resource-type", "model", "--resource-type", "seed")
    printed = warehouse.dbt("ls", "--selector", selector, *kinds, "--output", "name")
    return {line.strip() for line in printed.splitlines()} & {*MODELS, *SEEDS}


def test_nightly_is_everything(sample: Warehouse) -> None:
    assert selected(sample, "nightly") == {*MODELS, *SEEDS}


def test_each_layer_has_a_selector_with_its_models_alone(sample: Warehouse) -> None:
    layers = {path.name for path in (PROJECT / "models").iterdir() if path.is_dir()}
    assert set(SELECTORS) == {"nightly", "live"} | layers
    for layer in layers:
        assert SELECTORS[layer] == {"method": "path", "value": f"models/{layer}"}
    assert selected(sample, "risk") == {name for name in MODELS if name.startswith("risk__")}


def test_live_has_what_a_live_session_reads_and_all_that_it_is_built_from(
    sample: Warehouse,
) -> None:
    live = selected(sample, "live")
    listed = yaml.safe_load((PROJECT / "models" / "exposures.yml").read_text())["exposures"]
    [loop] = [one for one in listed if one["name"] == "trading_loop"]
    needed = set(re.findall(r"ref\('(\w+)'\)", " ".join(loop["depends_on"])))
    # what the published SQL of the live models reads, and the cutoffs, which are private
    codes = " ".join(str(code) for (code,) in sample.query("select code from serving.live_models"))
    read = {
        name.removeprefix("seeds.").replace(".", "__", 1)
        for name in re.findall(r"\b(?:bars|scanners|indicators|seeds)\.\w+", codes)
    } & {*MODELS, *SEEDS}
    assert len(read) > 10
    needed |= read | {"scanners__cutoffs"}
    assert needed <= live
    built_from = {
        name
        for model in live & set(MODELS)
        for name in re.findall(r"ref\('(\w+)'\)", MODELS[model].read_text())
    }
    assert built_from <= live
    assert not any(name.startswith(("backtests__", "portfolio__", "risk__")) for name in live)
