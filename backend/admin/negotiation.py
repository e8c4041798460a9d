"""Content negotiation for /metrics: a page for people, an exposition for scrapers."""

from dataclasses import dataclass

# What Prometheus's own server and `prometheus_client` both write (expfmt.Negotiate in prometheus/common).
VERSIONS = {"application/openmetrics-text": ("1.0.0",), "text/plain": ("0.0.4", "1.0.0")}
ESCAPINGS = frozenset({"allow-utf-8", "underscores", "dots", "values"})


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of an Accept header: its type and parameters, in lower case, and its weight."""

    media_type: str
    parameters: dict[str, str]
    quality: float


def parse_accept(accept: str) -> list[MediaRange]:
    """Return the media ranges that an Accept header does not refuse by ``q=0``, by preference."""
    ranges = (parse_range(entry) for entry in accept.lower().split(","))
    accepted = [media_range for media_range in ranges if media_range.media_type and media_range.quality > 0]
    return sorted(accepted, key=lambda media_range: -media_range.quality)


def parse_range(entry: str) -> MediaRange:
    """Parse one entry of an Accept header; a weight that is no number counts as 1."""
    media_type, *parts = (part.strip() for part in entry.split(";"))
    pairs = (part.partition("=") for part in parts)
    parameters = {name.strip(): value.strip().strip('"') for name, _, value in pairs}
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        quality = 1.0
    return MediaRange(media_type, parameters, quality)


def wants_page(accept: str) -> bool:
    """Return whether an Accept header names ``text/html``, as every browser's does; ``*/*`` means the exposition."""
    return any(media_range.media_type == "text/html" for media_range in parse_accept(accept))


def choose_exposition(accept: str) -> str:
    """Return the preferred exposition that we can write, as an Accept header with just that one.

    A format without a version, or a client that names none of ours, gets the oldest version.
    """
    for media_range in parse_accept(accept):
        versions = VERSIONS.get(media_range.media_type, ())
        version = media_range.parameters.get("version") or next(iter(versions), "")
        if version in versions:
            escaping = media_range.parameters.get("escaping", "")
            suffix = f";escaping={escaping}" if escaping in ESCAPINGS else ""
            return f"{media_range.media_type};version={version}{suffix}"
    return "text/plain;version=0.0.4"
