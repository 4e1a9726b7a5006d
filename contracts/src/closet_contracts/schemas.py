"""JSON Schemas of whole messages: the CloudEvents envelope with its data, references inlined under `$defs`."""

from typing import Any

from closet_contracts.envelope import EventData
from closet_contracts.nouns import owner_of

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
    data = _without_titles(model.model_json_schema(mode="serialization"))
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


def _without_titles(node: Any) -> Any:  # noqa: ANN401 - a JSON document is what it is
    """Pydantic titles every field with its own name: noise for a reader."""
    if isinstance(node, list):
        return [_without_titles(item) for item in node]
    if isinstance(node, dict):
        return {
            key: _without_titles(value)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str))
        }
    return node
