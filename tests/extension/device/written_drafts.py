"""Drafts in which the model on the device and the service's classifier could differ, written or made from seeds."""

import random
from collections.abc import Sequence
from typing import Any

HARD_TEXTS = [
    "",
    " ",
    "?!… --- ... ..",
    "C#",
    "\uff23\uff03 and \uff26\uff03, \uff30\uff59\uff54\uff48\uff4f\uff4e\u3000\uff13",
    "C\u266f, F\u266f, \u266f and 3\u266f",
    "Java\u2122 asp.net\u2011mvc node\u00ad.js py\u200bthon",
    "o\ufb00set in \U0001d400\U0001d401 and \u2460",
    "HTMLParser.parseXMLFromURL in .NET/ASP.NET-MVC 5 (x64), g++ -std=c++17",
    "..net .net. a..b -c- node.js. .htaccess c#/.net [c#] {c++}",
    "sql server sql-server SQL SERVER Sql Server sqlServer",
    "python python python pandas pandas dataframe groupby groupby",
    "e\u0301cole \u00e9cole na\u00efve \u0130stanbul \u212aelvin \u1e9e \u01c5",
    "\u4f60\u597d python \u043a\u0430\u043a java \u0639\u0631\u0628\u064a",
    "\U0001f600 emoji \U0001f468\u200d\U0001f469\u200d\U0001f467 in swift \U0001f600",
    "a\0b\ud800c\udfff",
    "line\r\nbreak\u2028separator\u2029paragraph\x85next\x1cfile\x0bvertical",
    "&amp; &lt;b&gt; &copy &notit; &#38; &#x26; &#0; &#13; &#128; &#150; &#55296; &#1114112; &#65534; &unknown; &ampx",
    "<p>un<b>brok</b>en</p><!-- <i> --> a < b <3 <div\nclass='x'>x</div> <unclosed",
    "[the docs](https://example.org/page) ![shot][1] [more][2] [x] [y](z\n\n  [1]: http://a.b\n [2]:http://d.e\n[3]:\n",
    "[" * 300 + "x" + "]" * 300 + "(" * 100,
    "`x = 1`\n\n    indented code\n\n```python\nimport numpy as np\n```\n> quote\n# heading\n* list",
    "_under_score_ __init__ snake_case_name CONST_NAME x_1 _",
    "Error: java.lang.NullPointerException at com.example.Main.main(Main.java:12)",
    "SELECT * FROM users WHERE id = 1 GROUP BY name HAVING COUNT(*) > 1 -- sql",
]
"""Texts that are hard to read in some format."""

_PIECES = [
    "{}", "{}", "{}", "{}.", "`{}`", "**{}**", "[{}](https://example.org/{})", "![{}](x.png)", "<b>{}</b>",
    "<p>{}</p>", "<code>{}</code>", "&lt;{}&gt;", "{}&nbsp;", "\n\n    {}\n", "({})", "{},", "{}\u2122",
    "\u201c{}\u201d", "{}\u2026", "<!-- {} -->", "\U0001f600{}", "{}\u00a0", "&#{};", "_{}_", "{}/",
]  # fmt: skip


def generate_drafts(n: int, seed: int, words: Sequence[str], tags: Sequence[str]) -> list[dict[str, Any]]:
    """Return the hard texts in each format, then n drafts of the given words in all kinds of markup.

    Args:
        words: words, and runs of words joined by spaces.
        tags: what a writer may have chosen.
    """
    drafts: list[dict[str, Any]] = [
        {"title": title, "body": body, "body_format": body_format, "chosen_tags": [], "limit": 5}
        for text in HARD_TEXTS
        for body_format in ("markdown", "html", "text")
        for title, body in ((text, ""), ("", text), (text[:300], text * 30))
    ]
    chance = random.Random(seed)
    for _ in range(n):
        title = " ".join(_respell(chance.choice(words), chance) for _ in range(chance.randrange(1, 9)))
        body = " ".join(_mark_up(chance.choice(words), chance) for _ in range(chance.choice([0, 5, 50, 300])))
        drafts.append(
            {
                "title": title[:300],
                "body": body,
                "body_format": chance.choice(["markdown", "html", "text"]),
                "chosen_tags": chance.sample(tags, chance.choice([0, 0, 1, 2, 5])),
                "limit": chance.choice([1, 5, 5, 5, 20]),
            }
        )
    return drafts


def _respell(word: str, chance: random.Random) -> str:
    case = chance.randrange(6)
    if case == 0:
        return word.upper()
    if case == 1:
        return word.title()
    if case == 2:
        return "".join(
            chr(ord(letter) + 0xFEE0) if letter.isascii() and letter.isalnum() else letter for letter in word
        )
    return word


def _mark_up(word: str, chance: random.Random) -> str:
    respelled = _respell(word, chance)
    return chance.choice(_PIECES).replace("{}", respelled)
