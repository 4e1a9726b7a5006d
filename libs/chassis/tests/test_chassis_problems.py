from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Literal

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from closet_chassis.http import read_model, read_query, reply
from closet_chassis.problems import Problem
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[..., Awaitable[TestClient[web.Request, web.Application]]]


class Query(BaseModel):
    count: int


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(alias="fullName", max_length=5)
    count: int = 1
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None


def raises(error: BaseException) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        raise error

    return handler


async def order(request: web.Request) -> web.Response:
    return reply(await read_model(request, Order), status=201)


async def problem(response: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    assert response.status == status
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    body: dict[str, Any] = await response.json(content_type=None)
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:closet:problem:{code}")
    assert body["title"]
    assert body["detail"].endswith(".")
    return body


async def test_a_problem_is_told_with_its_extensions_and_headers(serve: Serve) -> None:
    client = await serve(raises(Problem(429, "vendor_saturated", "Please wait.", {"Retry-After": "7"}, queueLength=3)))
    response = await client.post("/things/1")
    assert (await problem(response, 429, "vendor_saturated"))["queueLength"] == 3
    assert response.headers["Retry-After"] == "7"


async def test_extensions_cannot_overrule_what_every_problem_says(serve: Serve) -> None:
    client = await serve(raises(Problem(409, "conflict", "Taken.", title="x", type="y")))
    assert (await problem(await client.post("/things/1"), 409, "conflict"))["title"] == "Conflict"


async def test_an_address_or_method_that_is_not_there(serve: Serve) -> None:
    client = await serve(order)
    await problem(await client.get("/nowhere?token=geheim"), 404, "not_found")
    response = await client.delete("/things/1")
    await problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (web.HTTPForbidden(text="geheim"), "forbidden"),
        (web.HTTPGone(), "gone"),
        (web.HTTPUnprocessableEntity(), "unprocessable_content"),
    ],
)
async def test_errors_of_aiohttp_become_problems(serve: Serve, error: web.HTTPException, code: str) -> None:
    client = await serve(raises(error))
    assert "geheim" not in str(await problem(await client.post("/things/1"), error.status, code))


async def test_a_redirect_stays_one(serve: Serve) -> None:
    found = web.HTTPFound("https://s3.example/x")
    found.set_cookie("a", "b")
    response = await (await serve(raises(found))).post("/things/1", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (302, "https://s3.example/x")
    assert response.cookies["a"].value == "b"


async def test_the_unexpected_is_told_as_internal_and_nothing_else(serve: Serve) -> None:
    body = await problem(await (await serve(raises(KeyError("geheim")))).post("/things/1"), 500, "internal")
    assert "geheim" not in str(body)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("geheim"),
        TimeoutError(),
        asyncpg.CannotConnectNowError("geheim"),
        asyncpg.AdminShutdownError("geheim"),
        asyncpg.TooManyConnectionsError("geheim"),
        asyncpg.InterfaceError("pool is closing"),
        asyncpg.QueryCanceledError("statement timeout"),
    ],
)
async def test_a_database_that_is_away_is_worth_another_try(serve: Serve, error: Exception) -> None:
    response = await (await serve(raises(error))).post("/things/1")
    assert "geheim" not in str(await problem(response, 503, "unavailable"))
    assert response.headers["Retry-After"]


@pytest.mark.parametrize("error", [asyncpg.UniqueViolationError("geheim"), asyncpg.DataError("geheim")])
async def test_a_mistake_in_a_statement_is_ours(serve: Serve, error: Exception) -> None:
    await problem(await (await serve(raises(error))).post("/things/1"), 500, "internal")


async def test_a_body_is_read_as_a_model(serve: Serve) -> None:
    response = await (await serve(order)).post("/things/1", json={"fullName": "Ada"})
    assert response.status == 201
    assert await response.json() == {"fullName": "Ada", "count": 1, "pet": None}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_a_body_of_another_kind_is_refused(serve: Serve, kind: str) -> None:
    response = await (await serve(order)).post("/things/1", data=b'{"fullName": "Ada"}', headers={"Content-Type": kind})
    await problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("body", [b"", b"{", b"geheim", b'{"fullName": "\xff"}', b"[" * 100_000, b'{"count": 1,}'])
async def test_a_body_that_is_not_json_is_refused(serve: Serve, body: bytes) -> None:
    response = await (await serve(order)).post("/things/1", data=body, headers={"Content-Type": "application/json"})
    assert "geheim" not in str(await problem(response, 400, "malformed_json"))


async def test_a_body_that_is_too_large_is_refused_with_or_without_a_length(serve: Serve) -> None:
    client = await serve(order, client_max_size=100)
    await problem(await client.post("/things/1", json={"fullName": "x" * 200}), 413, "body_too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    headers = {"Content-Type": "application/json"}
    await problem(await client.post("/things/1", data=chunks(), headers=headers), 413, "body_too_large")


async def test_a_compressed_bomb_is_not_unpacked(serve: Serve) -> None:
    client = await serve(order, client_max_size=1000)
    response = await client.post("/things/1", json={"fullName": "x" * 10**6}, compress="gzip")
    await problem(response, 415, "unsupported_content_encoding")


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, ["fullName"]),
        ({"fullName": "geheim-geheim", "count": "geheim"}, ["fullName", "count"]),
        ({"fullName": "Ada", "extra": "geheim"}, ["extra"]),
        ({"fullName": "Ada", "pet": {"kind": "geheim"}}, ["pet"]),
        ([], [""]),
        ("geheim", [""]),
    ],
)
async def test_a_body_that_does_not_fit_is_told_where_and_never_quoted(
    serve: Serve, body: object, paths: list[str]
) -> None:
    response = await (await serve(order)).post("/things/1", json=body)
    told = await problem(response, 422, "invalid_request")
    assert [error["path"] for error in told["errors"]] == paths
    assert all(error["message"] for error in told["errors"])
    assert "geheim" not in str(told)


async def test_what_is_told_about_a_body_is_bounded(serve: Serve) -> None:
    response = await (await serve(order)).post("/things/1", json={"k" * 500 + str(n): 1 for n in range(100)})
    errors = (await problem(response, 422, "invalid_request"))["errors"]
    assert len(errors) <= 20
    assert max(len(error["path"]) for error in errors) <= 100


async def test_a_model_that_refuses_what_is_ours_is_no_fault_of_the_client(serve: Serve) -> None:
    """A row, or another service's answer, that does not fit."""
    with pytest.raises(ValidationError) as caught:
        Order.model_validate({})
    told = await problem(await (await serve(raises(caught.value))).post("/things/1"), 500, "internal")
    assert "errors" not in told


async def test_a_query_that_is_not_as_it_should_be_is_told_by_field(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return reply({"count": read_query(request, Query).count})

    client = await serve(handler)
    assert (await (await client.post("/things/1?count=2")).json()) == {"count": 2}
    told = await problem(await client.post("/things/1?count=none"), 422, "invalid_request")
    assert [error["path"] for error in told["errors"]] == ["count"]


async def test_an_error_after_the_answer_began_breaks_it_off(serve: Serve) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        raise Problem(500, "late", "Too late.")

    response = await (await serve(stream)).post("/things/1")
    assert response.status == 200
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()
