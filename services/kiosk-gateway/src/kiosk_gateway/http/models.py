"""The JSON of tokens, consent, uploads, estimates, templates, health and problems."""

from datetime import datetime
from typing import Annotated, Literal

from closet_contracts.ids import UserId
from closet_contracts.model import WHOLE
from pydantic import Field, StringConstraints

from kiosk_gateway.domain.access import DEFAULT_SCOPES, Scope
from kiosk_gateway.http.route import Json, RequestBody, Text


class TokenRequest(RequestBody):
    """The user for whom a tenant's server requests tokens. `generate:live` (kiosks, served first) must be named."""

    user_id: UserId
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = DEFAULT_SCOPES


class RefreshRequest(RequestBody):
    """The refresh token to use up."""

    refresh_token: Text


class Tokens(Json):
    """Tokens and their lifetimes in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  RFC 6750's word
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    scopes: tuple[Scope, ...]


class ConsentRequest(RequestBody):
    """Whether the person consents. `version` guards against consenting to terms that are no longer current."""

    given: bool
    version: Text | None = None


class Consent(Json):
    """The person's consent. `given` tells whether it covers `current_version`."""

    given: bool
    version: str | None
    given_at: datetime | None
    withdrawn_at: datetime | None
    current_version: str


class UploadRequest(RequestBody):
    """A picture to upload. The URL requires exactly this `size` in bytes and, if given, this `sha256` (hex).

    The URL requires `contentType` as written here; case, parameters and old names such as `image/jpg` are accepted.
    """

    filename: Text
    content_type: Text
    size: Annotated[int, Field(gt=0), WHOLE] | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class UploadTicket(Json):
    """Where to send the bytes, with exactly these headers. `key` names the picture in later requests."""

    upload_id: str
    key: str
    upload_url: str
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str]
    expires_in: int


class Estimate(Json):
    """A quote. `usd` is a decimal number in a string, `balance` the credits available now."""

    quote_id: str
    credits: int
    usd: str
    description: str
    expires_at: datetime
    balance: int
    sufficient: bool


class TemplatesQuery(RequestBody):
    """The kind of work that the templates are for, and the page size."""

    type: Literal["hairstyle"]
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Text | None = None


class Template(Json):
    """A style that the vendor offers; requests name it by its `template_id`."""

    template_id: str
    title: str
    category: str | None
    thumbnail_url: str | None


class TemplatePage(Json):
    """A page of templates; `next_cursor` leads to the next page, if there is one."""

    templates: tuple[Template, ...]
    next_cursor: str | None


class Ready(Json):
    """Whether each dependency of this process is available."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, dict[str, bool | str | None]]


class Alive(Json):
    """The process is running."""

    status: Literal["ok"]
    service: str


class FieldError(Json):
    """An invalid field of a request, and what is wrong with it."""

    path: str
    message: str


class ProblemDetails(Json):
    """RFC 9457. `code` is stable, `detail` is a sentence for a person, `trace_id` finds the request in the traces."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str | None = None
    errors: tuple[FieldError, ...] | None = None
