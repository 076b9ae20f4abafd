"""Texts and pictures as vectors of one space: the only room that knows sentence-transformers. No SQL, no decoding."""

from app.embedding.embedder import Embedder, SentenceEmbedder, embedder_from_name
from app.embedding.model import PICTURE_SIDE, Vectors
from app.embedding.roster import Embedders, Known

__all__ = [
    "PICTURE_SIDE",
    "Embedder",
    "Embedders",
    "Known",
    "SentenceEmbedder",
    "Vectors",
    "embedder_from_name",
]
