"""The client API: its document is valid, is what the code says, and breaks nobody."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from closet_contracts.compatibility import breaking_api_changes
from kiosk_gateway.http.openapi import document
from kiosk_gateway.http.routes import ROUTES
from openapi_spec_validator import validate

CONTRACTS = Path(__file__).parents[2] / "contracts"
CURRENT: dict[str, Any] = yaml.safe_load((CONTRACTS / "openapi.yaml").read_text())

WITHDRAWN = {
    "GET /metrics: removed",  # it was on the clients' port, open to all: now on the admin port
}
CORRECTED = {  # the service has always needed them; the document did not say so
    "GET /api/billing/statement query since: newly required",
    "GET /api/billing/statement query until: newly required",
    "GET /api/gen/templates query type: newly required",
    "POST /api/gen/batch body.items[].type: newly required",
    "POST /api/gen/estimate body.type: newly required",
    "POST /api/gen/estimate body<batch>.items[].type: newly required",
    "POST /api/gen/hairstyle body: oneOf had 0 choices, has 2",
    "POST /api/gen/batch body.items[]<hairstyle>: oneOf had 0 choices, has 2",
    "GET /api/gen/job/{jobId}/events 200: type was 'string', is None",
}


def test_the_document_is_valid() -> None:
    validate(CURRENT)


def test_the_document_is_what_the_code_says() -> None:
    assert document(ROUTES) == CURRENT, "run `make contracts`"


def test_nothing_released_is_broken() -> None:
    released = yaml.safe_load((CONTRACTS / "released/openapi.yaml").read_text())
    assert set(breaking_api_changes(released, CURRENT)) == WITHDRAWN | CORRECTED


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (("paths", "/api/consent"), "GET /api/consent: removed"),
        (("paths", "/api/gen/tryon", "post", "responses", "202"), "POST /api/gen/tryon 202: removed"),
        (("paths", "/api/gen/job/{jobId}", "get", "parameters"), "GET /api/gen/job/{jobId} path jobId: removed"),
        (("components", "schemas", "JobCreated", "properties", "jobId"), "POST /api/gen/tryon 202.jobId: removed"),
    ],
)
def test_a_breaking_change_is_told(path: tuple[str, ...], told: str) -> None:
    changed = copy.deepcopy(CURRENT)
    node = changed
    for part in path[:-1]:
        node = node[part]
    del node[path[-1]]
    assert told in breaking_api_changes(CURRENT, changed)


def test_an_addition_breaks_nobody() -> None:
    changed = copy.deepcopy(CURRENT)
    changed["paths"]["/api/new"] = {"get": {"responses": {"200": {"description": "OK"}}}}
    assert breaking_api_changes(CURRENT, changed) == []
