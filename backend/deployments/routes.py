"""The route of the model for the device."""

import base64
import re

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from backend.deployments.device_files import DeviceFile, DeviceFiles, NoDeviceFile
from backend.deployments.device_versions import DeviceVersions
from backend.deployments.service import list_champions
from backend.web.dependencies import DatabaseDependency
from backend.web.problems import Problem

DEVICE_MODEL = "/api/v1/models/device"

# One range of bytes, as clients ask for the rest of a download. Others are ignored, as RFC 9110, 14.2 allows.
RANGE = re.compile(r"bytes=(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{0,18})|-(?P<length>[0-9]{1,18}))")

router = APIRouter(tags=["models"])


@router.head(DEVICE_MODEL, include_in_schema=False)
@router.get(
    DEVICE_MODEL,
    response_class=FileResponse,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The file; its ETag names its content"},
        206: {"content": {"application/octet-stream": {}}, "description": "The range of it that was asked for"},
        304: {"description": "The file of the ETag that was sent is still the one"},
        416: {"description": "The file is shorter than the range"},
    },
)
async def read_device_model(request: Request, database: DatabaseDependency) -> Response:
    """Return the model that devices answer with: of the newest champion with a device form, else of the shipped one."""
    files: DeviceFiles = request.app.state.device_files
    versions: DeviceVersions = request.app.state.device_versions
    champions = await database.run(list_champions)
    try:
        file = await files.open_newest(champions)
    except NoDeviceFile as error:
        raise Problem(
            503, "No device file", f"The model for devices can't be made: {error}", headers={"Retry-After": "60"}
        ) from None
    # A device with it may answer, and report its answers, at once.
    if not await versions.find([file.version]):
        await versions.record_new_versions()
    headers = file_headers(file)
    if names_etag(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    check_range(request, file.size)
    return FileResponse(
        file.path, headers=headers, media_type="application/octet-stream", filename=f"{file.version}.bin"
    )


def file_headers(file: DeviceFile) -> dict[str, str]:
    """Return what names a file's content; a client has to ask whether it is still the one."""
    return {
        "ETag": f'"{file.sha256.hex()}"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(file.sha256).decode()}:",
        "Cache-Control": "no-cache",
    }


def names_etag(if_none_match: str, etag: str) -> bool:
    """Return whether an If-None-Match header names an ETag (RFC 9110, 13.1.2)."""
    names = [name.strip().removeprefix("W/") for name in if_none_match.split(",")]
    return "*" in names or etag in names


def check_range(request: Request, size: int) -> None:
    """Drop a Range header that is not one range of bytes.

    Raises:
        Problem: 416, the range begins behind the end of the file.
    """
    match = RANGE.fullmatch(request.headers.get("range", ""))
    # Of the last 0 bytes there is no first one either.
    first = int(match["first"] or (0 if int(match["length"]) else size)) if match else 0
    if match is None or (match["last"] and int(match["last"]) < first):
        request.scope["headers"] = [header for header in request.scope["headers"] if header[0] != b"range"]
    elif first >= size and "if-range" not in request.headers:
        raise Problem(
            416, "No such range", f"The file has {size:,} bytes.", headers={"Content-Range": f"bytes */{size}"}
        )
