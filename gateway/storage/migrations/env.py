"""Alembic's entry: run on the connection that `gateway.storage.migrate` hands over."""

from alembic import context

from gateway.storage.tables import metadata

connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7102651)")  # one migrating process at a time
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
