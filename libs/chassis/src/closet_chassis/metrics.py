"""Prometheus: the process's registry and what `/metrics` answers."""

from prometheus_client import REGISTRY, CollectorRegistry, disable_created_metrics, generate_latest

# A second series per counter and histogram that no rule of ours reads.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(registry: CollectorRegistry = REGISTRY) -> bytes:
    """Everything measured, in Prometheus' text format; CPU, memory and files of the process are among it."""
    return generate_latest(registry)
