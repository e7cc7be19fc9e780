"""Everything the product refuses, as one tree.

InboxError
├── BadInput 422            a field is wrong; names the field
├── NotSignedIn 401         no session, or it ended
├── NotAllowed 403          may see it, may not do it
├── NotFound 404            does not exist, or not for this viewer
├── Conflict 409            the world moved on; says who or what won
│   └── Rekey               internal: run the action again with one more key
├── Gone 410                a one-time link that was used or is too old
├── TooLarge 413
├── TooMany 429             with seconds to wait
├── Busy 503                a lane is full, try again
└── ReadOnly 503            the disk takes no writes just now
"""

from __future__ import annotations


class InboxError(Exception):
    """A refusal with an HTTP status, a stable code and a sentence that names the way out."""

    status = 500
    code = "internal"

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: str) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.facts = facts


class BadInput(InboxError):
    status = 422
    code = "bad_input"


class NotSignedIn(InboxError):
    status = 401
    code = "not_signed_in"


class NotAllowed(InboxError):
    status = 403
    code = "not_allowed"


class NotFound(InboxError):
    status = 404
    code = "not_found"


class Conflict(InboxError):
    status = 409
    code = "conflict"


class Rekey(Conflict):
    """The action met a record whose key it does not hold; the writer queues it again with `key` added."""

    code = "rekey"

    def __init__(self, key: str) -> None:
        super().__init__("The action runs again with one more key.")
        self.key = key


class Gone(InboxError):
    status = 410
    code = "gone"


class TooLarge(InboxError):
    status = 413
    code = "too_large"


class TooMany(InboxError):
    status = 429
    code = "too_many"


class Busy(InboxError):
    status = 503
    code = "busy"


class ReadOnly(InboxError):
    status = 503
    code = "read_only"
