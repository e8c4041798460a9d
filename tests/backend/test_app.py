"""The application after it was stopped: its models are released, even if something still refers to it."""

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
        started = set(threading.enumerate()) - before
        working = [thread for thread in started if thread.name.startswith("inference")]
        assert working
    del service
    for thread in working:
        thread.join(10)
    gc.collect()
    assert not any(thread.is_alive() for thread in working)
    assert app is not None
    assert model() is None
