"""Trains the towers for a set time on one core: sigmoid and contrastive loss, and prototypes."""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import Tensor, nn

from tools.builtin_model.batches import CAPTIONS_EACH, WORDS, Batch, serve
from tools.builtin_model.towers import DIMENSION, Towers


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train. Time is the budget, so the learning rate falls by the clock, not by steps."""

    bank: Path
    run: Path
    minutes: float
    side: int = 96
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warm_up_steps: int = 200
    averaging: float = 0.998
    prototype_weight: float = 1.0
    seed: int = 1
    start_from: Path | None = None


class Losses(nn.Module):
    """The losses with their temperatures, biases and one prototype vector per kind of drawing."""

    def __init__(self, kinds: list[str]) -> None:
        super().__init__()
        self.kinds = kinds
        self.prototypes = nn.Parameter(torch.randn(len(kinds), DIMENSION) * 0.02)
        self.log_scales = nn.Parameter(torch.tensor([10.0, 14.0, 16.0, 10.0]).log())
        self.biases = nn.Parameter(torch.tensor([-6.0, -6.0]))

    @torch.no_grad()
    def take_over(self, saved: dict[str, Tensor], kinds: list[str]) -> None:
        """Continue from saved values; a prototype is found again by the name of its kind."""
        rows = {kind: i for i, kind in enumerate(kinds)}
        for i, kind in enumerate(self.kinds):
            if kind in rows:
                self.prototypes[i] = saved["prototypes"][rows[kind]]
        self.log_scales.copy_(saved["log_scales"])
        self.biases.copy_(saved["biases"])

    def forward(self, images: Tensor, texts: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Each part of the loss, already weighted."""
        fits, unsure = torch.from_numpy(batch.fits), torch.from_numpy(batch.unsure)
        scales = self.log_scales.exp().clamp(max=60)
        cosines = images @ texts.T
        logits = cosines * scales[1]
        each = images.shape[0] * CAPTIONS_EACH
        return {
            # Sigmoid loss: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training".
            "sigmoid": 0.12 * _binary(cosines * scales[0] + self.biases[0], fits, unsure),
            "to_text": 0.5 * _contrast(logits, fits, unsure),
            "to_image": 0.5 * _contrast(logits[:, :each].T, fits[:, :each].T, unsure[:, :each].T),
            **self._by_prototype(images, texts[-WORDS:], batch, scales),
        }

    def _by_prototype(
        self, images: Tensor, words: Tensor, batch: Batch, scales: Tensor
    ) -> dict[str, Tensor]:
        prototypes = F.normalize(self.prototypes, dim=-1)
        shares = torch.from_numpy(batch.kinds)
        kinds = torch.from_numpy(batch.word_kinds)
        shown = shares.sum(1) > 0
        likelihood = (images @ prototypes.T * scales[2]).log_softmax(-1)
        near = words @ prototypes.T
        true, open_ = kinds == 1, kinds == -1
        return {
            "kind_of_image": -(likelihood * shares).sum(1)[shown].mean(),
            "kind_of_word": 0.1 * _binary(near * scales[3] + self.biases[1], true, open_),
            "word_of_kind": 0.5 * _contrast(near * scales[2], true, open_),
        }


def train(plan: Plan, kinds: list[str]) -> None:
    """Train for the plan's time; the newest averaged weights are always in run/model.pt."""
    plan.run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    torch.set_num_threads(1)
    context = mp.get_context("spawn")
    queue = context.Queue(8)
    arguments = (queue, plan.bank, plan.side, plan.batch_size, plan.seed)
    worker = context.Process(target=serve, args=arguments, daemon=True)
    worker.start()
    try:
        _run(plan, Towers(), Losses(kinds), queue)
    finally:
        worker.terminate()


def _run(plan: Plan, towers: Towers, losses: Losses, queue: "mp.Queue[Batch]") -> None:
    if plan.start_from is not None:
        saved = torch.load(plan.start_from, weights_only=True)
        towers.load_state_dict(saved["towers"])
        losses.take_over(saved["losses"], saved["kinds"])
    optimizer = _optimizer(plan, towers, losses)
    average = {name: value.clone() for name, value in towers.state_dict().items()}
    begun = saved_at = time.monotonic()
    step, waited = 0, 0.0
    sums: dict[str, float] = {}
    while (elapsed := time.monotonic() - begun) < plan.minutes * 60:
        step += 1
        _set_rate(optimizer, plan, step, elapsed / (plan.minutes * 60))
        before = time.monotonic()
        batch = queue.get()
        waited += time.monotonic() - before
        parts = _step(towers, losses, optimizer, batch)
        _average(average, towers, min(plan.averaging, step / (step + 10)))
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value / 50
        if step % 50 == 0:
            shown = {name: round(value, 3) for name, value in sums.items()}
            row = {"step": step, "seconds": round(elapsed), "waited": round(waited), **shown}
            print(json.dumps(row), flush=True)
            sums = {}
        if time.monotonic() - saved_at > 120:
            save(plan, average, losses, step)
            saved_at = time.monotonic()
    save(plan, average, losses, step)


def _step(
    towers: Towers, losses: Losses, optimizer: torch.optim.Optimizer, batch: Batch
) -> dict[str, float]:
    images = torch.from_numpy(batch.images).float() / 255
    with torch.autocast("cpu", dtype=torch.bfloat16):
        image_rows = towers.encode_images(images)
        text_rows = [towers.encode_texts(torch.from_numpy(ids)) for ids in batch.tokens]
    texts = torch.cat(text_rows)[torch.from_numpy(batch.places)]
    parts = losses(image_rows, texts, batch)
    optimizer.zero_grad()
    total = torch.stack(list(parts.values())).sum()
    total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    nn.utils.clip_grad_norm_(towers.parameters(), 1.0)
    optimizer.step()
    return {name: value.item() for name, value in parts.items()}


def save(plan: Plan, average: dict[str, Tensor], losses: Losses, step: int) -> None:
    """Write run/model.pt in one move, so that it is whole at any time."""
    state = {
        "towers": average,
        "losses": losses.state_dict(),
        "kinds": losses.kinds,
        "side": plan.side,
        "step": step,
    }
    part = plan.run / "model.part"
    torch.save(state, part)
    part.replace(plan.run / "model.pt")


def _optimizer(plan: Plan, towers: Towers, losses: Losses) -> torch.optim.Optimizer:
    """AdamW that decays matrices and filters, not embeddings, norms, prototypes and scalars."""
    named = list(towers.named_parameters())
    decayed = [p for name, p in named if p.ndim > 1 and "embedding" not in name]
    others = [p for name, p in named if p.ndim <= 1 or "embedding" in name]
    groups = [
        {"params": decayed, "weight_decay": plan.weight_decay},
        {"params": [*others, *losses.parameters()], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.98), fused=True)


def _set_rate(optimizer: torch.optim.Optimizer, plan: Plan, step: int, done: float) -> None:
    """Linear warm-up by steps, then half a cosine over the time, down to one fiftieth."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    rate = plan.learning_rate * min(1.0, step / plan.warm_up_steps) * (0.02 + 0.98 * cosine)
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def _average(average: dict[str, Tensor], towers: Towers, keep: float) -> None:
    """Move the running average of all weights and statistics towards the towers'."""
    current = towers.state_dict()
    real = [name for name, value in current.items() if value.is_floating_point()]
    torch._foreach_lerp_([average[n] for n in real], [current[n] for n in real], 1 - keep)
    for name in current.keys() - set(real):
        average[name].copy_(current[name])


def _binary(logits: Tensor, true: Tensor, open_: Tensor) -> Tensor:
    """Sum over columns, mean over rows, of the logistic loss where the answer is known."""
    loss = F.softplus(torch.where(true, -logits, logits))
    return loss.masked_fill(open_, 0).sum() / logits.shape[0]


def _contrast(logits: Tensor, true: Tensor, open_: Tensor) -> Tensor:
    """Cross entropy of each row, shared evenly by all its true columns; rows without one are out."""
    likelihood = logits.masked_fill(open_, -1e4).log_softmax(-1)
    count = true.sum(1)
    loss = -(likelihood * true).sum(1) / count.clamp(min=1)
    return loss[count > 0].mean()
