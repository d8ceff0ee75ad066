"""The dbt of the tests goes on from the build's parse; a parse of all takes 20 s."""

from __future__ import annotations

import pytest
from dbt.contracts.graph.manifest import Manifest
from dbt_common.clients.jinja import MacroFuzzEnvironment, get_template

from duckbourse.settings import PROJECT
from tests.support.dbt_server import SAVED_PARSE, read_project, share_templates


def test_the_parse_of_the_build_is_gone_on_from() -> None:
    saved = PROJECT / "target" / "test" / SAVED_PARSE
    # without `./bourse test` there is none
    if saved.exists():
        built = Manifest.from_msgpack(saved.read_bytes())
        # dbt parses all of it if these differ
        assert read_project().state_check.vars_hash == built.state_check.vars_hash


def test_a_shared_template_renders_for_each_kind_and_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MacroFuzzEnvironment, "compile", MacroFuzzEnvironment.compile)
    share_templates(Manifest())
    for number in (1, 2):
        context: dict[str, object] = {"number": number}
        assert get_template("{{ number }}", context).render(context) == str(number)
        native: object = get_template("{{ number }}", context, native=True).render(context)
        assert native == number
