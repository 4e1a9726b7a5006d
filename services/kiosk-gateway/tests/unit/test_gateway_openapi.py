from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kiosk_gateway.admin import main
from kiosk_gateway.domain import refusals
from kiosk_gateway.domain.refusals import Refusal
from kiosk_gateway.http.examples import EXAMPLES
from kiosk_gateway.http.openapi import document
from kiosk_gateway.http.routes import ROUTES
from openapi_spec_validator import validate
from pydantic import BaseModel


def test_the_description_is_valid_and_the_same_every_time() -> None:
    description = document(ROUTES)
    validate(description)
    assert str(description) == str(document(ROUTES))


def test_every_refusal_has_a_code_of_its_own_and_is_described_somewhere() -> None:
    codes = [each.code for each in vars(refusals).values() if isinstance(each, Refusal)]
    assert len(codes) == len(set(codes))
    text = str(document(ROUTES))
    assert [code for code in codes if f"`{code}`" not in text] == []


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for item in document(ROUTES)["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_it_is_printed_as_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == document(ROUTES)


def _properties(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield from (each for each in schema.get("properties", {}).values() if isinstance(each, dict))
        for each in schema.values():
            yield from _properties(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _properties(each)


def test_what_may_be_left_out_has_no_default_that_generators_take_for_always_there() -> None:
    schemas = document(ROUTES)["components"]["schemas"]
    assert [each for each in _properties(schemas) if "default" in each] == []
    assert schemas["TryOnRequest"]["required"] == ["personKey", "itemKey"]
    assert schemas["TryOnRequest"]["properties"]["category"]["description"].endswith('Default: "top".')


def test_parameters_that_are_needed_say_so() -> None:
    paths = document(ROUTES)["paths"]
    statement = {each["name"]: each for each in paths["/api/billing/statement"]["get"]["parameters"]}
    assert {name for name, each in statement.items() if each["required"]} == {"since", "until"}
    assert "anyOf" not in statement["cursor"]["schema"]


@pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: model.__name__)
def test_every_body_has_an_example_that_is_taken(model: type[BaseModel]) -> None:
    assert model.model_validate(EXAMPLES[model], by_alias=True)
    assert {route.body for route in ROUTES if route.body} == set(EXAMPLES)
