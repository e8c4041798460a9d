"""What goes wrong with the embedded PostgreSQL."""


class EmbeddedFailure(Exception):
    """PostgreSQL cannot run in this data folder; the message says what to do."""


class AlreadyRunning(EmbeddedFailure):
    """Another process owns this data folder; `port` is where it serves, None if it is no service."""

    def __init__(self, pid: int | None, port: int | None) -> None:
        self.pid = pid
        self.port = port
        super().__init__(
            f"already running on http://127.0.0.1:{port} (process {pid})"
            if port
            else f"the data folder is in use by another tagalong-server (process {pid or 'unknown'}); try again later"
        )
