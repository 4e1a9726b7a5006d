"""Events to bytes and back: structured-mode JSON, validated against the catalogue both ways."""

from datetime import datetime
from typing import Any

import orjson

from closet_contracts.catalog import model_of
from closet_contracts.envelope import Event, EventData
from closet_contracts.model import TOLERANT

CONTENT_TYPE = "application/cloudevents+json"


class MalformedEvent(ValueError):
    """The bytes are not an event of the catalogue; retrying cannot help."""


def encode(event: Event[EventData]) -> bytes:
    """The event as structured-mode JSON."""
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": f"urn:closet:schema:{event.type}",
        "tenantid": event.tenantid,
        "correlationid": event.correlationid,
        "data": event.data.model_dump(mode="json"),
    }
    if event.causationid:
        document["causationid"] = event.causationid
    if event.traceparent:
        document["traceparent"] = event.traceparent
    return orjson.dumps(document)


def decode(raw: bytes) -> Event[EventData]:
    """The event in `raw`, its data validated against the catalogue's model.

    Raises:
        UnknownEventType: a well-formed event of a type that the catalogue does not hold.
        MalformedEvent: anything else that is wrong with the bytes.
    """
    document = _document(raw)
    event_type = _text(document, "type")
    model = model_of(event_type)
    try:
        return Event(
            data=model.model_validate(document["data"], context=TOLERANT),
            tenantid=_text(document, "tenantid"),
            source=_text(document, "source"),
            id=_text(document, "id"),
            time=datetime.fromisoformat(_text(document, "time")),
            correlationid=_text(document, "correlationid"),
            causationid=document.get("causationid"),
            traceparent=document.get("traceparent"),
        )
    except (ValueError, KeyError) as error:
        # The error's text could quote the message; its kind is enough to act on.
        raise MalformedEvent(f"{event_type}: {type(error).__name__}") from error


def _document(raw: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(raw)
    except ValueError as error:
        raise MalformedEvent("not JSON") from error
    if not isinstance(document, dict) or document.get("specversion") != "1.0":
        raise MalformedEvent("not a CloudEvents 1.0 event")
    return document


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedEvent(f"{name} is not a non-empty string")
    return value
