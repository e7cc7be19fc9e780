"""The error that a missing real part raises: it names what is missing and the one line that mends it."""


class PartMissing(Exception):
    """A real part is nowhere on this machine."""

    def __init__(self, part: str, mend: str, variable: str) -> None:
        super().__init__(f"No {part} here. Run: {mend}    (or bin/test, or point {variable} at one)")
