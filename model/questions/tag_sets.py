"""Tags of questions without their texts: the site's natural mix, for what tags say of each other."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from model.questions import Question, QuestionsError
from model.questions.tags import TagsError, read_tags


def read_tag_sets(path: Path, without: Iterable[Question]) -> list[tuple[str, ...]]:
    """Read the tags of questions from a parquet file with ``question_id`` and ``tags``.

    Args:
        without: questions whose tags must stay unseen, since the model is measured on them.

    Raises:
        QuestionsError: the file is no such file.
    """
    hidden = {question.question_id for question in without if question.question_id is not None}
    try:
        frame = pl.read_parquet(path, columns=["question_id", "tags"])
        rows = zip(frame["question_id"].to_list(), frame["tags"].to_list(), strict=True)
        return [read_tags(tags) for number, tags in rows if number not in hidden]
    except TagsError as error:
        raise QuestionsError(f"{path} has rows whose tags cannot be read: {error}.") from error
    except (OSError, TypeError, pl.exceptions.PolarsError) as error:
        raise QuestionsError(
            f"{path} is not a parquet file with the columns question_id and tags: {str(error)[:200]}"
        ) from error
