"""Who may say and hear what: accounts and users of the NATS server, made from the catalogue.

Permissions of a user alone are no wall: JetStream publishes to whatever reply subject a request names, and asks nobody
whether the requester might have done so. An empty message that a service pulls with the reply subject
`$JS.API.STREAM.DELETE.<stream>` would delete that stream. So each service is in an account of its own and JetStream in
another. What a service needs of it, or of other services, it imports subject by subject. The server gives an imported
request a reply subject of its own making, and brings the answer back into the account that asked, where no API is.
"""

import json
from collections.abc import Iterator, Mapping

from closet_contracts.catalog import OPERATOR, REQUESTS, Stream, answerer_of
from closet_contracts.ownership import OWNERS, Service
from closet_messaging.connection import inbox_prefix
from closet_messaging.streams import DLQ, published_by, subscriptions

STREAMS_ACCOUNT = "CLOSET"
"""The account of JetStream and of the operator."""

# The server answers this in every account, with a refusal in those without JetStream: services' accounts map it to
# another name, under which they import what they need of the API.
_API = "$JS.API."
_FAR_API = "closet.api."
_PULL = "$JS.API.CONSUMER.MSG.NEXT."
_MAPPED = f"mappings: {json.dumps({_API + '>': _FAR_API + '>'})}"


def may_publish(service: Service) -> list[str]:
    """Return the subjects a service may publish on: its nouns, notifications, dead letters and consumers."""
    return [*_facts(service), *_questions(service), *_consumers(service)]


def may_subscribe(service: Service) -> list[str]:
    """Subjects that a service may listen on. Events are pulled, and arrive in its inbox."""
    answered = sorted(request.SUBJECT for request in REQUESTS if answerer_of(request) is service)
    return [f"{inbox_prefix(service)}.>", _notifications(service), *answered, *(["$SRV.>"] if answered else [])]


def password_variable(user: str) -> str:
    """The environment variable that holds a user's password where none is given."""
    return f"CLOSET_NATS_PASSWORD_{user.replace('-', '_').upper()}"


def server_users(passwords: Mapping[str, str] | None = None) -> str:
    """The `accounts` block of the server's configuration.

    Args:
        passwords: user -> password, for each service and the operator. Without, the server takes them from its
            environment; see `password_variable`.
    """
    accounts = [_account(STREAMS_ACCOUNT, _user(OPERATOR, passwords, ""), _asked_by(OPERATOR), "jetstream: enabled")]
    accounts += [_account(one, _user(one, passwords, _permissions(one)), _imports(one), _MAPPED) for one in Service]
    return "accounts {\n" + "".join(accounts) + "}\n"


def _notifications(service: Service) -> str:
    return f"closet.notify.{service}.>"


def _facts(service: Service) -> list[str]:
    nouns = [noun for noun, owner in OWNERS.items() if owner is service]
    return [*(f"closet.{noun}.>" for noun in nouns), f"closet.dlq.{service}", _notifications(service)]


def _questions(service: Service) -> list[str]:
    return sorted(_asked_by(service))


def _asked_by(asker: str) -> dict[str, str]:
    """Subject -> the service that answers. The operator may ask everything."""
    may = {request for request, askers in REQUESTS.items() if asker in (*askers, OPERATOR)}
    return {request.SUBJECT: answerer_of(request) for request in REQUESTS if request in may}


def _imports(service: Service) -> dict[str, str]:
    """Subject -> the account that serves it. Notifications stay within the service's account."""
    own = [subject for subject in (*_facts(service), *_consumers(service)) if subject != _notifications(service)]
    return dict.fromkeys(own, STREAMS_ACCOUNT) | _asked_by(service)


def _exports(account: str) -> dict[str, list[str]]:
    """Subject -> the accounts that may import it."""
    exports: dict[str, list[str]] = {}
    importers: dict[str, Mapping[str, str]] = {service: _imports(service) for service in Service}
    importers[STREAMS_ACCOUNT] = _asked_by(OPERATOR)
    for importer, imports in importers.items():
        for subject, exporter in imports.items():
            if exporter == account:
                exports.setdefault(subject, []).append(importer)
    return exports


def _account(name: str, user: str, imports: Mapping[str, str], *more: str) -> str:
    lines = [
        *more,
        "users: [",
        user,
        "]",
        "exports: [",
        *(_export(subject, importers) for subject, importers in sorted(_exports(name).items())),
        "]",
        "imports: [",
        *(_import(subject, exporter) for subject, exporter in imports.items()),
        "]",
    ]
    return f"  {json.dumps(name)}: {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"


def _mapped(subject: str) -> str:
    return _FAR_API + subject.removeprefix(_API) if subject.startswith(_API) else subject


def _import(subject: str, exporter: str) -> str:
    renamed = f", to: {json.dumps(_mapped(subject))}" if _mapped(subject) != subject else ""
    return f"  {{ service: {json.dumps({'account': exporter, 'subject': subject})}{renamed} }}"


def _export(subject: str, importers: list[str]) -> str:
    # Whoever pulls gets many messages for one request.
    many = ', response_type: "stream"' if subject.startswith(_PULL) else ""
    return f"  {{ service: {json.dumps(subject)}{many}, accounts: {json.dumps(importers)} }}"


def _consumers(service: Service) -> Iterator[str]:
    read = [one.stream for one in subscriptions(service)]
    for name in sorted({stream.name for stream in (*read, *published_by(service), DLQ)}):
        yield f"$JS.API.STREAM.INFO.{name}"
    for stream in published_by(service):  # whether the database knows the last that was said
        yield f"$JS.API.STREAM.MSG.GET.{stream.name}"
    for stream in read:
        yield from _consumer(stream, service)


def _consumer(stream: Stream, service: Service) -> Iterator[str]:
    yield f"$JS.API.CONSUMER.INFO.{stream.name}.{service}"
    yield f"{_PULL}{stream.name}.{service}"
    yield f"$JS.ACK.{stream.name}.{service}.>"
    # The longer form, with domain and account, of servers that are set up for it.
    yield f"$JS.ACK.*.*.{stream.name}.{service}.>"


def _permissions(service: Service) -> str:
    # The server asks for permission after its mapping. A reply to a request goes to the asker's inbox: allowed once per
    # request, and nothing else is.
    return f""", permissions: {{
        publish: {{ allow: {json.dumps([_mapped(subject) for subject in may_publish(service)])} }}
        subscribe: {{ allow: {json.dumps(may_subscribe(service))} }}
        allow_responses: {{ max: 1, expires: "1m" }}
      }}"""


def _user(user: str, passwords: Mapping[str, str] | None, permissions: str) -> str:
    password = f"${password_variable(user)}" if passwords is None else json.dumps(passwords[user])
    return f"  {{ user: {json.dumps(user)}, password: {password}{permissions} }}"
