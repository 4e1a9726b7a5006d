"""The vendor's two kinds of failure: a call that is refused, and a task that ends in error inside a 200."""

SENTENCES = {
    401: "Unauthorized",
    404: "Not Found",
    429: "Too many requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


class Refused(Exception):
    """A 4xx or 5xx in the vendor's envelope, whose `error_code` may be missing; or, `as_page`, in HTML."""

    def __init__(
        self, status: int, code: str | None = None, sentence: str | None = None, *, as_page: bool = False
    ) -> None:
        super().__init__(status, code, sentence)
        self.as_page = as_page
        self.status = status
        self.code = code
        self.sentence = sentence or code or SENTENCES.get(status, "Error")


class EngineError(Exception):
    """The task could not make its picture; nothing is charged."""

    def __init__(self, code: str, sentence: str = "") -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence or code.replace("_", " ")


def invalid(sentence: str) -> Refused:
    return Refused(400, "InvalidParameters", sentence)
