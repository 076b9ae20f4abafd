"""The HTTP edge: bytes and headers in, responses out. No SQL, no business rule."""
