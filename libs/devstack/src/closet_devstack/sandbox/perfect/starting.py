"""Starts the vendor as a process of its own, and tells its customer how to reach it."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Place:
    """Where it listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def run(place: Place, scenario_file: Path | None, options: Mapping[str, object], units: int) -> None:
    """Until SIGINT or SIGTERM.

    Args:
        place: where to listen.
        scenario_file: settings, faults and steps.
        options: settings that count for more than the scenario's.
        units: the balance of each key.

    Raises:
        ValueError: a setting or the scenario is wrong.
        OSError: the scenario cannot be read, or the port is taken.
    """
    scenario = read_scenario(scenario_file) if scenario_file else Scenario()
    settings = _changed(scenario.settings, options)
    settings = _changed(settings, _secrets(settings))
    whole = scenario.model_copy(update={"settings": settings})
    uvloop.run(serve(whole, units, place.host, place.port, lambda: _welcome(settings, place.url)))


def _changed(settings: Settings, changes: Mapping[str, object]) -> Settings:
    return Settings.model_validate({**settings.model_dump(by_alias=False), **changes})


def _secrets(settings: Settings) -> dict[str, object]:
    """Those of the environment, then those of the scenario; new ones if there are none."""
    given = os.environ.get("PERFECT_API_KEY")
    keys = [*([given] if given else []), *settings.api_keys] or [secrets.token_urlsafe(24)]
    secret = os.environ.get("PERFECT_WEBHOOK_SECRET") or settings.webhook_secret or new_secret()
    return {"api_keys": list(dict.fromkeys(keys)), "webhook_secret": secret}


def _welcome(settings: Settings, url: str) -> None:
    typer.echo(_WELCOME.format(url=url, key=settings.api_keys[0], secret=settings.webhook_secret))
