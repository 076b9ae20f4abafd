"""Rows for COPY (format binary) out of numpy's arrays: as fast as memory is written, where Python objects are not.

A column is a dtype of its value in network byte order, or None for null in every row (PostgreSQL's manual, COPY,
"Binary Format").
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

HEAD: Final = b"PGCOPY\n\xff\r\n" + bytes(9)
TAIL: Final = b"\xff\xff"
UUID: Final = np.dtype((np.uint8, 16))
INT4, INT8 = np.dtype(">i4"), np.dtype(">i8")
UUID_OID: Final = 2950
EPOCH: Final = np.datetime64("2000-01-01T00:00:00", "us")


def timestamps(moments: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """As timestamptz is sent: microseconds since 2000."""
    return (moments - EPOCH).astype(np.int64)


def uuid_arrays(ids: NDArray[np.uint8]) -> NDArray[Any]:
    """uint8[n, k, 16] as n values of uuid[], each with k elements."""
    count, size, _ = ids.shape
    head = [("ndim", INT4), ("nulls", INT4), ("oid", INT4), ("size", INT4), ("from", INT4)]
    element = np.dtype([("length", INT4), ("value", UUID)])
    made = np.zeros(count, dtype=[*head, ("elements", element, size)])
    made["ndim"], made["oid"], made["size"], made["from"] = 1, UUID_OID, size, 1
    made["elements"]["length"] = 16
    made["elements"]["value"] = ids
    return made


def halfvecs(vectors: NDArray[np.float32]) -> NDArray[Any]:
    """float32[n, d] as n values of pgvector's halfvec."""
    count, dimension = vectors.shape
    made = np.zeros(count, dtype=[("dim", ">i2"), ("unused", ">i2"), ("values", ">f2", dimension)])
    made["dim"] = dimension
    made["values"] = vectors
    return made


def rows(columns: Mapping[str, NDArray[Any] | None]) -> bytes:
    """The whole message of a COPY of these columns, in this order."""
    count = next(len(one) for one in columns.values() if one is not None)
    kinds: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, values in columns.items():
        kinds.append((f"{name} length", INT4))
        if values is not None:
            kinds.append((name, (values.dtype, values.shape[1:])))
    made = np.zeros(count, dtype=kinds)
    made["fields"] = len(columns)
    for name, values in columns.items():
        if values is None:
            made[f"{name} length"] = -1
        else:
            made[f"{name} length"] = made.dtype[name].itemsize
            made[name] = values
    return HEAD + made.tobytes() + TAIL
