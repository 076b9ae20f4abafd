"""GraphiQL and CORS in a real Chromium, against a server process: `make test-browser`."""
