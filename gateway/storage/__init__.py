"""SQL: the only place of truth. One set of statements for SQLite and PostgreSQL."""
