"""The option that names the registry, for commands that run without the extra ``train`` too."""

from pathlib import Path

import click

from model.commands.terminal import out_folder

registry_option = click.option(
    "--registry",
    type=out_folder,
    envvar="TAGALONG_MODELS_DIR",
    show_envvar=True,
    default=Path(".tagalong/models"),
    show_default=True,
    help="Folder of the numbered versions, the one that the service reads.",
)
