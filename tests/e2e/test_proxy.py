"""A company whose machines reach nothing but a proxy: the product goes through it wherever it calls out."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from closet_contracts.ownership import Service
from closet_devstack import samples
from closet_devstack.sandbox.stripe.remote import Remote
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.tenants import make_tenant
from closet_devstack.testing import eventually
from yarl import URL

CLOSET = Path(sys.executable).parent / "closet"
_HOP_BY_HOP = {"connection", "transfer-encoding", "proxy-connection", "keep-alive"}


@dataclass
class Proxy:
    """An HTTP proxy that remembers what went through it."""

    url: str = ""
    seen: list[tuple[str, URL]] = field(default_factory=list)

    def environment(self, **more: str) -> dict[str, str]:
        """What points everybody to it, also on loopback."""
        named = {"HTTP_PROXY": self.url, "http_proxy": self.url, "NO_PROXY": "", "no_proxy": ""}
        return {**named, **more}

    def went_to(self, base: str) -> set[str]:
        """The methods of requests to a server."""
        return {method for method, url in self.seen if url.origin() == URL(base).origin()}


@asynccontextmanager
async def proxy() -> AsyncIterator[Proxy]:
    """Passes on requests in absolute form, as proxies do for plain HTTP."""
    one = Proxy()
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def forward(request: web.BaseRequest) -> web.StreamResponse:
            one.seen.append((request.method, URL(request.raw_path, encoded=True)))
            kept = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
            async with session.request(
                request.method,
                URL(request.raw_path, encoded=True),
                headers=kept,
                data=await request.read() if request.can_read_body else None,
                allow_redirects=False,
            ) as answer:
                passed = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=passed)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response

        runner = web.ServerRunner(web.Server(forward))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield one
        await runner.cleanup()


async def test_everything_that_calls_out_goes_through_the_proxy_that_the_environment_names(tmp_path: Path) -> None:
    async with (
        proxy() as through,
        Stack(
            StackOptions(durable=False, sandbox=("--latency-ms", "20"), stripe=True, environment=through.environment())
        ) as stack,
    ):
        assert stack.stripe
        await stack.start_services()
        shop = await make_tenant(stack, "behind-a-proxy", 100)
        person, garment = samples.write_samples(tmp_path)
        made = await _tryon(stack, shop.api_key, through, person, garment, tmp_path / "result")
        assert made["status"] == "completed"
        # The shopper's side: questions to the gateway, pictures to and from storage.
        assert through.went_to(stack.url("kiosk-gateway")) >= {"GET", "POST"}
        assert through.went_to(stack.s3.access().endpoint) >= {"GET", "PUT"}
        # The adapter's: orders and looks, and the result from the vendor's storage.
        assert through.went_to(stack.perfect.url) >= {"GET", "POST"}
        assert any(url.path.startswith("/results/") for _, url in through.seen)

        await stack.command(Service.BILLING_METER, "checkout", "--tenant", shop.tenant_id, "--credits", "500")
        stripe = Remote(stack.stripe.url)
        await eventually(lambda: stripe.objects("checkout.session"))
        assert "POST" in through.went_to(stack.stripe.url)


async def _tryon(
    stack: Stack, api_key: str, through: Proxy, person: Path, garment: Path, result: Path
) -> dict[str, object]:
    environment = through.environment(
        PATH=os.defpath, CLOSET_URL=stack.url("kiosk-gateway"), CLOSET_API_KEY=api_key, CLOSET_USER="shopper-1"
    )
    process = await asyncio.create_subprocess_exec(
        *(CLOSET, "tryon", person, garment, "--consent", "-o", result, "--json"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    document: dict[str, object] = json.loads(out)
    return document
