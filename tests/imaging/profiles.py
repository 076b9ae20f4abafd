"""Colour profiles made by script, each with colours that no reader could guess."""

import struct
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import ImageCms

Matrix = NDArray[np.float64]

# Red, green and blue as XYZ under D50, in columns.
SRGB: Matrix = np.array(
    [[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]]
)
P3: Matrix = np.array(
    [[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]]
)
SWAPPED: Matrix = SRGB[:, ::-1]


def plain() -> bytes:
    """An sRGB profile as a common library writes it."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _fixed(*values: float) -> bytes:
    """s15Fixed16Number."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def of_tags(kind: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A profile of version 2.4 with these tags (ICC.1:2001)."""
    at = 132 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s", at + len(body), 0x02400000, kind, space, pcs, b"acsp")
    return head.ljust(68, b"\0") + _fixed(0.9642, 1, 0.8249) + bytes(48) + table + body


def of_matrix(columns: Matrix, gamma: float) -> bytes:
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    tags = {
        name + b"XYZ": b"XYZ " + bytes(4) + _fixed(*columns[:, number])
        for number, name in enumerate((b"r", b"g", b"b"))
    }
    tags |= {name + b"TRC": curve for name in (b"r", b"g", b"b")}
    white = {b"wtpt": b"XYZ " + bytes(4) + _fixed(0.9642, 1, 0.8249)}
    return of_tags(b"mntr", b"RGB ", b"XYZ ", white | tags)


def grey(gamma: float) -> bytes:
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    white = b"XYZ " + bytes(4) + _fixed(0.9642, 1, 0.8249)
    return of_tags(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": white, b"kTRC": curve})


def inks() -> bytes:
    """CMYK of a printer who has red ink where others have cyan; black covers all."""
    line = bytes(range(256))
    grid = b""
    for cyan, _, _, black in product((0, 1), repeat=4):
        # Lab in bytes: white paper, black ink, red (54, 81, 70).
        grid += bytes((0, 128, 128) if black else (138, 209, 198) if cyan else (255, 128, 128))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    white = b"XYZ " + bytes(4) + _fixed(0.9642, 1, 0.8249)
    tags = {b"wtpt": white, b"A2B0": table + line * 4 + grid + line * 3}
    return of_tags(b"prtr", b"CMYK", b"Lab ", tags)


def program(stages: int = 40_000) -> bytes:
    """A screen whose colours go through so many floating-point stages, all of which are the same few bytes (ICC.1:2022, 10.16)."""
    stage = b"matf" + bytes(4) + struct.pack(">HH12f", 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
    table = struct.pack(">II", 16 + 8 * stages, len(stage)) * stages
    part = b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, stages) + table + stage
    profile = of_tags(b"mntr", b"RGB ", b"XYZ ", {b"D2B0": part})
    return profile[:8] + bytes((4, 0x30, 0, 0)) + profile[12:]


def shown(color: tuple[int, int, int], columns: Matrix, gamma: float) -> list[int]:
    """What sRGB has for a colour of `of_matrix`, by the formulas of IEC 61966-2-1."""
    light = np.linalg.solve(SRGB, columns @ (np.array(color) / 255) ** gamma).clip(0, 1)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return [round(float(level) * 255) for level in levels]
