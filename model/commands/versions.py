"""``tagalong-model versions``: the numbered versions of the registry, and why one was refused."""

import json
from pathlib import Path

import click

from model.commands.registry import registry_errors
from model.commands.registry_option import registry_option
from model.registry.versions import read_versions

SHOWN = ("P@1", "R@5", "Jaccard", "ECE")
"""Metrics in the list."""


@click.command()
@registry_option
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def versions(registry: Path, as_json: bool) -> None:
    """List the registry's versions, with their state: trained, checked or refused.

    Which of them is champion or challenger is in the service's database: see `tagalong-server deployments`.
    """
    with registry_errors(registry):
        listed = read_versions(registry)
    if as_json:
        click.echo(json.dumps([version.about for version in listed], indent=1, ensure_ascii=False))
        return
    if not listed:
        click.echo(f"There is no version in {registry}.")
        return
    metric_heads = "".join(f"{name:>9}" for name in SHOWN)
    click.echo(f"{'number':>6}  {'version':<16}{'state':<10}{'trained at':<28}{metric_heads}")
    for version in listed:
        metrics = version.about["metrics"]
        cells = "".join(f"{metrics[name]:>9.3f}" if name in metrics else f"{'':>9}" for name in SHOWN)
        trained_at = version.about["trained_at"]
        click.echo(f"{version.number:>6}  {version.name:<16}{version.state:<10}{trained_at:<28}{cells}")
        for reason in version.failed():
            click.echo(f"{'':>8}{reason}")
