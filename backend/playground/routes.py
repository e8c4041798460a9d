"""Routes of the playground, a page to try the model, and the headers that isolate it."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

FOLDER = Path(__file__).parent

# Everything the page needs comes from this service, and nothing else may be loaded or framed.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page() -> FileResponse:
    """Return the page."""
    return FileResponse(FOLDER / "playground.html", headers=HEADERS)


@router.get("/trial.css")
async def style() -> FileResponse:
    """Return the page's style sheet."""
    return FileResponse(FOLDER / "playground.css", headers=HEADERS)


@router.get("/trial.js")
async def script() -> FileResponse:
    """Return the page's script."""
    return FileResponse(FOLDER / "playground.js", headers=HEADERS, media_type="text/javascript")


@router.get("/icon.svg")
async def icon() -> FileResponse:
    """Return the icon of this page and of the admin's."""
    return FileResponse(FOLDER / "icon.svg", headers=HEADERS)
