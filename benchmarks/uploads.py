"""How fast pictures come in: 8 clients upload to a server, and what writing the same bytes costs without one.

    python -m benchmarks.uploads [--pictures 2000]

On a folder and on S3 (`rclone serve s3`), a database, a server and no worker in a temporary folder. The bare client writes the same
bytes with the same number of threads: files with fsync, or minio's put_object. Everything shares the machine, so read
the ratios, and the CPU seconds that each process took for a picture. The pictures are photo-like JPEGs of about 200 KB.
"""

# ruff: noqa: T201, S101, ASYNC240  It prints a table, and may wait for its own disk.

import argparse
import asyncio
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil
from minio import Minio
from PIL import Image

from tests.faults import client
from tests.faults.stand import PostgreSQL, Stand, stand
from tests.fixtures.s3 import ACCESS_KEY, BUCKET, SECRET_KEY

CLIENTS = 8
SIDE = (1200, 800)
BASES = 8


def photos(count: int) -> list[bytes]:
    """Distinct JPEGs: a few soft scenes with grain, each file with a comment of its own."""
    chance = np.random.default_rng(1)
    bases = []
    for _ in range(BASES):
        soft = Image.fromarray(chance.integers(0, 256, (6, 9, 3), np.uint8)).resize(SIDE, 3)
        grain = chance.normal(0, 9, (SIDE[1], SIDE[0], 3))
        pixels = np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=82)
        bases.append(out.getvalue())
    return [client.with_comment(bases[number % BASES], 64) for number in range(count)]


@dataclass
class Measured:
    """One way of storing all pictures. `cpu`: seconds by process."""

    seconds: float
    cpu: dict[str, float]


async def through_server(made: Stand, pictures: Sequence[bytes]) -> Measured:
    for one in photos(CLIENTS):
        # The first uploads start the decoders, and fill the database's pool.
        await client.upload(made, [one + b"\0"])
    waiting = list(pictures)

    async def uploads() -> None:
        while waiting:
            answer = await client.upload(made, [waiting.pop()])
            if answer.code is not None:
                raise RuntimeError(f"an upload was refused: {answer.code}")

    before, begun = cpu_seconds(made), time.perf_counter()
    await asyncio.gather(*(uploads() for _ in range(CLIENTS)))
    seconds = time.perf_counter() - begun
    after = cpu_seconds(made)
    return Measured(seconds, {name: after[name] - before[name] for name in after})


def cpu_seconds(made: Stand) -> dict[str, float]:
    """What the processes have taken so far, their ended children included."""
    assert made.server is not None
    server = psutil.Process(made.server.pid)
    postmaster = psutil.Process(int((made.postgres.data / "postmaster.pid").read_text().split()[0]))
    groups = {
        "server": [server],
        "decoder": server.children(recursive=True),
        "PostgreSQL": [postmaster, *postmaster.children(recursive=True)],
        "S3 server": [psutil.Process(made.s3.process.pid)] if made.s3 else [],
        "clients": [psutil.Process()],
    }
    return {name: sum(_spent(one) for one in processes) for name, processes in groups.items()}


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    # A decoder's work is done by its children; those of this process only set the stage.
    ended = times.children_user + times.children_system if process.pid != os.getpid() else 0
    return float(times.user + times.system + ended)


def bare(made: Stand, pictures: Sequence[bytes]) -> Measured:
    put = _put_object(made) if made.s3 else _write_file(made.objects.parent / "bare")
    begun = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(put, pictures))
    return Measured(time.perf_counter() - begun, {})


def _write_file(folder: Path) -> Callable[[bytes], None]:
    folder.mkdir()

    def put(data: bytes) -> None:
        with (folder / uuid4().hex).open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    return put


def _put_object(made: Stand) -> Callable[[bytes], None]:
    assert made.s3 is not None
    s3 = Minio(made.s3.endpoint.removeprefix("http://"), ACCESS_KEY, SECRET_KEY, secure=False)

    def put(data: bytes) -> None:
        s3.put_object(BUCKET, f"bare/{uuid4().hex}", io.BytesIO(data), len(data))

    return put


async def run(count: int) -> None:
    pictures = photos(count)
    size = sum(map(len, pictures)) / count
    print(
        f"{count} pictures of {size / 1000:.0f} KB, {CLIENTS} clients, load {os.getloadavg()[0]:.1f}\n"
    )
    print("| store | through the server, of the bare client | pictures/s | bare client | CPU of a picture: |" " server | decoder | PostgreSQL | S3 server | clients |")  # fmt: skip
    print("| --- | ---: | ---: | ---: | --- |" + " ---: |" * 5)
    with tempfile.TemporaryDirectory(prefix="pictor-uploads-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = PostgreSQL(folder / "database")
        try:
            for kind in ("folder", "s3"):
                async with stand(kind, folder / kind, postgres) as made:
                    served = await through_server(made, pictures)
                    alone = await asyncio.to_thread(bare, made, pictures)
                print(_row(kind, count, served, alone), flush=True)
        finally:
            postgres.stop()


def _row(kind: str, count: int, served: Measured, alone: Measured) -> str:
    cpu = " | ".join(f"{seconds / count * 1000:.1f} ms" for seconds in served.cpu.values())
    return (
        f"| {kind} | {alone.seconds / served.seconds:.2f} | {count / served.seconds:.0f} |"
        f" {count / alone.seconds:.0f} | | {cpu} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pictures", type=int, default=2000)
    asyncio.run(run(parser.parse_args().pictures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
