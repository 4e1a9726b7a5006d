"""The events as an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""

from typing import Any

from closet_contracts.catalog import EVENTS, REQUESTS, answerer_of
from closet_contracts.codec import CONTENT_TYPE
from closet_contracts.model import summary
from closet_contracts.ownership import noun_of, owner_of

Document = dict[str, Any]


def asyncapi() -> Document:
    """Every event as a channel, with who sends it and who receives it; every request with its reply."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Closet events",
            "version": "1.0.0",
            "description": "Facts on NATS JetStream. The channel's address is the NATS subject and the event's type.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {**_event_channels(), **_request_channels()},
        "operations": {**_event_operations(), **_request_operations()},
        "components": {"messages": {**_event_messages(), **_request_messages()}},
    }


def _event_channels() -> Document:
    return {
        model.TYPE: {
            "address": model.TYPE,
            "description": f"Stream CLOSET_{noun_of(model.TYPE).upper()}",
            "messages": {model.__name__: {"$ref": f"#/components/messages/{model.__name__}"}},
        }
        for model in EVENTS
    }


def _event_messages() -> Document:
    return {
        model.__name__: {
            "name": model.TYPE,
            "summary": summary(model),
            "contentType": CONTENT_TYPE,
            "payload": {"$ref": f"./schemas/{model.TYPE}.json"},
        }
        for model in EVENTS
    }


def _event_operations() -> Document:
    operations: Document = {}
    for model, readers in EVENTS.items():
        for service, action in [(owner_of(model.TYPE), "send"), *((reader, "receive") for reader in sorted(readers))]:
            operations[f"{service}.{action}.{model.TYPE}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{model.TYPE}"},
                "tags": [{"name": str(service)}],
            }
    return operations


def _request_channels() -> Document:
    return {
        request.SUBJECT: {
            "address": request.SUBJECT,
            "messages": {
                name: {"$ref": f"#/components/messages/{name}"} for name in (request.__name__, request.REPLY.__name__)
            },
        }
        for request in REQUESTS
    }


def _request_messages() -> Document:
    models = [model for request in REQUESTS for model in (request, request.REPLY)]
    return {
        model.__name__: {
            "name": model.__name__,
            "summary": summary(model),
            "contentType": "application/json",
            "payload": model.model_json_schema(
                ref_template=f"#/components/messages/{model.__name__}/payload/$defs/{{model}}"
            ),
        }
        for model in models
    }


def _request_operations() -> Document:
    return {
        f"{answerer_of(request)}.reply.{request.SUBJECT}": {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{request.SUBJECT}"},
            "messages": [{"$ref": f"#/channels/{request.SUBJECT}/messages/{request.__name__}"}],
            "reply": {
                "channel": {"$ref": f"#/channels/{request.SUBJECT}"},
                "messages": [{"$ref": f"#/channels/{request.SUBJECT}/messages/{request.REPLY.__name__}"}],
            },
            "tags": [{"name": str(name)} for name in sorted(askers)],
        }
        for request, askers in REQUESTS.items()
    }
