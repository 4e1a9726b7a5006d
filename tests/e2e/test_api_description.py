"""The served API against its own description, by schemathesis: every check, with a token, without, with an API key.

Every request that its coverage phase can think of is sent where somebody's credentials open an operation; where all are
refused alike, examples and some dice say as much. The cases are the same in every run, whatever time they take.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest
from closet_client import ClosetClient
from closet_devstack.shop import Shop

HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
SCOPES = "generate,jobs:read,consent,balance:read,statement:read"
BOUNDS = (
    "--phases=examples,coverage,fuzzing",
    "--max-examples=4",
    "--generation-deterministic",
    "--no-shrink",
    "--continue-on-failure",
    "--warnings=off",
    "--no-color",
)
PUBLIC = "getWellKnownJwksJson|getLivez|getReadyz|getHealth|getOpenapiJson|getDocs"
# Of whom: the operations that their credentials open, and those that take every request which the description allows.
OPENED = {"nobody": f"{PUBLIC}|postAuthRefresh", "shopper": ".*", "tenant": f"{PUBLIC}|postAuthToken|postAuthRefresh"}
ACCEPTED = {"nobody": PUBLIC, "shopper": f"{PUBLIC}|getConsent|getBillingBalance", "tenant": f"{PUBLIC}|postAuthToken"}
CONFIG = """
[checks]
enabled = true
# Elsewhere credits, cursors and used keys decide, which no schema foretells: schemathesis_hooks.py looks at those.
positive_data_acceptance.enabled = false

[[operations]]  # signs out whoever tests; has tests of its own
include-operation-id = "deleteAuthSession"
enabled = false

[[operations]]
include-operation-id-regex = "^({accepted})$"
checks.positive_data_acceptance = {{enabled = true, expected-statuses = ["2xx"]}}

[[operations]]
exclude-operation-id-regex = "^({opened})$"
phases.coverage.enabled = false
"""


async def _schemathesis(url: str, folder: Path, headers: Sequence[str]) -> tuple[int | None, str]:
    program = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("schemathesis"), "run", f"{url}/openapi.json", *BOUNDS),
        *(f"--header={header}" for header in headers),
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": HOOKS.stem, "PYTHONPATH": str(HOOKS.parent)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await program.communicate()
    return program.returncode, output.decode()


@pytest.mark.timeout(300)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("who", ["nobody", "shopper", "tenant"])
async def test_the_api_is_as_its_description_says(shop: Shop, client: ClosetClient, who: str, tmp_path: Path) -> None:
    del client  # its shopper has consented
    key = {"Authorization": f"Bearer {shop.tenant.api_key}"}
    url = shop.stack.url("kiosk-gateway")
    async with aiohttp.ClientSession() as session:
        body = {"userId": "shopper-1", "scopes": SCOPES.split(",")}
        async with session.post(f"{url}/api/auth/token", json=body, headers=key) as response:
            token = (await response.json())["accessToken"]
    bearer = {"nobody": None, "shopper": token, "tenant": shop.tenant.api_key}[who]
    (tmp_path / "schemathesis.toml").write_text(CONFIG.format(accepted=ACCEPTED[who], opened=OPENED[who]))
    code, told = await _schemathesis(url, tmp_path, [f"Authorization: Bearer {bearer}"] if bearer else [])
    assert code == 0, told
