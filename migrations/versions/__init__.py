"""Alembic's migrations: the only place that changes tables."""
