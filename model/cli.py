"""The command ``tagalong-model``: every step from questions to a released model, and what one does with a model."""

import click

from model.commands.ablate import ablate
from model.commands.backtest import backtest
from model.commands.compare import compare
from model.commands.drift import drift
from model.commands.due import due
from model.commands.evaluate import evaluate
from model.commands.finetune import finetune
from model.commands.prepare import prepare
from model.commands.questions import questions
from model.commands.rebuild import rebuild
from model.commands.register import register
from model.commands.release import release
from model.commands.retrain import retrain
from model.commands.suggest import suggest
from model.commands.train import train
from model.commands.trained_titles import trained_titles
from model.commands.versions import versions


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train, measure and try the model that suggests tags."""


OF_A_MODEL = (questions, prepare, finetune, train, evaluate, ablate, compare, release, suggest, drift)
OF_ITS_LIFE = (register, versions, due, retrain, rebuild, backtest, trained_titles)

for command in (*OF_A_MODEL, *OF_ITS_LIFE):
    main.add_command(command)

if __name__ == "__main__":
    main()
