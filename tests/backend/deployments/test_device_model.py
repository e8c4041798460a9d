"""The model for the device: which version is offered, whole or in ranges, and named by its content."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backend.deployments import device_files
from model.serving import NoDeviceFormError, device_file
from tests.backend.deployments.deployable_service import DeployableService, running_with_registry
from tests.backend.deployments.registry import RELEASED, register
from tests.backend.service import DEVICE_VERSION, Service, a_device_answer, a_draft

pytestmark = pytest.mark.anyio

URL = "/api/v1/models/device"


@pytest.fixture
async def offering(database_url: str, models: Path, tmp_path: Path) -> AsyncIterator[DeployableService]:
    async with running_with_registry(database_url, models, data_dir=tmp_path / "data") as started:
        yield started


@pytest.fixture(scope="session")
def shipped() -> bytes:
    return device_file(RELEASED / "light")


async def offered(service: Service) -> str:
    response = await service.client.head(URL)
    assert response.status_code == 200
    return str(response.headers["content-disposition"].split('"')[1].removesuffix(".bin"))


async def test_without_a_deployment_the_shipped_light_model_is_offered(
    offering: DeployableService, shipped: bytes
) -> None:
    response = await offering.service.client.get(URL)
    assert (response.status_code, response.content) == (200, shipped)
    digest = hashlib.sha256(shipped).digest()
    assert response.headers["etag"] == f'"{digest.hex()}"'
    assert response.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-length"] == str(len(shipped))
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["cache-control"] == "no-cache"
    assert DEVICE_VERSION in response.headers["content-disposition"]


async def test_head_says_the_same_without_the_file(offering: DeployableService, shipped: bytes) -> None:
    response = await offering.service.client.head(URL)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(len(shipped))


@pytest.mark.parametrize("template", ["{}", "W/{}", '"other", {}', "*"])
async def test_whoever_has_the_file_gets_304(offering: DeployableService, template: str) -> None:
    etag = (await offering.service.client.head(URL)).headers["etag"]
    response = await offering.service.client.get(URL, headers={"If-None-Match": template.format(etag)})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
    other = await offering.service.client.head(URL, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


async def test_a_download_that_broke_off_is_continued_by_a_range(offering: DeployableService, shipped: bytes) -> None:
    client = offering.service.client
    etag = (await client.head(URL)).headers["etag"]
    for header, content in (
        ("bytes=0-99", shipped[:100]),
        (f"bytes={len(shipped) - 50}-", shipped[-50:]),
        ("bytes=-7", shipped[-7:]),
    ):
        response = await client.get(URL, headers={"Range": header, "If-Range": etag})
        assert (response.status_code, response.content) == (206, content), header
        assert response.headers["content-range"].endswith(f"/{len(shipped)}")
    whole = await client.get(URL, headers={"Range": "bytes=0-99", "If-Range": '"another file"'})
    assert (whole.status_code, len(whole.content)) == (200, len(shipped))


@pytest.mark.parametrize("header", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes=", "bytes=-"])
async def test_a_range_that_is_none_is_ignored(offering: DeployableService, header: str) -> None:
    assert (await offering.service.client.head(URL, headers={"Range": header})).status_code == 200


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=-0"])
async def test_a_range_behind_the_end_is_a_problem(offering: DeployableService, shipped: bytes, header: str) -> None:
    response = await offering.service.client.get(URL, headers={"Range": header})
    assert (response.status_code, response.headers["content-type"]) == (416, "application/problem+json")
    assert response.headers["content-range"] == f"bytes */{len(shipped)}"


async def test_the_newest_champion_with_a_device_form_is_offered_and_a_rollback_takes_it_back(
    offering: DeployableService,
) -> None:
    service = offering.service
    first, full, second = (
        register(offering.models, number, tier=tier) for number, tier in ((1, "light"), (2, "full"), (3, "light"))
    )
    await offering.deploy(1)
    assert await offered(service) == DEVICE_VERSION  # a challenger is not offered
    await offering.promote()
    assert await offered(service) == first
    await offering.deploy(2)
    await offering.promote()
    assert full.startswith("full")
    assert await offered(service) == first  # the champion has no device form
    await offering.deploy(3)
    await offering.promote()
    assert await offered(service) == second
    for version in (first, first, DEVICE_VERSION):
        await offering.roll_back("champion")
        assert await offered(service) == version


async def test_answers_with_a_version_that_is_offered_are_known_at_once(offering: DeployableService) -> None:
    version = register(offering.models, 1)
    await offering.deploy(1)
    await offering.promote()
    draft = a_draft()
    answer = a_device_answer(draft, 1, ["python"], model_version=version)
    assert await offered(offering.service) == version
    assert (await offering.service.send(draft["install_id"], [answer]))["new"] == 1
    await offering.roll_back("champion")
    later = a_device_answer(draft, 2, ["pandas"], model_version=version)
    assert (await offering.service.send(draft["install_id"], [later]))["new"] == 1


async def test_a_version_whose_files_are_damaged_is_passed_over(offering: DeployableService) -> None:
    register(offering.models, 1)
    await offering.deploy(1)
    await offering.promote()
    with (offering.models / "1" / "model.onnx").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    assert await offered(offering.service) == DEVICE_VERSION


async def test_the_file_is_made_once_and_again_only_when_it_is_damaged(
    offering: DeployableService, shipped: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def count(folder: Path) -> bytes:
        made.append(folder)
        return shipped

    monkeypatch.setattr(device_files, "device_file", count)
    client = offering.service.client
    await asyncio.gather(*(client.head(URL) for _ in range(5)))
    assert len(made) == 1
    files = offering.service.app.state.device_files
    (path,) = (tmp_path / "data" / "device").iterdir()
    files._files.clear()  # as another process would find it
    await client.head(URL)
    assert len(made) == 1
    path.write_bytes(b"half a file")
    files._files.clear()
    assert (await client.get(URL)).content == shipped
    path.unlink()
    assert (await client.get(URL)).content == shipped
    assert len(made) == 3


async def test_where_no_file_can_be_made_the_answer_says_why(
    offering: DeployableService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> bytes:
        raise NoDeviceFormError("its graph is of another kind")

    monkeypatch.setattr(device_files, "device_file", fail)
    response = await offering.service.client.get(URL)
    assert (response.status_code, response.headers["retry-after"]) == (503, "60")
    assert "its graph is of another kind" in response.json()["detail"]


async def test_a_closed_service_asks_for_its_key_and_no_page_of_another_origin_is_refused(
    make_service: Any, tmp_path: Path
) -> None:
    async with make_service(api_key="secret", model_tier="light", data_dir=tmp_path) as service:
        assert (await service.client.head(URL)).status_code == 401
        headers = {"Authorization": "Bearer secret", "Origin": "https://example.org"}
        assert (await service.client.head(URL, headers=headers)).status_code == 200


@pytest.mark.parametrize("device_first", [True, False], ids=["device first", "service first"])
async def test_a_draft_with_an_answer_of_the_device_is_in_no_experiment(
    offering: DeployableService, device_first: bool
) -> None:
    service = offering.service
    register(offering.models, 1)
    await offering.deploy(1, share=0.5)
    other, draft = a_draft(), a_draft()
    answer = a_device_answer(draft, 1, ["python"])
    await service.suggest(**other)
    for on_device in (device_first, not device_first, False):
        if on_device:
            assert (await service.send(draft["install_id"], [answer]))["new"] == 1
        else:
            await service.suggest(**draft)
    rows = await service.rows("SELECT id, deployment_id FROM draft")
    assert {str(row["id"]): row["deployment_id"] is not None for row in rows} == {
        other["draft_id"]: True,
        draft["draft_id"]: False,
    }
    rows = await service.rows("SELECT draft_id, deployment_id FROM suggestion")
    assert [str(row["draft_id"]) for row in rows if row["deployment_id"]] == [other["draft_id"]]
    assert len(rows) == 4
    arms = [await service.metrics("overview", arm=arm) for arm in ("champion", "challenger")]
    coverage = [row["result"]["n"] for rows in arms for row in rows if row["figure"] == "coverage"]
    assert sum(coverage) == 1
    installs = await service.rows("SELECT install_id FROM assignment")
    assert len(installs) == (1 if device_first else 2)


def test_the_shipped_version_is_the_one_that_the_manifest_names(shipped: bytes) -> None:
    length = int.from_bytes(shipped[12:16], "little")
    assert json.loads(shipped[48 : 48 + length])["version"] == DEVICE_VERSION
