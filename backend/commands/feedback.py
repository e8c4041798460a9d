"""`export-feedback`: what retraining needs of the posted questions."""

from datetime import datetime
from pathlib import Path

import click
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.service import record_act
from backend.commands.terminal import with_session, write_lines
from backend.feedback.anonymise import count_waiting_questions
from backend.feedback.export import feedback_lines


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m"]),
    help="First month, like 2026-11, to export what came since the last time.",
)
def export_feedback(out: Path, since: datetime | None) -> None:
    """Write the numbers of posted questions, with posted and offered tags, to OUT as JSON lines; - is the terminal.

    It holds no text, no draft and no install. `tagalong-model retrain` reads it, and fetches texts and tags from the
    site by number.
    """
    month = since.strftime("%Y-%m") if since else None

    async def export(session: AsyncSession) -> tuple[int, int]:
        lines = await write_lines(feedback_lines(session, month), out)
        await record_act(session, "export", "feedback", {"since": month, "questions": lines})
        return lines, await count_waiting_questions(session, month)

    lines, waiting = with_session(export)
    click.echo(f"{lines:,} questions, in {out}", err=True)
    if waiting:
        still_wait = "1 posted question still waits" if waiting == 1 else f"{waiting:,} posted questions still wait"
        click.echo(
            f"{still_wait}: a question can be exported 24 hours after it was posted, once the running service has "
            "taken its number from its draft.",
            err=True,
        )
