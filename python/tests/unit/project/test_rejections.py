"""The properties file of `scanners.rejections` lists the rules of all scanners, and no others."""

from __future__ import annotations

import re

import yaml

from duckbourse.settings import PROJECT

# these are the rules before any scanner looks
COMMON = {"day_minute_conflict", "no_bars_by_cutoff"}
# the expression of a macro's column `rejected_by`
RULES = re.compile(
    r"\n        case\n((?:(?!\n        case\n).)*?)\n        end as rejected_by", re.S
)


def test_every_rule_is_described_once() -> None:
    folder = PROJECT / "models/scanners"
    (model,) = yaml.safe_load((folder / "scanners__rejections.yml").read_text())["models"]
    (rule,) = [column for column in model["columns"] if column["name"] == "rule"]
    listed = re.findall(r"`(\w+)`(?=[,:])", rule["description"])
    scans = sorted((PROJECT / "macros/scans").glob("*.sql"))
    cases = [found[1] for scan in scans if (found := RULES.search(scan.read_text()))]
    rules = {name for case in cases for name in re.findall(r"then '(\w+)'", case)}
    assert len(cases) == len(scans)
    assert sorted(listed) == sorted(rules | COMMON)
