"""What `more`, `less` and `diversity` do to searches of the demo gallery, whose tags are the truth. No database.

    python -m benchmarks.questions [--pictures 300]

The constants of app/services/searching/questions.py and diversity.py come from these tables. A case is two tags A and B that
some pictures share. `less`: A is asked for, less of B; as many hits are looked at as pictures have A without B.
`more`: A with more of B, and pictures that have both. Precision is the share that is right.
"""

# ruff: noqa: T201  It prints tables.

import argparse
import asyncio
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.demo.gallery import gallery
from app.embedding import PICTURE_SIDE, Embedder, Vectors, embedder_from_name
from app.services.searching import diversity

STEPS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5)
LEAST = 3
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """A's and B's vector as a text, which pictures carry them, and one that stands for B."""

    a: Vectors
    b: Vectors
    has_a: Bools
    has_b: Bools
    picture_of_b: Vectors


async def read(embedder: Embedder, count: int) -> tuple[Vectors, list[set[str]]]:
    rows, tags = [], []
    for one in gallery(count, now=datetime(2026, 1, 1, tzinfo=UTC)):
        picture = Image.open(io.BytesIO(one.data)).convert("RGB")
        picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        rows.append((await embedder.pictures([np.asarray(picture)]))[0])
        tags.append(set(one.tags))
    return np.stack(rows), tags


async def cases(embedder: Embedder, pictures: Vectors, tags: list[set[str]]) -> list[Case]:
    names = sorted(set().union(*tags))
    has = {name: np.array([name in one for one in tags]) for name in names}
    names = [name for name in names if has[name].sum() >= 5]
    texts = dict(zip(names, await embedder.texts(names), strict=True))
    found = []
    for a, b in product(names, names):
        both = has[a] & has[b]
        if a != b and both.sum() >= LEAST and (has[a] & ~has[b]).sum() >= LEAST:
            picture = pictures[np.flatnonzero(both)[0]]
            found.append(Case(texts[a], texts[b], has[a], has[b], picture))
    return found


def unit(vector: Vectors) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def table(title: str, pictures: Vectors, all_cases: list[Case], sign: int, part: str) -> None:
    print(f"\n{title:<34} {'weight':>7} {'precision':>10} {'share of B':>11}")
    for step in STEPS:
        right, with_b = [], []
        for case in all_cases:
            other = case.b if part == "text" else case.picture_of_b
            wanted = case.has_a & (case.has_b if sign > 0 else ~case.has_b)
            order = np.argsort(-(pictures @ unit(case.a + sign * step * other)))
            top = order[: wanted.sum()]
            right.append(wanted[top].mean())
            with_b.append(case.has_b[top].mean())
        print(f"{'':<34} {step:7.2f} {np.mean(right):10.3f} {np.mean(with_b):11.3f}")


def spread(pictures: Vectors, all_cases: list[Case]) -> None:
    """Of each question's best picture, nine near-copies are added: cosines of about 0.97 with it."""
    print(
        f"\n{'diversity':<12} {'copies of 10':>13} {'right among the others':>23} {'mean cosine':>12}"
    )
    rng = np.random.default_rng(1)
    questions = {case.a.tobytes(): case for case in all_cases}.values()
    for share in (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0):
        copies, right, likeness = [], [], []
        for case in questions:
            best = pictures[np.argmax(pictures @ case.a)]
            noise = rng.normal(scale=0.25 / np.sqrt(best.size), size=(9, best.size))
            rows = np.stack([*pictures, *(unit(best + one) for one in noise.astype(np.float32))])
            order = np.argsort(-(rows @ case.a))[:200]
            scores = [float(one) for one in rows[order] @ case.a]
            picked = diversity.ordered(scores, list(rows[order]), [], diversity=share, count=10)
            top = order[picked]
            is_copy = rows[top] @ best > 0.9
            others = [
                case.has_a[one] for one, copied in zip(top, is_copy, strict=True) if not copied
            ]
            copies.append(is_copy.sum())
            right.append(np.mean(others) if others else np.nan)
            likeness.append((rows[top] @ rows[top].T)[np.triu_indices(10, 1)].mean())
        print(
            f"{share:<12} {np.mean(copies):13.1f} {np.nanmean(right):23.2f} {np.mean(likeness):12.2f}"
        )


async def main(count: int) -> None:
    embedder = embedder_from_name("builtin")
    await embedder.warm()
    pictures, tags = await read(embedder, count)
    found = await cases(embedder, pictures, tags)
    await embedder.close()
    print(f"{count} pictures, {len(found)} cases")
    for title, sign in (("less", -1), ("more", 1)):
        for part in ("text", "picture"):
            table(f"{title} of a {part}", pictures, found, sign, part)
    spread(pictures, found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=300)
    asyncio.run(main(parser.parse_args().pictures))
