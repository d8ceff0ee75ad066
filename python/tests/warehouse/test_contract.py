"""The models that dbt calls public are those that `models/README.md` promises to others."""

from __future__ import annotations

import json
import re

from duckbourse.market import CONTRACT_VERSION
from duckbourse.settings import PROJECT
from tests.support.warehouse import Warehouse
from tests.unit.project.test_exposures import public_models


def test_public_models_are_the_listed_ones(sample: Warehouse) -> None:
    nodes = json.loads((sample.target / "manifest.json").read_text())["nodes"].values()
    stored = [
        node
        for node in nodes
        # an ephemeral model is in no database
        if node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
    ]
    assert {node["name"] for node in stored if node["access"] == "public"} == public_models()

    # what a reader of the file sees
    [(published,)] = sample.query("select public_relations from serving.publication")
    assert published == sorted(name.replace("__", ".", 1) for name in public_models())


def test_the_version_is_the_same_wherever_it_is_stated(sample: Warehouse) -> None:
    (listed,) = re.findall(
        r"This table is the contract, version (\d+)", (PROJECT / "models" / "README.md").read_text()
    )
    [(published,)] = sample.query("select contract_version from serving.publication")
    assert int(listed) == published == CONTRACT_VERSION
