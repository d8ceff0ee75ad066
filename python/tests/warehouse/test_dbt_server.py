"""The dbt of the tests goes on from the build's parse; a parse of all takes 20 s."""

from __future__ import annotations

from dbt.contracts.graph.manifest import Manifest

from duckbourse.settings import PROJECT
from tests.support.dbt_server import SAVED_PARSE, read_project


def test_the_parse_of_the_build_is_gone_on_from() -> None:
    saved = PROJECT / "target" / "test" / SAVED_PARSE
    # without `./bourse test` there is none
    if saved.exists():
        built = Manifest.from_msgpack(saved.read_bytes())
        # dbt parses all of it if these differ
        assert read_project().state_check.vars_hash == built.state_check.vars_hash
