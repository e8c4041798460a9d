"""Training again needs a champion to begin with: the registry's tests have one."""

from tests.model.registry.conftest import base, champion, gates, registry, trained

__all__ = ["base", "champion", "gates", "registry", "trained"]
