"""Which form of /metrics a client gets: a page for people, an exposition for scrapers."""

from typing import Literal

Form = Literal["html", "openmetrics", "text"]


def named_types(accept: str) -> set[str]:
    """The media types that an Accept header names and does not refuse by ``q=0``, in lower case."""
    named = set()
    for part in accept.lower().split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        if media_type and not any(_is_zero(parameter) for parameter in parameters):
            named.add(media_type)
    return named


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    try:
        return name.strip() == "q" and float(value) == 0
    except ValueError:
        return False


def form_of(accept: str) -> Form:
    """The form for an Accept header (empty if there was none).

    Browsers always name ``text/html``; a scraper or ``curl`` with ``*/*`` means the exposition.
    """
    named = named_types(accept)
    if "text/html" in named:
        return "html"
    if "application/openmetrics-text" in named:
        return "openmetrics"
    return "text"
