"""The second entrance: background work, taken from the queue. What it writes is services/processing's."""

from app.worker.supervisor import working
from app.worker.worker import Worker

__all__ = ["Worker", "working"]
