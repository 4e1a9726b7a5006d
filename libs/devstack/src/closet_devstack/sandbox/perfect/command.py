"""`closet sandbox perfect`, and `python -m closet_devstack.sandbox.perfect`: the options."""

from pathlib import Path
from typing import Annotated

import typer

Host = Annotated[str, typer.Option("--host", help="Where to listen.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Where to listen.")]
Units = Annotated[int, typer.Option("--units", help="Each key's balance.")]
ScenarioFile = Annotated[
    Path | None, typer.Option("--scenario", exists=True, dir_okay=False, help="Settings, faults, timed steps.")
]
WebhookUrls = Annotated[list[str] | None, typer.Option("--webhook-url", help="May be given up to ten times.")]
LatencyMs = Annotated[int | None, typer.Option("--latency-ms", min=0, help="From a task's creation to its end.")]
QuotaCalls = Annotated[int | None, typer.Option("--quota-calls", min=0, help="Calls in a window; 0: no quota.")]
QuotaWindow = Annotated[float | None, typer.Option("--quota-window-s", help="The length of that window.")]
CallsPerSecond = Annotated[
    int | None, typer.Option("--calls-per-second", min=0, help="Calls in a second; 0: no such limit.")
]
FixedResult = Annotated[bool, typer.Option("--fixed-result", help="One small picture for all, inputs not fetched.")]
Speed = Annotated[float | None, typer.Option("--speed", help="Seconds of the vendor's clock to one of ours.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Decides what chance decides.")]


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
    calls_per_second: CallsPerSecond = None,
    fixed_result: FixedResult = False,
    speed: Speed = None,
    seed: Seed = None,
) -> None:
    """The picture vendor's sandbox: its API as published, and every way in which it can fail.

    Secrets come from the environment (PERFECT_API_KEY, PERFECT_WEBHOOK_SECRET), else they are made up. Options count
    for more than the scenario.
    """
    from closet_devstack.sandbox.perfect.starting import Place, run  # noqa: PLC0415 - heavy, and rarely wanted

    options: dict[str, object] = {
        "webhook_urls": webhook_url or None,
        "latency_ms": latency_ms,
        "quota_calls": quota_calls,
        "quota_window_s": quota_window_s,
        "calls_per_second": calls_per_second,
        "fixed_result": fixed_result or None,
        "speed": speed,
        "seed": seed,
    }
    given = {name: value for name, value in options.items() if value is not None}
    try:
        run(Place(host, port), scenario, given, units)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
