"""What this process counts of itself, for Prometheus; prometheus-client's only room. Nothing is global."""

from app.metrics.exposition import CONTENT_TYPE, exposition
from app.metrics.instruments import Metrics
from app.metrics.recall import RecallSampler
from app.metrics.storage import MeasuredStorage

__all__ = ["CONTENT_TYPE", "MeasuredStorage", "Metrics", "RecallSampler", "exposition"]
