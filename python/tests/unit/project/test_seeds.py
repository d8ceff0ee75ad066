"""The properties file of a seed gives each column of the CSV file a type and a description."""

from __future__ import annotations

import csv

import yaml

from duckbourse.settings import PROJECT


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
