"""What is left of an application that was stopped: nothing large, even if something still refers to it."""

import gc
import threading
import weakref

import pytest

from tests.backend.service import running

pytestmark = pytest.mark.anyio


async def test_a_stopped_application_releases_its_models_and_threads(database_url: str) -> None:
    before = set(threading.enumerate())
    async with running(database_url) as service:
        await service.suggest()
        app, model = service.app, weakref.ref(service.app.state.router.models.champion)
        working = [each for each in threading.enumerate() if each.name.startswith("inference") and each not in before]
        assert working
    del service
    for thread in working:
        thread.join(10)
    gc.collect()
    assert not any(thread.is_alive() for thread in working)
    assert app is not None
    assert model() is None
