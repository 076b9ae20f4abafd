"""The schema: shapes, and nothing else. No SQL, no business rule."""
