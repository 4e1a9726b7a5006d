"""Who the five services are, and which of them may state facts about which noun."""

from enum import StrEnum


class Service(StrEnum):
    """The five services; the value is the name on the bus, in traces and in the chart."""

    UPLOAD_SIGNER = "upload-signer"
    JOB_ORCHESTRATOR = "job-orchestrator"
    PERFECT_ADAPTER = "perfect-adapter"
    BILLING_METER = "billing-meter"
    KIOSK_GATEWAY = "kiosk-gateway"


OWNERS: dict[str, Service] = {
    "generation": Service.KIOSK_GATEWAY,
    "person": Service.KIOSK_GATEWAY,
    "job": Service.JOB_ORCHESTRATOR,
    "upload": Service.UPLOAD_SIGNER,
    "credit": Service.BILLING_METER,
    "render": Service.PERFECT_ADAPTER,
}
"""Noun -> the one service that may publish its facts."""


def noun_of(event_type: str) -> str:
    """`job` for `closet.job.completed.v1`."""
    return event_type.split(".")[1]


def owner_of(event_type: str) -> Service:
    """The one service that may publish an event type."""
    return OWNERS[noun_of(event_type)]
