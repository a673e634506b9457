"""PostgreSQL: connections, migrations, the private server."""
