"""The application's state: what its routes, its work in the background and the command that runs it share."""

from dataclasses import dataclass, field

from fastapi import FastAPI

from backend.alerts.rules import Rule
from backend.audit.refusals import RefusedSignIns
from backend.counters.totals import Totals
from backend.deployments.device_files import DeviceFiles
from backend.deployments.device_versions import DeviceVersions
from backend.deployments.loader import ModelLoader
from backend.deployments.router import Router
from backend.drafts.addresses import AddressHasher
from backend.postgres.database import Database
from backend.suggestions.service import Suggester


@dataclass
class AppState:
    """What ``app.state`` is.

    Attributes:
        alert_rules: by name, as the file of rules has them.
        failure: why the application could not start; None where it could.
        draining: whether the process has been told to end and lets clients find out.
        migrated: whether the database has the newest schema.
        not_migrated_because: why it does not, for people.
        database: as all that follow, there once the application starts.
        totals: counts that wait for the database.
        refused_sign_ins: the admin's, which wait for it too.
        router: chooses the model version that answers a draft.
        loader: loads the versions that are deployed.
        suggester: what answers drafts.
        device_files: makes the files of the model that devices get.
        device_versions: knows what the versions of devices can suggest.
        hasher: bounds how much of one address is recorded.
    """

    alert_rules: dict[str, Rule]
    failure: Exception | None = None
    draining: bool = False
    migrated: bool = False
    not_migrated_because: str = ""
    database: Database = field(init=False)
    totals: Totals = field(init=False)
    refused_sign_ins: RefusedSignIns = field(init=False)
    router: Router = field(init=False)
    loader: ModelLoader = field(init=False)
    suggester: Suggester = field(init=False)
    hasher: AddressHasher = field(init=False)
    device_versions: DeviceVersions = field(init=False)
    device_files: DeviceFiles = field(init=False)

    def install(self, app: FastAPI) -> None:
        """Put this state in the place of Starlette's, which takes any attribute."""
        app.state = self  # type: ignore[assignment]

    def drain(self) -> None:
        """Let readiness say no from now on."""
        self.draining = True

    def release_models(self) -> None:
        """End the threads that models run on, and drop the models: a stopped application may still be referenced."""
        self.suggester.close()
        del self.suggester, self.loader, self.router
