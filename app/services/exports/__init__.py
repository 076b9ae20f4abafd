"""Datasets: a filter's images, frozen and written out for training."""
