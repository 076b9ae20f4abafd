"""Weights of images."""

from typing import Final

from app.errors import bad_input

MICRO: Final = 1_000_000
"""Weights are stored as integers of a millionth, so that their sums are exact."""
MAX_WEIGHT: Final = 1_000_000.0


def micro_weight(weight: float, *, field: str = "weight") -> int:
    """`weight` in millionths. BAD_USER_INPUT outside 0 to MAX_WEIGHT; a positive one never becomes 0."""
    if not 0 <= weight <= MAX_WEIGHT:
        raise bad_input(field, f"A weight lies between 0 and {MAX_WEIGHT:.0f}.")
    return max(round(weight * MICRO), 1) if weight > 0 else 0
