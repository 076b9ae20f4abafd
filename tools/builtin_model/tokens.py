"""The model's own tokenizer: byte-level BPE of 3,000 pieces, lower case, no accents, no punctuation."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

PIECES = 3000
CONTEXT = 32
PAD, EOS, BOS = 0, 1, 3
# Id 2 stays unused: for an end mark of 2 transformers' CLIP pools by a legacy rule (the highest id).
SPECIAL = ("<pad>", "<eos>", "<unused>", "<bos>")


def learn(texts: Iterable[str]) -> Tokenizer:
    """A tokenizer for texts like these; any text in any script is some sequence of its bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    words = Regex(r"\p{L}+|\p{N}|[^\s\p{L}\p{N}\p{P}]")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES,
        min_frequency=2,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", BOS), ("<eos>", EOS)]
    )
    return tokenizer


def load(path: Path) -> Tokenizer:
    """The tokenizer in the file, set to clamp texts to the context."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(CONTEXT)
    return tokenizer
