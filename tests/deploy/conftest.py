"""A service in the test's own process takes its time here as well."""

from tests.backend.conftest import unhurried_service as unhurried_service
