"""The two answers of the page in words: is it good, is it getting worse; a section only."""

from dataclasses import replace

from backend.acceptance.figures import ACCEPTANCE, add_counts
from backend.admin.formatting import earlier_span_in_words, span_in_words, target_in_words
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.sentences import Answer, answer_in_words


async def read_section(request: PanelRequest) -> Answer:
    """Return the answers for the period shown, against the one it is compared with."""
    view = request.view
    spans = span_in_words(view.filters, view.period), earlier_span_in_words(view.filters, view.before)
    if view.only_tag:
        # A draft has several tags: what it was helped by is no figure of one of them.
        days, earlier_days = await request.days(), await request.previous_days()
        return answer_in_words(add_counts(days.values()), add_counts(earlier_days.values()), *spans, view.only_tag)
    answer = answer_in_words(await request.overview(), await request.previous_overview(), *spans)
    return replace(answer, target=target_in_words(ACCEPTANCE, request.rules.values()))


PANEL = Panel("answer", "Is it good? Is it getting worse?", read_section, twins="overview")
