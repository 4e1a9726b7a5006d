"""What may follow the question mark of an address."""

from typing import Annotated

from pydantic import Field

from kiosk_gateway.http.models import Asked


class CancelQuery(Asked):
    """`wait`: seconds to hold the answer back until it is known what is charged, at most 30."""

    wait: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10
