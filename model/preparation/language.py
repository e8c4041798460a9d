"""The language of a question, by its letters and its commonest words.

Small and honest: the script tells Russian, Greek, Arabic, Hebrew, Hindi, Thai, Japanese, Korean and Chinese from the
rest (Cyrillic counts as Russian); Latin letters are told apart by stop words, the words that every sentence has. A
title with too few of them stays ``und`` (undetermined, ISO 639-3), as telegraphic ones do: 7 % of Stack Overflow's.
"""

import re
from typing import Final

UNDETERMINED: Final = "und"
CHARS: Final = 2_000
"""Characters that are looked at."""
_SCRIPTS: Final = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_DENSE: Final = frozenset(["ja", "ko", "zh"])
"""Scripts in which a character is a syllable or a word."""
_LEAST_SHARE: Final = 0.3
"""Share of the letters that a script must have: English questions name some foreign letters, too."""
# A whole word: the e of STG_E_NOT_FOUND and of 0x1e0 is not Portuguese.
_WORD: Final = re.compile(r"(?<!\w)[^\W\d_]+(?!\w)")
_STOP_WORDS: Final = {
    "en": "the a an is are to of in on for and how do i my with not it this that when why what can from does be have "
    "using without by as or if at after between but get use want need into which was there where am no all",
    "es": "el la los las un una es son de del en para y cómo como por que qué con no se mi al lo su puedo este esta "
    "cuando porque desde hacer tengo usando sin más está hola quiero",
    "pt": "o os as um uma é são de do da dos das em no na para e como por que com não se meu minha ao eu este esta "
    "quando porque fazer tenho usando sem mais está olá quero posso",
    "fr": "le la les un une est sont de du des en dans pour et comment je mon ma avec ne pas ce cette que qui quand "
    "pourquoi sur au aux par sans plus fait faire bonjour veux peut utiliser",
    "de": "der die das ein eine ist sind zu von in im auf für und wie ich mein meine mit nicht es dass wenn warum was "
    "kann aus den dem des nach zwischen aber oder bei ohne wird werden wird habe",
    "it": "il lo la gli le un una è sono di del della in nel per e come io mio mia con non si che quando perché su "
    "da al dei delle senza più fare ho questo questa posso vorrei ciao",
}
_LANGUAGES_OF: Final = {
    word: tuple(language for language, words in _STOP_WORDS.items() if word in words.split())
    for words in _STOP_WORDS.values()
    for word in words.split()
}
LANGUAGES: Final = tuple(sorted({*_STOP_WORDS, *(language for language, _ in _SCRIPTS)}))
"""The languages that are told apart."""


def detect_language(text: str) -> str:
    """Return the ISO 639-1 code of a text's language, or ``und``."""
    text = text[:CHARS]
    if not text.isascii():
        for language, letters in _SCRIPTS:
            letters_found = len(letters.findall(text)) * (3 if language in _DENSE else 1)
            if letters_found and letters_found >= _LEAST_SHARE * sum(map(len, _WORD.findall(text))):
                return language
    votes = dict.fromkeys(_STOP_WORDS, 0.0)
    words_of = dict.fromkeys(_STOP_WORDS, 0)
    for word in set(_WORD.findall(text.lower())):
        for language in (languages := _LANGUAGES_OF.get(word, ())):
            votes[language] += 1 / len(languages)
            words_of[language] += language == "en" or "en" not in languages
    best, second = sorted(votes, key=lambda language: -votes[language])[:2]
    # "per", "non", "com", "mit" and "y" are in English titles, too: one word of its own is enough for English only.
    if votes[best] < 1 or votes[best] < 1.2 * votes[second] or (best != "en" and words_of[best] < 2):
        return UNDETERMINED
    return best
