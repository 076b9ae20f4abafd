"""The record of who saw and did what: written, sealed, read, verified, and ended month by month."""
