"""Prose and code of a body, apart: blocks of code leave the text, code inside a line is part of its sentence.

Every search that fails ends its loop, so that the time is linear in the length of the body.
"""

import re
from typing import Final

from model.serving.text import BODY_CHARS, plain_text, without_entities

_PRE: Final = re.compile(r"<pre\b[^<>]*>", re.IGNORECASE)
_PRE_END: Final = re.compile(r"</pre\s*>", re.IGNORECASE)
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})[^`\n]*$")
_LIST_ITEM: Final = re.compile(r" {0,3}(?:[-*+]|\d{1,9}[.)])\s")
_BLANK_LINES: Final = re.compile(r"\n\s*\n")


def split_prose_and_code(body: str, body_format: str) -> tuple[str, str]:
    """Split a body into the text of its prose and the text of its blocks of code, which blank lines part.

    HTML: code is what ``<pre>`` holds. Markdown: fenced blocks, and lines indented by four spaces or a tab after a
    blank line (eight in a list), as CommonMark has it. Text has no code that could be told apart.

    Raises:
        ValueError: ``body_format`` is none of ``model.serving.text.BODY_FORMATS``.
    """
    body = body[:BODY_CHARS].replace("\r\n", "\n")
    prose, blocks = body, list[str]()
    if body_format == "html":
        prose, blocks = _split_html(body)
        blocks = [plain_text(block, "html", BODY_CHARS) for block in blocks]
    elif body_format == "markdown":
        prose, blocks = _split_markdown(body)
        blocks = [without_entities(block) for block in blocks]
    prose = _BLANK_LINES.sub("\n\n", plain_text(prose, body_format, BODY_CHARS)).strip()
    code = "\n\n".join(block.strip("\n").rstrip() for block in blocks if block.strip())
    return prose, plain_text(code, "text", BODY_CHARS)


def _split_html(body: str) -> tuple[str, list[str]]:
    prose: list[str] = []
    blocks: list[str] = []
    position = 0
    while opening := _PRE.search(body, position):
        prose.append(body[position : opening.start()])
        closing = _PRE_END.search(body, opening.end())
        blocks.append(body[opening.end() : closing.start() if closing else len(body)])
        position = closing.end() if closing else len(body)
    prose.append(body[position:])
    return "\n".join(prose), blocks


def _split_markdown(body: str) -> tuple[str, list[str]]:
    prose: list[str] = []
    blocks: list[list[str]] = []
    fence = ""
    in_list = in_block = False
    after_blank = True
    for line in body.split("\n"):
        if fence:
            text = line.strip()
            if text.startswith(fence) and not text.strip(fence[0]):
                fence = ""
            else:
                blocks[-1].append(line)
            continue
        if opening := _FENCE.match(line):
            fence = opening[1]
            blocks.append([])
            prose.append("")
            in_block, after_blank = False, True
            continue
        blank = not line.strip()
        indent = "        " if in_list else "    "
        if (in_block and blank) or ((in_block or after_blank) and line.expandtabs(4).startswith(indent) and not blank):
            if not in_block:
                blocks.append([])
                prose.append("")
            in_block = True
            blocks[-1].append(line.expandtabs(4)[len(indent) :])
        else:
            in_block = False
            prose.append(line)
            if _LIST_ITEM.match(line):
                in_list = True
            elif not blank and not line.startswith(" "):
                in_list = False
        after_blank = blank
    return "\n".join(prose), ["\n".join(block) for block in blocks]
