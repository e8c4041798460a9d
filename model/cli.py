"""The command ``tagalong-model``: every step from questions to a released model, and what one does with a model."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from keyword import iskeyword
from typing import Any, Final

import click

SUMMARIES: Final = {
    "questions": "Read questions from a source into a Parquet file.",
    "prepare": "Check and clean questions for training.",
    "finetune": "Fine-tune MiniLM-L6 on questions and their tags.",
    "train": "Train a model on questions.",
    "search": "Search the parameters of a plain recipe.",
    "evaluate": "Measure models on held-out questions.",
    "ablate": "Train models that differ in one part, and compare them.",
    "compare": "Compare encoders, classifiers, Parabel and our model.",
    "release": "Measure a trained model and write it as a released one.",
    "suggest": "Suggest tags for a draft, or for a file of drafts.",
    "export-device": "Write a released model as the file that the extension reads.",
    "drift": "Compare what came in with the model's reference.",
    "import": "Import a scikit-learn pipeline as a version, checked.",
    "mlflow-sync": "Point MLflow's alias champion at the version that serves.",
    "register": "Give a model the registry's next number, if it passes the gates.",
    "versions": "List the registry's versions.",
    "due": "Say whether it is time to train again, and why.",
    "retrain": "Train again with posted questions, and register the result.",
    "rebuild": "Rebuild a version from what it says of itself, and compare the files.",
    "backtest": "Train on old questions and measure on newer ones.",
    "trained-titles": "Write down which titles a model was trained on.",
}
"""What ``--help`` says of each command, so that it need not import them: polars and scipy take a second."""


class LazyCommands(Mapping[str, click.Command]):
    """The commands by name, each imported from ``model.commands`` when it is used."""

    def __getitem__(self, name: str) -> click.Command:
        if name not in SUMMARIES:
            raise KeyError(name)
        # It loads ONNX Runtime, which the list of commands does without.
        from model.commands.terminal import require_extra

        function = name.replace("-", "_") + "_" * iskeyword(name)
        with require_extra():
            command: click.Command = getattr(import_module(f"model.commands.{function}"), function)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(SUMMARIES)

    def __len__(self) -> int:
        return len(SUMMARIES)


class LazyGroup(click.Group):
    """A group that imports a command only to run it or to show its own help (click's documentation, "Lazy loading")."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.commands = LazyCommands()  # type: ignore[assignment]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and their summaries."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(SUMMARIES.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train, measure and try the model that suggests tags."""


if __name__ == "__main__":
    main()
