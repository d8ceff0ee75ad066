"""The API against its own OpenAPI, with requests that schemathesis thinks of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from duckbourse.api import Bounds
from tests.support.serving import READ, Served, serving
from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.some_day
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
HEADERS = {"Authorization": f"Bearer {READ}"}
# it never ends
STREAM = "/api/events"


@pytest.fixture(scope="module")
def served(sample: Warehouse) -> Iterator[Served]:
    bounds = Bounds(requests_per_second=100_000, seconds=60)
    with serving(sample.file, bounds=bounds, allow_sql=True) as found:
        yield found


@pytest.fixture(scope="module")
def schema(served: Served) -> Any:
    found = schemathesis.openapi.from_url(f"{served.root}/api/v1/openapi.json", headers=HEADERS)
    return found.exclude(path=STREAM)


def test_every_operation_has_an_example(served: Served) -> None:
    described = served.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            if path.startswith("/api/v1/") and "live" not in path:
                content = operation["responses"]["200"]["content"]
                assert content["application/json"]["example"]["rows"], path


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_no_request_is_outside_the_contract(schema: Any) -> None:
    count = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=6,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            case.call_and_validate(headers=HEADERS, checks=CHECKS)

        send()
        count += 1
    assert count > 25
