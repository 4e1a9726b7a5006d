"""The OpenAPI description, generated from the route table and the models."""

import json
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from importlib.metadata import version
from itertools import groupby
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from kiosk_gateway.domain.refusals import (
    ALWAYS,
    IDEMPOTENT,
    INSUFFICIENT_SCOPE,
    INVALID_REQUEST,
    INVALID_TOKEN,
    WITH_BODY,
    Refusal,
)
from kiosk_gateway.http.examples import EXAMPLES
from kiosk_gateway.http.models import ProblemDetails
from kiosk_gateway.http.route import Media, Route

_REF = "#/components/schemas/{model}"
_JSON = "application/json"
_PATTERNS = {"jobId": "^job_[0-9a-f]{32}$", "assetId": r"^job_[0-9a-f]{32}\.[0-9]{1,3}$"}
_TYPES = {Media.JSON: "object", Media.HTML: "string"}
_EVENT = 'id: 2\nevent: job.accepted\ndata: {"id": "2", "type": "closet.job.accepted.v1", "status": "queued"}\n\n'
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes the request safe to repeat: within a day, the same key and body return the same answer.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of these routes."""
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Closet",
            "version": version("closet-kiosk-gateway"),
            "description": "Virtual try-on and other pictures, generated from photos and from prompts.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(routes), "securitySchemes": _security_schemes()},
    }


def _schemas(routes: Iterable[Route]) -> dict[str, Any]:
    answers = {each for route in routes for each in route.answers.values() if isinstance(each, type)}
    bodies = {route.body for route in routes if route.body}
    wanted: list[tuple[type[BaseModel], Any]] = [(model, "serialization") for model in answers | {ProblemDetails}]
    wanted += [(model, "validation") for model in bodies]
    wanted.sort(key=lambda pair: pair[0].__name__)
    _, schemas = models_json_schema(wanted, by_alias=True, ref_template=_REF, schema_generator=GenerateJsonSchema)
    return {name: _for_generators(schema) for name, schema in sorted(schemas["$defs"].items())}


def _for_generators(part: Any) -> Any:  # noqa: ANN401  JSON Schema is any JSON
    """Move defaults into descriptions: client generators treat a property with a `default` as required.

    Also require the discriminator in the members of a choice, where it decides which member applies.
    """
    if isinstance(part, list):
        return [_for_generators(each) for each in part]
    if not isinstance(part, dict):
        return part
    rest = {name: _for_generators(each) for name, each in part.items() if name != "default"}
    if "discriminator" in part:  # optional in a request of that type alone
        rest["required"] = [part["discriminator"]["propertyName"]]
    default = part.get("default")
    if default is not None and "const" not in part:
        text = f"Default: {json.dumps(default)}."
        rest["description"] = f"{part['description']} {text}" if "description" in part else text
    return rest


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "responses": {**_answers(route), **_problems(_refusals(route))},
    }
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.body:
        schema = {"$ref": _REF.format(model=route.body.__name__)}
        content = {_JSON: {"schema": schema, "example": EXAMPLES[route.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.scope or route.needs_token:
        operation["security"] = [{"accessToken": [route.scope.value] if route.scope else []}]
    if route.needs_api_key:
        operation["security"] = [{"apiKey": []}]
    return operation


def _operation_id(route: Route) -> str:
    words = re.findall(r"[A-Za-z0-9]+", route.path.removeprefix("/api"))
    return route.method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def _parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", route.path)
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": _PATTERNS[name]}}
        for name in names
    ]
    if route.query:
        schema = route.query.model_json_schema(by_alias=True)
        found += [
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "schema": _inline(_never_null(each), schema),
            }
            for name, each in schema["properties"].items()
        ]
    if route.idempotent:
        found.append(_KEY)
    if HTTPStatus.NOT_MODIFIED in route.answers:
        found.append({"name": "If-None-Match", "in": "header", "schema": {"type": "string"}})
    if Media.EVENTS in route.answers.values():
        found.append({"name": "Last-Event-ID", "in": "header", "schema": {"type": "string", "pattern": "^[0-9]{0,8}$"}})
    return found


def _never_null(part: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without null, which a URL cannot express."""
    choices = [each for each in part.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) != 1:
        return part
    return {**choices[0], **{name: each for name, each in part.items() if name not in {"anyOf", "default"}}}


def _inline(part: Any, schema: dict[str, Any]) -> Any:  # noqa: ANN401  JSON Schema is any JSON
    """Resolve references into the schema itself: parameters have no place for definitions."""
    if isinstance(part, dict):
        if ref := part.get("$ref"):
            return _inline(schema["$defs"][ref.rpartition("/")[2]], schema)
        return {name: _inline(each, schema) for name, each in part.items()}
    return [_inline(each, schema) for each in part] if isinstance(part, list) else part


def _answers(route: Route) -> dict[str, Any]:
    return {str(status): _answer(status, each) for status, each in route.answers.items()}


def _answer(status: int, content: type[BaseModel] | Media | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if isinstance(content, Media):
        # OpenAPI 3.1 cannot describe single events: a schema would apply to the whole stream.
        shown = {"example": _EVENT} if content == Media.EVENTS else {"schema": {"type": _TYPES[content]}}
        answer["content"] = {content.value: shown}
    elif content is not None:
        answer["content"] = {_JSON: {"schema": {"$ref": _REF.format(model=content.__name__)}}}
    if status == HTTPStatus.FOUND:
        answer["headers"] = {"Location": {"schema": {"type": "string", "format": "uri"}}}
    return answer


def _refusals(route: Route) -> set[Refusal]:
    refusals = set(route.refuses)
    if route.handler is not None and not route.path.startswith(("/openapi", "/docs")):
        refusals |= set(ALWAYS)
    if route.scope:
        refusals |= {INVALID_TOKEN, INSUFFICIENT_SCOPE}
    if route.needs_token:
        refusals.add(INVALID_TOKEN)
    if route.body:
        refusals |= set(WITH_BODY)
    if route.query:
        refusals.add(INVALID_REQUEST)
    if route.idempotent:
        refusals |= set(IDEMPOTENT)
    return refusals


def _problems(refusals: Iterable[Refusal]) -> dict[str, Any]:
    by_status = groupby(sorted(refusals, key=lambda each: (each.status, each.code)), key=lambda each: each.status)
    return {str(status): _problem(list(each)) for status, each in by_status}


def _problem(refusals: Sequence[Refusal]) -> dict[str, Any]:
    described = "\n".join(f"- `{each.code}`: {each.detail}" for each in refusals)
    details = {"$ref": _REF.format(model="ProblemDetails")}
    codes = {"type": "object", "properties": {"code": {"enum": [each.code for each in refusals]}}}
    answer: dict[str, Any] = {
        "description": described,
        "content": {"application/problem+json": {"schema": {"allOf": [details, codes]}}},
    }
    if any(each.retry_after_s for each in refusals):
        answer["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    return answer


def _security_schemes() -> dict[str, Any]:
    return {
        "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "apiKey": {"type": "http", "scheme": "bearer", "description": "The tenant's API key. Keep it on a server."},
    }
