"""The command `tagalong-server`: run the service, and maintain its database."""

import click

from backend.commands.backup import backup, restore
from backend.commands.check import check
from backend.commands.demo import demo
from backend.commands.deployments import deploy, deployments, promote, rollback
from backend.commands.drift import drift_import, export
from backend.commands.feedback import export_feedback
from backend.commands.mail_report import mail_report
from backend.commands.password import hash_password
from backend.commands.serve import serve
from backend.commands.silence import silence_alert
from backend.commands.tables import erase, migrate, recount
from backend.commands.worst import write_worst


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tagalong")
def main() -> None:
    """Tagalong's service: suggestions, events, and the admin's /metrics.

    Settings are environment variables that begin with TAGALONG_; docs/settings.md lists them.
    """


for command in (
    serve,
    migrate,
    erase,
    recount,
    demo,
    hash_password,
    export,
    drift_import,
    export_feedback,
    write_worst,
    mail_report,
    silence_alert,
    check,
    backup,
    restore,
    deploy,
    promote,
    rollback,
    deployments,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
