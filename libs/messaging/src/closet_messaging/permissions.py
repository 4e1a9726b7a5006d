"""Who may say and hear what: the users of the NATS server, made from the catalogue."""

import json
from collections.abc import Iterator, Mapping

from closet_contracts.catalog import OPERATOR, REQUESTS, STREAMS, Stream, answerer_of
from closet_contracts.nouns import OWNERS, Service

from closet_messaging.connection import inbox_prefix
from closet_messaging.streams import DLQ, subscriptions


def may_publish(service: Service) -> list[str]:
    """Subjects that a service may publish on: its own nouns, bells and dead letters, its own consumers' affairs."""
    return [*_facts(service), *_questions(service), *_consumers(service)]


def may_subscribe(service: Service) -> list[str]:
    """Subjects that a service may listen on. Events are pulled, and arrive in its inbox."""
    answered = sorted(request.SUBJECT for request in REQUESTS if answerer_of(request) is service)
    return [f"{inbox_prefix(service)}.>", f"closet.bell.{service}.>", *answered, *(["$SRV.>"] if answered else [])]


def password_variable(user: str) -> str:
    """The environment variable that holds a user's password where none is given."""
    return f"CLOSET_NATS_PASSWORD_{user.replace('-', '_').upper()}"


def server_users(passwords: Mapping[str, str] | None = None) -> str:
    """The `authorization` block of the server's configuration.

    Args:
        passwords: user -> password, for each service and the operator. Without, the server takes them from its
            environment; see `password_variable`.
    """
    users = [_user(service, passwords, _permissions(service)) for service in Service]
    users.append(_user(OPERATOR, passwords, ""))
    return "authorization {\n  users = [\n" + "".join(users) + "  ]\n}\n"


def _facts(service: Service) -> list[str]:
    nouns = [noun for noun, owner in OWNERS.items() if owner is service]
    return [*(f"closet.{noun}.>" for noun in nouns), f"closet.dlq.{service}", f"closet.bell.{service}.>"]


def _questions(service: Service) -> list[str]:
    return sorted(request.SUBJECT for request, askers in REQUESTS.items() if service in askers)


def _consumers(service: Service) -> Iterator[str]:
    read = [one.stream for one in subscriptions(service)]
    written = [stream for stream in STREAMS if OWNERS[stream.noun] is service]
    for name in sorted({stream.name for stream in (*read, *written, DLQ)}):
        yield f"$JS.API.STREAM.INFO.{name}"
    for stream in read:
        yield from _consumer(stream, service)


def _consumer(stream: Stream, service: Service) -> Iterator[str]:
    yield f"$JS.API.CONSUMER.INFO.{stream.name}.{service}"
    yield f"$JS.API.CONSUMER.MSG.NEXT.{stream.name}.{service}"
    yield f"$JS.ACK.{stream.name}.{service}.>"
    # The longer form, with domain and account, of servers that are set up for it.
    yield f"$JS.ACK.*.*.{stream.name}.{service}.>"


def _permissions(service: Service) -> str:
    # A reply to a request goes to the asker's inbox: allowed once per request, and nothing else is.
    return f""", permissions: {{
      publish: {{ allow: {json.dumps(may_publish(service))} }}
      subscribe: {{ allow: {json.dumps(may_subscribe(service))} }}
      allow_responses: {{ max: 1, expires: "1m" }}
    }}"""


def _user(user: str, passwords: Mapping[str, str] | None, permissions: str) -> str:
    password = f"${password_variable(user)}" if passwords is None else json.dumps(passwords[user])
    return f"    {{ user: {json.dumps(user)}, password: {password}{permissions} }}\n"
