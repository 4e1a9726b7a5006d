"""JSON Schemas of whole messages: the CloudEvents envelope with its data, references inlined under `$defs`."""

from typing import Any

from closet_contracts.envelope import EventData
from closet_contracts.ownership import owner_of

Schema = dict[str, Any]

_ENVELOPE: Schema = {
    "specversion": {"const": "1.0"},
    "id": {"type": "string", "minLength": 1},
    "time": {"type": "string", "format": "date-time"},
    "subject": {"type": "string", "minLength": 1},
    "datacontenttype": {"const": "application/json"},
    "tenantid": {"type": "string", "minLength": 1},
    "correlationid": {"type": "string", "minLength": 1},
}
_ENVELOPE_OPTIONAL: Schema = {"causationid": {"type": "string"}, "traceparent": {"type": "string"}}


def message_schema(model: type[EventData]) -> Schema:
    """The schema of one event as it travels."""
    data = _plain(model.model_json_schema(mode="serialization"))
    definitions = data.pop("$defs", {})
    fixed = {
        "source": {"const": f"closet/{owner_of(model.TYPE)}"},
        "type": {"const": model.TYPE},
        "dataschema": {"const": f"urn:closet:schema:{model.TYPE}"},
    }
    required = {**_ENVELOPE, **fixed, "data": data}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:closet:schema:{model.TYPE}",
        "title": model.__name__,
        "description": data.pop("description", ""),
        "type": "object",
        "properties": {**required, **_ENVELOPE_OPTIONAL},
        "required": sorted(required),
        "$defs": definitions,
    }


def _plain(node: Any) -> Any:  # noqa: ANN401 - a JSON document is what it is
    """Without what pydantic adds for others than validators of JSON Schema.

    It titles every field with its own name, noise for a reader, and says by OpenAPI's `discriminator` what the
    constants within a union's choices say too; strict validators refuse keywords that they do not know. So does that a
    union is open: a further choice says it.
    """
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, dict):
        plain = {key: _plain(value) for key, value in node.items() if not _is_noise(key, value)}
        return {**plain, "oneOf": [*plain["oneOf"], _unknown_choice(node)]} if node.get("x-open") is True else plain
    return node


def _unknown_choice(union: Schema) -> Schema:
    """What a later release may add to an open union: anything that is told apart by another constant."""
    name, known = union["discriminator"]["propertyName"], sorted(union["discriminator"]["mapping"])
    return {
        "type": "object",
        "properties": {name: {"type": "string", "not": {"enum": known}}},
        "required": [name],
    }


def _is_noise(key: str, value: Any) -> bool:  # noqa: ANN401 - see above
    if key == "title":
        return isinstance(value, str)
    if key == "x-open":
        return value is True
    return key == "discriminator" and isinstance(value, dict) and "propertyName" in value
