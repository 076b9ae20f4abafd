"""`python -m tools.builtin_model`: draws the bank, trains, exports and measures the built-in model."""

import argparse
import json
from pathlib import Path

from tools.builtin_model import bank, batches, card, train
from tools.builtin_model.compose import Composer
from tools.builtin_model.evaluate import measure
from tools.builtin_model.export import export

_SEED = 1
_FOLDER = Path("app/builtin_model")


def main() -> None:
    """Run one step, or all of them in order."""
    arguments = _parse()
    steps = {
        "bank": lambda: _draw(arguments),
        "train": lambda: _train(arguments),
        "export": lambda: _export(arguments),
        "evaluate": lambda: _evaluate(arguments),
    }
    for name in steps if arguments.step == "all" else [arguments.step]:
        steps[name]()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.builtin_model", description=__doc__)
    parser.add_argument("step", choices=("bank", "train", "export", "evaluate", "all"))
    parser.add_argument("--work", type=Path, default=Path("build/builtin_model"))
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="the exported model")
    parser.add_argument("--minutes", type=float, default=75, help="how long to train")
    parser.add_argument("--processes", type=int, default=2, help="to draw the bank with")
    parser.add_argument("--start-from", type=Path, help="weights of an earlier run to go on from")
    return parser.parse_args()


def _draw(arguments: argparse.Namespace) -> None:
    folder = arguments.work / "bank"
    bank.draw(folder, per_scene=300, per_pattern=150, processes=arguments.processes, seed=_SEED)
    batches.learn_tokenizer(folder, seed=_SEED)


def _train(arguments: argparse.Namespace) -> None:
    folder = arguments.work / "bank"
    plan = train.Plan(
        folder, arguments.work, arguments.minutes, seed=_SEED, start_from=arguments.start_from
    )
    train.train(plan, Composer(bank.load(folder), side=8).kinds())


def _export(arguments: argparse.Namespace) -> None:
    work = arguments.work
    export(work / "model.pt", work / "bank" / "tokenizer.json", arguments.folder)
    card.write(arguments.folder, [])


def _evaluate(arguments: argparse.Namespace) -> None:
    figures = measure(arguments.folder)
    card.write(arguments.folder, figures)
    print(card.table(figures))
    print(json.dumps(card.read(arguments.folder), indent=2))


if __name__ == "__main__":
    main()
