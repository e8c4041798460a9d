"""The command `tagalong-server`: run the service, and whatever writes its tables."""

import click

from backend.commands.demo import demo
from backend.commands.serve import serve
from backend.commands.tables import erase, migrate, recount


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tagalong")
def main() -> None:
    """Tagalong's service: suggestions, events, and the admin's /metrics.

    Settings are environment variables that begin with TAGALONG_; the README lists them.
    """


for command in (serve, migrate, erase, recount, demo):
    main.add_command(command)

if __name__ == "__main__":
    main()
