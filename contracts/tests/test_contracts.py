"""The catalogue against its documents, its examples and its last release."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from closet_contracts.catalog import EVENTS, REQUESTS, UnknownEventType, answerer_of, subscriptions_of
from closet_contracts.codec import MalformedEvent, decode, encode
from closet_contracts.compatibility import breaking_changes
from closet_contracts.credit import PriceBook
from closet_contracts.envelope import EventData
from closet_contracts.export import documents
from closet_contracts.generation import GenerationRequested
from closet_contracts.job import JobAccepted
from closet_contracts.ownership import OWNERS, Service, noun_of
from closet_contracts.schemas import message_schema
from closet_contracts.work import WORK, Hairstyle, TextToImage, UnknownKind, tasks_of
from pydantic import ValidationError

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


@pytest.mark.parametrize("keyword", ["maximum", "maxLength", "maxItems"])
def test_an_upper_bound_may_be_raised_and_never_lowered(keyword: str) -> None:
    low, high, none = {keyword: 7}, {keyword: 16}, dict[str, int]()
    assert breaking_changes(low, high) == breaking_changes(low, none) == breaking_changes(low, low) == []
    for released, current in ((high, low), (none, low)):
        assert breaking_changes(released, current) == [f"$: {keyword} was {released.get(keyword)!r}, is 7"]


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


UNSTORABLE = ["a\0b", "a\ud800b", "\0"]
CONTROLS = ["a\x01", "a\x1b[31m", "a\x7f", "a\x85b"]


@pytest.mark.parametrize("text", [*UNSTORABLE, *CONTROLS], ids=ascii)
def test_no_event_can_hold_text_that_somebody_cannot_store(text: str) -> None:
    for make in (
        lambda: TextToImage(prompt=text),
        lambda: TextToImage(prompt="a dress", negative_prompt=text),
        lambda: Hairstyle(template_id=text),
    ):
        with pytest.raises(ValidationError):
            make()


@pytest.mark.parametrize("model", TYPES, ids=lambda model: model.TYPE)
@pytest.mark.parametrize("text", UNSTORABLE, ids=ascii)
def test_what_cannot_be_stored_is_no_event_wherever_it_stands(model: type[EventData], text: str) -> None:
    """Every string of every event is checked by its model: none is left out."""
    document = json.loads(example(model))
    for path in _strings(document["data"]):
        bad = copy.deepcopy(document)
        place = bad["data"]
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = text
        with pytest.raises((MalformedEvent, ValidationError)):
            model.model_validate(bad["data"])


def test_people_write_in_all_languages_and_several_lines() -> None:
    text = "Ein rotes Kleid\r\n\tمن الحرير, 絹の 👗"
    assert TextToImage(prompt=text).prompt == text


def _strings(node: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(node, str):
        return [path]
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, part in parts for found in _strings(part, (*path, key))]


def _with_a_new_kind() -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of a request as it is, and as it would be with another kind of work."""
    current = message_schema(GenerationRequested)
    grown = copy.deepcopy(current)
    grown["$defs"]["Shoes"] = {"type": "object", "properties": {"kind": {"const": "shoes", "type": "string"}}}
    grown["properties"]["data"]["properties"]["work"]["oneOf"].insert(0, {"$ref": "#/$defs/Shoes"})
    return current, grown


def test_an_open_union_may_grow_and_never_shrink_or_close() -> None:
    current, grown = _with_a_new_kind()
    assert breaking_changes(current, grown) == []
    assert breaking_changes(grown, current) == ["$.data.work<shoes>: removed"]
    closed = copy.deepcopy(current)
    assert closed["properties"]["data"]["properties"]["work"]["oneOf"].pop()["required"] == ["kind"]
    assert breaking_changes(current, closed) == ["$.data.work: the union is open no more"]
    changed = copy.deepcopy(grown)
    changed["$defs"]["TryOn"]["properties"]["fitMode"]["const"] = "loose"
    assert breaking_changes(current, changed) != []


def test_a_schema_takes_a_kind_that_is_not_known_and_no_known_kind_that_is_wrong() -> None:
    schema = jsonschema.Draft202012Validator(message_schema(GenerationRequested))
    document = json.loads(example(GenerationRequested))
    document["data"]["work"] = {"kind": "shoes", "soleOf": "leather"}
    assert schema.is_valid(document)
    document["data"]["work"] = {"kind": "tryon", "category": "hat"}
    assert not schema.is_valid(document)


def test_a_union_that_is_not_open_may_not_grow() -> None:
    closed = {"oneOf": [{"type": "string"}]}
    assert breaking_changes(closed, {"oneOf": [{"type": "string"}, {"type": "integer"}]}) != []


UNKNOWN = {"kind": "shoes", "soleOf": "leather", "size": {"eu": 43}}


@pytest.mark.parametrize(
    "work", [UNKNOWN, {"kind": "batch", "items": [{"kind": "tryon"}, UNKNOWN]}], ids=["one", "batch"]
)
def test_a_kind_that_is_not_known_is_read_and_told_apart_where_it_matters(work: dict[str, Any]) -> None:
    document = json.loads(example(JobAccepted))
    document["data"]["work"] = work
    read = decode(json.dumps(document).encode()).data
    assert isinstance(read, JobAccepted)
    assert read.job_id == document["data"]["jobId"]
    told = read.work.model_dump(mode="json")
    assert (told["items"][1] if "items" in told else told) == UNKNOWN
    for look in (tasks_of, lambda work: work.chargeable()):
        with pytest.raises(UnknownKind):
            look(read.work)


def test_a_known_kind_that_is_wrong_is_malformed_and_nothing_of_ours_is_unknown() -> None:
    document = json.loads(example(JobAccepted))
    document["data"]["work"] = {"kind": "tryon", "category": "hat"}
    with pytest.raises(MalformedEvent):
        decode(json.dumps(document).encode())
    with pytest.raises(ValidationError):
        WORK.validate_python(UNKNOWN)


def test_a_price_of_an_unknown_kind_is_none() -> None:
    model = next(model for model in EVENTS if model.TYPE == "closet.credit.prices_published.v1")
    document = json.loads(example(model))
    document["data"]["book"]["credits"]["shoes"] = 7
    assert decode(json.dumps(document).encode()) == decode(example(model))
    with pytest.raises(ValidationError):
        PriceBook.model_validate(document["data"]["book"])


def test_schemas_tell_of_text_and_only_of_what_could_never_be_handled() -> None:
    prompt = message_schema(GenerationRequested)["$defs"]["TextToImage"]["properties"]["prompt"]
    for text in (*CONTROLS, "\0"):
        assert not re.search(prompt["pattern"], text)
    assert re.search(prompt["pattern"], "ein Kleid\r\n\tمن الحرير 👗")
    told = {"type": "string", "pattern": prompt["pattern"]}
    assert breaking_changes({"type": "string"}, told) == []
    assert breaking_changes(told, {"type": "string"}) != []
    assert breaking_changes({"type": "string"}, {"type": "string", "pattern": "^a$"}) != []


@pytest.mark.parametrize("model", EVENTS, ids=lambda model: model.TYPE)
def test_a_schema_says_nothing_that_only_openapi_knows(model: type[EventData]) -> None:
    """Strict validators, such as ajv's, refuse a keyword that they do not know."""
    assert '"propertyName"' not in json.dumps(message_schema(model))
