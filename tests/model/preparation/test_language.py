"""The language of a question is told with care, and questions in other languages than asked for are left out."""

from pathlib import Path

import polars as pl
import pytest

from model.preparation.language import detect_language
from model.preparation.prepare import format_report
from model.questions import QuestionsError
from tests.model.preparation.test_preparation import command, prepared

# Written for this test: what people ask in several languages, as titles and as first sentences.
SAMPLES = {
    "en": [
        "How do I sort a list of dicts in Python?",
        "Why is my query slow after adding an index?",
        "What is the difference between let and var?",
        "I am trying to read a file but it is empty.",
        "Can I use two versions of Java on one machine?",
        "Unable to connect to the database from Docker",
        "Is there a way to rename a branch in git?",
        "The app does not start when I rotate the phone",
        "Best practice for storing settings in an Android app",
    ],
    "es": [
        "¿Cómo puedo ordenar una lista de diccionarios en Python?",
        "Tengo un error al conectar con la base de datos",
        "Quiero leer un archivo pero está vacío",
    ],
    "pt": [
        "Como posso ordenar uma lista de dicionários em Python?",
        "Tenho um erro ao conectar com o banco de dados",
        "Não consigo ler um arquivo com acentos",
    ],
    "fr": [
        "Comment trier une liste de dictionnaires en Python ?",
        "Je veux lire un fichier mais il est vide",
        "Pourquoi ma requête est lente avec un index ?",
    ],
    "de": [
        "Wie kann ich eine Liste in Python sortieren?",
        "Ich möchte eine Datei lesen, aber sie ist leer",
        "Warum ist meine Abfrage mit dem Index langsam?",
    ],
    "it": [
        "Come posso ordinare una lista in Python?",
        "Vorrei leggere un file ma non è possibile",
        "Perché la mia query è lenta con un indice?",
    ],
    "ru": [
        "Как отсортировать список словарей в Python",
        "Ошибка соединения при чтении базы данных PostgreSQL",
        "Почему этот запрос такой медленный?",
    ],
    "ja": ["Pythonで辞書のリストを並べ替える方法", "データベースに接続できません"],
    "zh": ["如何在Python中对列表排序", "无法连接数据库"],
    "ko": ["파이썬에서 리스트를 정렬하는 방법"],
    "ar": ["كيف يمكنني ترتيب قائمة في بايثون"],
    "he": ["איך למיין רשימה בפייתון"],
    "el": ["Πώς ταξινομώ μια λίστα στην Python;"],
    "hi": ["पायथन में सूची को कैसे क्रमबद्ध करें"],
    "th": ["เรียงลำดับรายการใน Python อย่างไร"],
    "und": ["NullPointerException RecyclerView", "x = 1", "", "git rebase --onto"],
}


def test_the_language_of_most_questions_is_told_and_none_is_told_wrong_often() -> None:
    told = [(language, detect_language(text)) for language, texts in SAMPLES.items() for text in texts]
    right = sum(language == found for language, found in told)
    wrong = [pair for pair in told if pair[0] != pair[1] and pair[1] != "und"]
    assert right / len(told) >= 0.9
    assert len(wrong) <= 1, wrong


# Written for this test: English that is full of code, of foreign words and of names that other languages have too.
CODE_IN_ENGLISH = [
    "OLE/COM object viewer reports STG_E_FILENOTFOUND",
    "malloc: garbage ptr = 0x18a15e0, has non-zero refcount = 1",
    "SELECT * FROM la WHERE de = 'en' AND no = ? ORDER BY y",
    "TypeError: unsupported operand type(s) for +: 'int' and 'NoneType' in e.g. la.py",
    "std::vector<int> v; for (auto a : v) { o << a << endl; }",
    "com.example.mi.app: Das ist kein Fehler? Translating the German message of a dialog in Android",
    "El Capitan: sudo apt-get is not found, and pip does not work",
    "How do I print 'está' with the right accent in Python 2.7?",
    "para = document.createElement('p'); para.com = y",
    "Les Misérables dataset: d3.js force layout does not de-duplicate nodes",
    "const { data: un, error } = useQuery(MI_QUERY) returns undefined",
    "Regex to match Привет and hello in the same string",
]


@pytest.mark.parametrize("text", CODE_IN_ENGLISH)
def test_a12_english_full_of_code_is_not_taken_for_another_language(text: str) -> None:
    assert detect_language(text) in ("en", "und")


def test_a12_questions_in_other_languages_are_left_out_and_how_many_is_said(tmp_path: Path) -> None:
    asked = [{"title": title} for language in ("en", "es", "pt", "ru", "und") for title in SAMPLES[language] if title]
    rows, report = prepared(tmp_path, *asked)
    assert set(rows["language"]) == {"en", "und"}
    assert report["dropped"] == {
        f"its language is {language}, none of --languages": {"rows": 3, "examples": [first, first + 1, first + 2]}
        for language, first in (("es", 10), ("pt", 13), ("ru", 16))
    }
    assert "3 its language is ru" in format_report(report)
    for languages, kept in (("all", {"en", "es", "pt", "ru", "und"}), ("es, PT", {"es", "pt", "und"})):
        out = tmp_path / "by-command.parquet"
        done = command("prepare", tmp_path / "raw.parquet", "--out", out, "--languages", languages)
        assert done.exit_code == 0, done.output
        assert set(pl.read_parquet(out)["language"]) == kept
    assert (
        "none of ar, de, el, en"
        in command("prepare", tmp_path / "raw.parquet", "--out", out, "--languages", "xx").output
    )
    none_left = command("prepare", tmp_path / "raw.parquet", "--out", out, "--languages", "ja", "--refuse-above", "0")
    assert none_left.exit_code == 0, "those whose language cannot be told stay"


def test_a12_a_file_with_nothing_in_the_languages_says_why(tmp_path: Path) -> None:
    with pytest.raises(QuestionsError, match=r"None of the 3 rows .*its language is ru"):
        prepared(tmp_path, *({"title": title} for title in SAMPLES["ru"]))
