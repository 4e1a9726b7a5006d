import pytest
import yaml
from kiosk_gateway.admin import main
from kiosk_gateway.domain import refusals
from kiosk_gateway.domain.refusals import Refusal
from kiosk_gateway.http.openapi import document
from kiosk_gateway.http.routes import ROUTES
from openapi_spec_validator import validate


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
