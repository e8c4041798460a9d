"""A pipeline of 300 tags that was fitted and pickled in another process, and the version that it became."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.model.pipelines.generated import fit_elsewhere, write_gates, write_questions
from tests.model.registry.conftest import run


@dataclass(frozen=True)
class Brought:
    """What an engineer brings, and the registry that it was imported into."""

    folder: Path
    questions: Path
    registry: Path
    output: str

    @property
    def files(self) -> list[object]:
        return [self.folder / "pipeline.joblib", "--labels", self.folder / "binarizer.pickle"]


@pytest.fixture(scope="session")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Brought:
    folder = tmp_path_factory.mktemp("brought")
    questions = write_questions(folder / "questions.parquet")
    fit_elsewhere(questions, folder)
    files = [folder / "pipeline.joblib", "--labels", folder / "binarizer.pickle", "--questions", questions]
    known = ["--trained-on", folder / "learned.parquet", "--gates", write_gates(folder), "--champion", "light"]
    registry = folder / "models"
    output = run("import", *files, *known, "--registry", registry, "--trust").output
    return Brought(folder, questions, registry, output)
