"""Routes of the page to try the model, and the headers that keep it to itself."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

HERE = Path(__file__).parent

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
    """The page to try the model."""
    return FileResponse(HERE / "playground.html", headers=HEADERS)


@router.get("/trial.css")
async def style() -> FileResponse:
    """The page's style."""
    return FileResponse(HERE / "playground.css", headers=HEADERS)


@router.get("/trial.js")
async def script() -> FileResponse:
    """The page's script."""
    return FileResponse(HERE / "playground.js", headers=HEADERS, media_type="text/javascript")


@router.get("/icon.svg")
async def icon() -> FileResponse:
    """The icon of this page and of the admin's."""
    return FileResponse(HERE / "icon.svg", headers=HEADERS)
