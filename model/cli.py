"""The command ``tagalong-model``: every step from questions to a released model, and what one does with a model."""

import click

from model.commands.ablate import ablate
from model.commands.compare import compare
from model.commands.evaluate import evaluate
from model.commands.finetune import finetune
from model.commands.prepare import prepare
from model.commands.questions import questions
from model.commands.release import release
from model.commands.suggest import suggest
from model.commands.train import train


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train, measure and try the model that suggests tags."""


for command in (questions, prepare, finetune, train, evaluate, ablate, compare, release, suggest):
    main.add_command(command)

if __name__ == "__main__":
    main()
