"""`hash-password`: print the hash to set instead of the admin's password."""

import sys

import click

from backend.admin.auth import hash_password as argon2_hash


@click.command("hash-password")
def hash_password() -> None:
    """Ask for a password, or read it from the standard input, and print its hash for TAGALONG_ADMIN_PASSWORD."""
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.ClickException("there is no password on the standard input")
    click.echo(argon2_hash(password))
