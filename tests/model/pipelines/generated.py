"""Questions about 300 invented tags, always the same, and pipelines that scikit-learn fits to them elsewhere.

A tag has four words of its own, some of which are in a question's title and some in its body; some tags are common and
most are rare, each goes with its neighbours, and most words of a question are nobody's.
"""

import random
import subprocess
import sys
from pathlib import Path

import polars as pl

TAGS = tuple(f"{name}-{number}" for number in range(60) for name in ("alpha", "beta.js", "gamma++", "delta#", "eps"))
QUESTIONS = 2_100
_NOISE = [f"filler{number}" for number in range(400)] + ["how", "do", "i", "the", "in", "to", "is", "my", "with"]
_WEIGHTS = [1 / (rank + 8) for rank in range(len(TAGS))]

# As an engineer writes it, in a script that knows nothing of Tagalong.
FIT = """
import sys, pickle, joblib, polars
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer
questions, folder = polars.read_parquet(sys.argv[1]), sys.argv[2]
learned = questions.filter((polars.col("split") == "train") & (polars.col("question_id") % 7 != 0))
learned.write_parquet(f"{folder}/learned.parquet")
binarizer = MultiLabelBinarizer()
labels = binarizer.fit_transform(learned["tags"].to_list())
pipeline = make_pipeline(
    TfidfVectorizer(token_pattern=r"[a-zA-Z0-9_#+.-]+", sublinear_tf=True),
    OneVsRestClassifier(LogisticRegression(solver="liblinear", C=20.0)),
)
pipeline.fit([f"{title} {body}" for title, body in zip(learned["title"], learned["body"])], labels)
joblib.dump(pipeline, f"{folder}/pipeline.joblib")
with open(f"{folder}/binarizer.pickle", "wb") as file:
    pickle.dump(binarizer, file)
"""


def words_of(tag: str) -> list[str]:
    """Return the words that speak for a tag: its name, and three that are no name."""
    number = TAGS.index(tag)
    return [tag, f"word{number}a", f"word{number}b", f"word{number}c"]


def write_questions(path: Path, seed: int = 7) -> Path:
    """Write a file of questions, a fifth of them marked dev."""
    draw = random.Random(seed)
    rows = []
    for i in range(QUESTIONS):
        # Each tag is in some questions, whatever is drawn.
        first = i % len(TAGS) if i < 4 * len(TAGS) else draw.choices(range(len(TAGS)), _WEIGHTS)[0]
        tags = [TAGS[first]]
        if draw.random() < 0.6:
            tags.append(TAGS[(first + draw.randint(1, 3)) % len(TAGS)])
        title, body = draw.choices(_NOISE, k=4), draw.choices(_NOISE, k=30)
        for tag in tags:
            title.append(draw.choice(words_of(tag)))
            body += draw.choices(words_of(tag), k=2)
        draw.shuffle(title)
        draw.shuffle(body)
        # Titles are questions' names: none comes twice.
        rows.append({
            "title": f"{' '.join(title)} q{i}", "body": " ".join(body), "body_format": "text", "tags": tags,
            "tags_complete": True, "year": 2020, "question_id": i, "source": "generated",
            "split": "dev" if (i + i // len(TAGS)) % 5 == 4 else "train",
        })  # fmt: skip
    pl.DataFrame(rows).write_parquet(path)
    return path


def fit_elsewhere(questions: Path, folder: Path) -> None:
    """Fit a pipeline in another process, which leaves pipeline.joblib, binarizer.pickle and learned.parquet."""
    subprocess.run([sys.executable, "-c", FIT, questions, folder], check=True)


GATES = """
calibration = {most = 0.2}
parity = {most = 1e-4}
latency = {chars = 500, drafts = 10, rounds = 1, p50_times = 100.0, p99_times = 100.0}
megabytes = {light = 25.0, full = 60.0}
drafts = {file = "drafts.jsonl", best = 5}
quality = [{metric = "P@1", least = 0.5, may_lose = 0.0}, {metric = "Jaccard", least = 0.25, may_lose = 0.0}]
"""


def write_gates(folder: Path) -> Path:
    """Write gates as the shipped ones, but for times that other tests stretch, and drafts of the invented tags."""
    (folder / "drafts.jsonl").write_text(
        '{"title": "how do i filler1 word0a", "tags": ["alpha-0"]}\n{"title": "Undo a commit", "tags": ["git"]}\n'
    )
    (folder / "gates.toml").write_text(GATES)
    return folder / "gates.toml"
