"""Streams and durable consumers, declared from the catalogue: made by the operator, checked by every service."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from closet_contracts.catalog import STREAMS, Stream, subscriptions_of
from closet_contracts.ownership import OWNERS, Service
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

MAX_AGE = timedelta(days=7)
DEAD_LETTERS_MAX_AGE = timedelta(days=30)
DUPLICATE_WINDOW = timedelta(minutes=2)
ACK_WAIT_S = 10.0
MAX_ACK_PENDING = 1024

DLQ = Stream("CLOSET_DLQ", "dlq")
REPLAY = Stream("CLOSET_REPLAY", "replay")


class Drift(Exception):
    """The bus is not as the catalogue says; the message lists every difference."""

    def __init__(self, differences: list[str]) -> None:
        super().__init__("; ".join(differences))
        self.differences = differences


@dataclass(frozen=True, slots=True)
class Subscription:
    """A durable consumer: what one service reads from one stream."""

    stream: Stream
    service: Service
    subjects: tuple[str, ...]

    def config(self) -> ConsumerConfig:
        """Return the configuration of the consumer as declared.

        There is no limit of deliveries on the server: one that is reached silently strands the message. The consumer
        itself gives up, with a dead letter.
        """
        return ConsumerConfig(
            name=self.service,
            durable_name=self.service,
            filter_subjects=list(self.subjects),
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            max_deliver=-1,
            max_ack_pending=MAX_ACK_PENDING,
        )


def replay_subjects(service: Service) -> str:
    """Return the subjects on which dead letters of a service are replayed to it."""
    return f"closet.replay.{service}.>"


def event_type_of(subject: str) -> str:
    """Return the event type that a NATS subject stands for; in a replayed dead letter's it follows the service."""
    replayed = subject.split(".", 3)
    return replayed[3] if replayed[:2] == ["closet", REPLAY.noun] and len(replayed) > 3 else subject  # noqa: PLR2004


def subscriptions(service: Service) -> Iterator[Subscription]:
    """Yield all that a service reads: its events, and dead letters that an operator replays to it."""
    for stream, types in subscriptions_of(service):
        yield Subscription(stream, service, types)
    yield Subscription(REPLAY, service, (replay_subjects(service),))


def published_by(service: Service) -> list[Stream]:
    """Return the streams of a service's own nouns."""
    return [stream for stream in STREAMS if OWNERS[stream.noun] is service]


def stream_config(stream: Stream, replicas: int = 1) -> StreamConfig:
    """Return the configuration of a stream as declared."""
    return StreamConfig(
        name=stream.name,
        subjects=[stream.subjects],
        retention=RetentionPolicy.WORK_QUEUE if stream is REPLAY else RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_age=(DEAD_LETTERS_MAX_AGE if stream in {DLQ, REPLAY} else MAX_AGE).total_seconds(),
        duplicate_window=DUPLICATE_WINDOW.total_seconds(),
        num_replicas=replicas,
        allow_atomic=True,
    )


async def provision(js: JetStreamContext, replicas: int = 1) -> list[str]:
    """Create or update streams and consumers as the catalogue says; return what was created or changed.

    Needs the operator's rights.

    Raises:
        Drift: something is there that cannot be changed without losing messages.
    """
    done = []
    for stream in (*STREAMS, DLQ, REPLAY):
        done += await _provision_stream(js, stream_config(stream, replicas))
    for service in Service:
        for subscription in subscriptions(service):
            done += await _provision_consumer(js, subscription)
    return done


async def verify(js: JetStreamContext, service: Service) -> None:
    """Check every stream and consumer that a service uses.

    Raises:
        Drift: something is missing or different.
    """
    read = list(subscriptions(service))
    streams = {stream.name: stream for stream in (*published_by(service), *(one.stream for one in read), DLQ)}
    differences = []
    for stream in streams.values():
        differences += await _stream_differences(js, stream)
    for subscription in read:
        differences += await _consumer_differences(js, subscription)
    if differences:
        raise Drift(differences)


async def _provision_stream(js: JetStreamContext, wanted: StreamConfig) -> list[str]:
    name = str(wanted.name)
    try:
        actual = (await js.stream_info(name)).config
    except NotFoundError:
        await js.add_stream(wanted)
        return [f"created {name}"]
    changes = _differences(name, _stream_view(wanted), _stream_view(actual))
    if not changes:
        return []
    if any(getattr(wanted, fixed) != getattr(actual, fixed) for fixed in ("subjects", "retention", "storage")):
        raise Drift(changes)
    try:
        await js.update_stream(wanted)
    except APIError as error:
        raise Drift([*changes, f"{name}: {error.description}"]) from error
    return [f"changed {name}"]


async def _provision_consumer(js: JetStreamContext, subscription: Subscription) -> list[str]:
    changes = await _consumer_differences(js, subscription)
    if not changes:
        return []
    try:
        await js.add_consumer(subscription.stream.name, subscription.config())
    except APIError as error:
        raise Drift([*changes, f"{subscription.stream.name}/{subscription.service}: {error.description}"]) from error
    return [f"created or changed {subscription.stream.name}/{subscription.service}"]


async def _stream_differences(js: JetStreamContext, stream: Stream) -> list[str]:
    try:
        actual = (await js.stream_info(stream.name)).config
    except NotFoundError:
        return [f"{stream.name} is missing"]
    # How many replicas there are is the cluster's business, not the catalogue's.
    wanted = stream_config(stream, actual.num_replicas or 1)
    return _differences(stream.name, _stream_view(wanted), _stream_view(actual))


async def _consumer_differences(js: JetStreamContext, subscription: Subscription) -> list[str]:
    label = f"{subscription.stream.name}/{subscription.service}"
    try:
        actual = (await js.consumer_info(subscription.stream.name, subscription.service)).config
    except NotFoundError:
        return [f"{label} is missing"]
    return _differences(label, _consumer_view(subscription.config()), _consumer_view(actual))


def _differences(label: str, wanted: dict[str, Any], actual: dict[str, Any]) -> list[str]:
    return [f"{label}: {key} is {actual[key]}, not {wanted[key]}" for key in wanted if wanted[key] != actual[key]]


def _stream_view(config: StreamConfig) -> dict[str, Any]:
    return {
        "subjects": sorted(config.subjects or []),
        "retention": RetentionPolicy(config.retention or "limits").value,
        "storage": StorageType(config.storage or "file").value,
        "max_age": config.max_age,
        "duplicate_window": config.duplicate_window,
        "num_replicas": config.num_replicas,
        "allow_atomic": bool(config.allow_atomic),
    }


def _consumer_view(config: ConsumerConfig) -> dict[str, Any]:
    # The server gives a single filter back in the singular.
    subjects = config.filter_subjects or [config.filter_subject or ""]
    return {
        "subjects": sorted(subjects),
        "deliver_policy": DeliverPolicy(config.deliver_policy or "all").value,
        "ack_policy": AckPolicy(config.ack_policy or "explicit").value,
        "ack_wait": config.ack_wait,
        "max_deliver": config.max_deliver,
        "max_ack_pending": config.max_ack_pending,
        "push": config.deliver_subject,
    }
