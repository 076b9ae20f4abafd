"""Pictor: a team image library with a GraphQL API. The layers are described in docs/architecture.md."""
