"""Clients of other makers against real server processes."""
