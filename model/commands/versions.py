"""``tagalong-model versions``: the numbered versions of the registry, and why one was refused."""

import json
from pathlib import Path

import click

from model.commands.registry import registry_errors, registry_option
from model.commands.terminal import require_extra

SHOWN = ("P@1", "R@5", "Jaccard", "ECE")
"""Metrics of each version that the list has."""


@click.command()
@registry_option
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def versions(registry: Path, as_json: bool) -> None:
    """List the registry's versions, with their state: trained, checked or refused.

    Which of them is champion or challenger the service's database knows: see `tagalong-server deployments`.
    """
    with require_extra():
        from model.registry.versions import all_versions
    with registry_errors(registry):
        found = all_versions(registry)
    if as_json:
        click.echo(json.dumps([version.about for version in found], indent=1, ensure_ascii=False))
        return
    if not found:
        click.echo(f"There is no version in {registry}.")
        return
    click.echo(f"{'number':>6}  {'version':<16}{'state':<10}{'trained at':<28}" + "".join(f"{of:>9}" for of in SHOWN))
    for version in found:
        metrics = version.about["metrics"]
        cells = "".join(f"{metrics[of]:>9.3f}" if of in metrics else f"{'':>9}" for of in SHOWN)
        at = version.about["trained_at"]
        click.echo(f"{version.number:>6}  {version.name:<16}{version.state:<10}{at:<28}{cells}")
        for why in version.failed():
            click.echo(f"{'':>8}{why}")
