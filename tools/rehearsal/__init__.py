"""A rehearsal of docker-compose.yml without containers; see `__main__`."""
