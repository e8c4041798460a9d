"""The two answers of the page in words: is it good, is it getting worse; a section only."""

from backend.admin.formatting import earlier_span_in_words, span_in_words
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.sentences import Answer, answer_in_words


async def read_section(request: PanelRequest) -> Answer:
    """Return the answers for the period shown, against the one it is compared with."""
    view = request.view
    return answer_in_words(
        (await request.grid()).overview(),
        (await request.previous_grid()).overview(),
        span_in_words(view.filters, view.period),
        earlier_span_in_words(view.filters, view.before),
    )


PANEL = Panel("answer", "Is it good? Is it getting worse?", read_section, twins="overview")
