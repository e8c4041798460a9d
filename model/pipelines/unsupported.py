"""The error of a step that cannot be carried over exactly."""


class UnsupportedStep(Exception):
    """A step of a pipeline cannot be converted exactly; the message names the step and says what to do."""

    def __init__(self, name: str, step: object, reason: str) -> None:
        kind = step if isinstance(step, str) else type(step).__name__
        super().__init__(f"The step {name!r} ({kind}) {reason}")
