"""What is measured: the workloads, and what the load generator is told to do."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel


@dataclass(frozen=True)
class Workload:
    """One kind of load. Seconds are those that are measured; the ones that warm up come before."""

    name: str
    fresh_inputs: bool
    """Two uploads for every job; else two for all of them."""
    fixed_result: bool
    """The vendor answers at once with one small picture; else it draws a composite of the inputs."""
    rate: float
    """Jobs a second of the paced phase."""
    paced_s: float
    outstanding: int
    """Jobs accepted and not yet completed, at most, in the saturated phase."""
    saturated_s: float
    warm_up_s: float = 3.0


FLOW = Workload("flow", False, True, rate=50, paced_s=20, outstanding=256, saturated_s=20)
FULL = Workload("full", True, False, rate=5, paced_s=20, outstanding=24, saturated_s=20)

Phase = Literal["paced", "saturated"]


class Plan(BaseModel):
    """A phase of a workload, for the load generator."""

    phase: Phase
    gateway: str
    api_key: str
    user: str
    nats: str
    """As the operator."""
    inputs: tuple[str, str] | None
    """Keys of uploads to use for every job; None: two fresh ones each."""
    rate: float
    outstanding: int
    warm_up_s: float
    seconds: float


class Seen(BaseModel):
    """A job of the measured seconds. Milliseconds."""

    job_id: str
    post_ms: float
    """From sending the request to having its 202."""
    visible_ms: float | None = None
    """From having the 202 to the gateway's announcement of the change that made it completed."""


class Result(BaseModel):
    """What the load generator saw. Counts are of the whole phase, jobs of the measured seconds."""

    accepted: int
    refused: int
    ended_otherwise: dict[str, int]
    """By code."""
    unfinished: int
    late_ms_p99: float
    """How far behind its own schedule the generator sent, at worst nearly."""
    jobs: list[Seen]
