"""A small set of questions, written by templates, and a model trained on it in seconds."""

import random
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from model.commands.terminal import RELEASED
from model.evaluation import latency
from model.questions import Question
from model.questions.parquet import read_questions
from model.registry.release import release_model
from model.runs.progress import Progress
from model.serving.classifier import TIERS, Classifier
from model.training.build import DataSource, EncoderInput, train_model
from model.training.encoder.encode import EncoderFiles, read_encoder
from model.training.tfidf import FeatureLimits
from model.training.train import TrainingParameters

TOPICS = {
    ("python", "pandas"): ["pandas", "DataFrame", "groupby", "merge two frames", "read_csv", "Series index"],
    ("c#", ".net"): ["C#", ".NET", "LINQ query", "Task.Run", "NuGet package", "IEnumerable"],
    ("c++", "templates"): ["C++", "std::vector", "template class", "shared_ptr", "g++ linker", "constexpr"],
    ("f#",): ["F#", "discriminated union", "computation expression", "fsharp pipe operator"],
    ("javascript", "reactjs"): ["React", "useState hook", "JSX component", "props", "npm start", "Redux store"],
    ("git",): ["git rebase", "merge conflict in git", "git stash", "detached HEAD", "remote branch"],
    ("sql", "postgresql"): ["PostgreSQL", "LEFT JOIN", "GROUP BY clause", "psql", "index on a table", "jsonb column"],
    ("android", "kotlin"): ["Android Activity", "Kotlin coroutine", "RecyclerView", "Gradle build", "Fragment"],
}
ASKS = ["How do I use {} with {}?", "{} does not work after {}", "Why is {} slower than {}?", "Error with {} and {}"]
BODIES = [
    ("<p>I have <code>{a}</code> and want {b}.</p>\n<pre><code>x = {a}(1) &lt; 2;\n</code></pre>", "html"),
    ("I tried `{a}` with **{b}**.\n\n    run {a} --verbose\n\nSee [the docs](https://example.org/{a}).", "markdown"),
    ("Using {a} I get nothing from {b}", "text"),
    ("", "none"),
]


def synthetic(n: int, seed: int = 7) -> pl.DataFrame:
    """Write n questions: a topic's words in title and body, its tags, in all formats; some with incomplete tags."""
    chance = random.Random(seed)
    topics = list(TOPICS.items())
    rows = []
    for i in range(n):
        tags, phrases = topics[i % len(topics)]
        a, b = chance.sample(phrases, 2)
        body, body_format = BODIES[chance.randrange(len(BODIES))]
        incomplete = i % 10 == 9
        rows.append(
            {
                "title": f"{chance.choice(ASKS).format(a, b)} (case {i})",
                "body": body.format(a=a, b=b),
                "body_format": body_format,
                "tags": list(tags[:1] if incomplete else tags),
                "tags_complete": not incomplete,
                "year": 2010 + i % 10,
                "question_id": i + 1,
                "source": "first-only" if incomplete else f"written-{i % 2}",
                "split": "dev" if i % 12 == 5 else "train",
            }
        )
    return pl.DataFrame(rows)


@pytest.fixture(scope="session")
def questions_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("questions") / "written.parquet"
    synthetic(3_000).write_parquet(path)
    return path


@pytest.fixture(scope="session")
def questions(questions_file: Path) -> list[Question]:
    return read_questions(questions_file)


@pytest.fixture(scope="session", autouse=True)
def few_drafts_are_timed() -> Iterator[None]:
    """What a suggestion takes is measured as ever, on fewer drafts: 1,500 take the full tier a quarter of a minute."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(latency, "DRAFTS", 20)
        yield


def silent() -> Progress:
    return Progress(lambda line: None, lambda label, length: lambda: None)


TAG_SETS = [("python", "pandas", "dataframe")] * 40 + [("java", "spring")] * 40 + [("python", "zygomorphic-call")] * 6
"""Tags of questions without texts. ``zygomorphic-call`` is in no question with a text."""
SMALL = TrainingParameters(epochs=4, rank=16, wide=4, min_count=5, batch=64)


@pytest.fixture(scope="session")
def encoder_files() -> EncoderFiles:
    """The encoder that ships."""
    return read_encoder(RELEASED / "full")


@pytest.fixture(scope="session", params=TIERS)
def small_trained(
    request: pytest.FixtureRequest,
    questions_file: Path,
    questions: list[Question],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A model's folder, trained on the written questions; the full tier's on fewer, since encoding takes long."""
    folder = tmp_path_factory.mktemp(request.param)
    encoder = None
    if request.param == "full":
        encoder = EncoderInput(request.getfixturevalue("encoder_files"), folder / "encoded")
        questions = questions[:600]
    train_model(
        questions,
        TAG_SETS,
        DataSource.describe(questions_file, questions),
        folder / "trained",
        encoder,
        SMALL,
        FeatureLimits(),
        silent(),
    )
    return folder / "trained"


@pytest.fixture(scope="session")
def small_release(small_trained: Path, questions: list[Question], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released folder."""
    out = tmp_path_factory.mktemp("small") / "released"
    release_model(questions, small_trained, out, silent())
    return out


@pytest.fixture(scope="session")
def small(small_release: Path) -> Classifier:
    return Classifier.load(small_release)


@pytest.fixture(scope="session", params=TIERS)
def shipped(request: pytest.FixtureRequest) -> Classifier:
    """A model that ships."""
    return Classifier.load(RELEASED / request.param)
