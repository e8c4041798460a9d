"""The database: connections, migrations, backups, and the embedded server."""
