"""`closet sandbox perfect`: the vendor in a terminal."""

import os
import secrets
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from closet_devstack.sandbox.perfect.scenario import Scenario, read_scenario
from closet_devstack.sandbox.perfect.serving import serve
from closet_devstack.sandbox.perfect.settings import Settings
from closet_devstack.sandbox.perfect.webhooks import new_secret

_WELCOME = """\
The vendor's sandbox listens. For its customer:

  export PERFECT_BASE={url}
  export PERFECT_API_KEY={key}
  export PERFECT_WEBHOOK_SECRET={secret}

Remote control, without a key:

  GET               {url}/_sandbox/stats, /_sandbox/tasks
  GET PATCH         {url}/_sandbox/settings
  GET POST DELETE   {url}/_sandbox/faults
  POST              {url}/_sandbox/nudge, /_sandbox/reset

Ctrl-C ends it."""

Host = Annotated[str, typer.Option("--host", help="Where to listen.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Where to listen.")]
WebhookUrls = Annotated[list[str] | None, typer.Option("--webhook-url", help="May be given up to ten times.")]
Units = Annotated[int, typer.Option("--units", help="Each key's balance.")]
LatencyMs = Annotated[int | None, typer.Option("--latency-ms", min=0, help="From a task's creation to its end. [1500]")]
QuotaCalls = Annotated[int | None, typer.Option("--quota-calls", min=0, help="Calls in a window; 0: no quota. [250]")]
QuotaWindow = Annotated[float | None, typer.Option("--quota-window-s", help="The window. [300]")]
FixedResult = Annotated[bool, typer.Option("--fixed-result", help="One small picture for all, inputs not fetched.")]
Speed = Annotated[float | None, typer.Option("--speed", help="Seconds of the vendor's clock to one of ours. [1]")]
Seed = Annotated[int | None, typer.Option("--seed", help="Decides what chance decides. [0]")]
ScenarioFile = Annotated[
    Path | None, typer.Option("--scenario", exists=True, dir_okay=False, help="Settings, faults, timed steps.")
]


def perfect(  # noqa: PLR0913 - these are the command's options
    *,
    port: Port = 8701,
    host: Host = "127.0.0.1",
    units: Units = 100_000,
    scenario: ScenarioFile = None,
    webhook_url: WebhookUrls = None,
    latency_ms: LatencyMs = None,
    quota_calls: QuotaCalls = None,
    quota_window_s: QuotaWindow = None,
    fixed_result: FixedResult = False,
    speed: Speed = None,
    seed: Seed = None,
) -> None:
    """The picture vendor's sandbox: its API as published, and every way in which it can fail.

    Secrets come from the environment (PERFECT_API_KEY, PERFECT_WEBHOOK_SECRET), else they are made. Options count for
    more than the scenario.
    """
    options: dict[str, object] = {
        "webhook_urls": webhook_url or None,
        "latency_ms": latency_ms,
        "quota_calls": quota_calls,
        "quota_window_s": quota_window_s,
        "fixed_result": fixed_result or None,
        "speed": speed,
        "seed": seed,
    }
    try:
        whole = _with_account(_with_options(read_scenario(scenario) if scenario else Scenario(), options))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    uvloop.run(serve(whole, units, host, port, lambda: _welcome(whole.settings, f"http://{host}:{port}")))


def _with_options(scenario: Scenario, options: dict[str, object]) -> Scenario:
    given = {name: value for name, value in options.items() if value is not None}
    return _changed(scenario, given)


def _with_account(scenario: Scenario) -> Scenario:
    """The secrets of the environment, before those of the scenario; new ones if there are none."""
    settings = scenario.settings
    key = os.environ.get("PERFECT_API_KEY")
    secret = os.environ.get("PERFECT_WEBHOOK_SECRET") or settings.webhook_secret or new_secret()
    keys = list(dict.fromkeys([key, *settings.api_keys] if key else settings.api_keys))
    return _changed(scenario, {"api_keys": keys or [secrets.token_urlsafe(24)], "webhook_secret": secret})


def _changed(scenario: Scenario, changes: dict[str, Any]) -> Scenario:
    known = scenario.settings.model_dump(by_alias=False)
    return scenario.model_copy(update={"settings": Settings(**{**known, **changes})})


def _welcome(settings: Settings, url: str) -> None:
    typer.echo(_WELCOME.format(url=url, key=settings.api_keys[0], secret=settings.webhook_secret))
