"""The catalogue against its documents, its examples and its last release."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from closet_contracts.catalog import EVENTS, REQUESTS, UnknownEventType, answerer_of, subscriptions_of
from closet_contracts.codec import MalformedEvent, decode, encode
from closet_contracts.compatibility import breaking_changes
from closet_contracts.envelope import EventData
from closet_contracts.export import documents
from closet_contracts.nouns import OWNERS, Service, noun_of
from closet_contracts.schemas import message_schema

FOLDER = Path(__file__).parents[1]
TYPES = sorted(EVENTS, key=lambda model: model.TYPE)


def example(model: type[EventData]) -> bytes:
    return (FOLDER / f"examples/{model.TYPE}.json").read_bytes()


@pytest.mark.parametrize("model", TYPES, ids=lambda model: model.TYPE)
def test_an_example_is_the_message_and_fits_its_schema(model: type[EventData]) -> None:
    raw = example(model)
    event = decode(raw)
    assert type(event.data) is model
    assert json.loads(encode(event)) == json.loads(raw)
    jsonschema.validate(json.loads(raw), message_schema(model), cls=jsonschema.Draft202012Validator)


def test_committed_documents_are_what_the_code_says() -> None:
    for path, text in documents((FOLDER / "README.md").read_text()).items():
        assert (FOLDER / path).read_text() == text, f"{path} has drifted: run `make contracts`"


def test_no_document_outlives_its_event() -> None:
    known = {model.TYPE for model in EVENTS}
    assert {path.stem for path in (FOLDER / "schemas").glob("*.json")} == known
    assert {path.stem for path in (FOLDER / "examples").glob("*.json")} == known


@pytest.mark.parametrize("path", sorted((FOLDER / "released/schemas").glob("*.json")), ids=lambda path: path.stem)
def test_nothing_released_is_broken(path: Path) -> None:
    current = {model.TYPE: model for model in EVENTS}
    assert path.stem in current, "a released event was removed"
    assert breaking_changes(json.loads(path.read_text()), message_schema(current[path.stem])) == []


def test_something_is_released() -> None:
    assert list((FOLDER / "released/schemas").glob("*.json"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data["properties"].pop("credits"), "$.data.credits: removed"),
        (lambda data: data["properties"]["credits"].update(type="string"), "$.data.credits: type was"),
        (lambda data: data["required"].remove("credits"), "$.data.credits: no longer required"),
        (lambda data: data["required"].append("note"), "$.data.note: newly required"),
    ],
)
def test_a_breaking_change_is_told(change: object, told: str) -> None:
    model = next(model for model in EVENTS if model.TYPE == "closet.credit.captured.v1")
    released, current = message_schema(model), copy.deepcopy(message_schema(model))
    assert callable(change)
    change(current["properties"]["data"])
    assert any(line.startswith(told) for line in breaking_changes(released, current))


def test_an_optional_addition_is_compatible() -> None:
    model = TYPES[0]
    current = copy.deepcopy(message_schema(model))
    current["properties"]["data"]["properties"]["note"] = {"type": "string"}
    assert breaking_changes(message_schema(model), current) == []


def test_every_event_has_one_owner_and_is_named_by_the_rule() -> None:
    for model in EVENTS:
        prefix, noun, fact, version = model.TYPE.split(".")
        assert (prefix, version) == ("closet", "v1")
        assert noun in OWNERS
        assert fact.replace("_", "").isalpha()
        assert model.__name__.lower() == (noun + fact).replace("_", "")


def test_subscriptions_cover_every_consumer_once() -> None:
    told = {(service, event) for service in Service for _, events in subscriptions_of(service) for event in events}
    assert told == {(service, model.TYPE) for model, readers in EVENTS.items() for service in readers}


def test_asyncapi_refers_only_to_what_is_there() -> None:
    document = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text())
    for reference in _references(document):
        if reference.startswith("#/"):
            node = document
            for part in reference.removeprefix("#/").split("/"):
                node = node[part]
        else:
            assert (FOLDER / reference).is_file(), reference


def test_requests_are_answered_by_the_service_in_their_subject() -> None:
    for request in REQUESTS:
        assert request.SUBJECT.startswith(f"closet.rpc.{answerer_of(request)}.")


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff\xfe", b"[]", b"{}", b'{"specversion":"0.3","type":"closet.job.failed.v1"}', b'{"specversion":"1.0"}'],
)
def test_what_is_no_event_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedEvent):
        decode(raw)


@pytest.mark.parametrize("model", TYPES, ids=lambda model: model.TYPE)
def test_wrong_data_is_malformed_and_not_quoted(model: type[EventData]) -> None:
    document = json.loads(example(model)) | {"data": {"secret": "jane@example.com"}}
    with pytest.raises(MalformedEvent) as caught:
        decode(json.dumps(document).encode())
    assert "jane" not in str(caught.value)


@pytest.mark.parametrize("name", ["id", "source", "tenantid", "time", "correlationid"])
def test_an_envelope_without_a_name_is_malformed(name: str) -> None:
    document = json.loads(example(TYPES[0]))
    del document[name]
    with pytest.raises(MalformedEvent):
        decode(json.dumps(document).encode())


def test_an_unknown_type_is_told_apart_from_a_malformed_one() -> None:
    document = json.loads(example(TYPES[0])) | {"type": "closet.job.archived.v9"}
    with pytest.raises(UnknownEventType):
        decode(json.dumps(document).encode())


def test_unknown_fields_are_ignored() -> None:
    document = json.loads(example(TYPES[0]))
    document["data"]["addedLater"] = 1
    assert decode(json.dumps(document).encode()) == decode(example(TYPES[0]))


def test_nouns_and_streams_agree() -> None:
    assert {noun_of(model.TYPE) for model in EVENTS} == set(OWNERS)


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in _references(value)]
    if isinstance(node, list):
        return [found for value in node for found in _references(value)]
    return []
