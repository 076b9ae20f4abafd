"""The two towers: a CLIP text transformer and a small ResNet, both ending in 512 numbers."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, ResNetConfig, ResNetModel

from tools.builtin_model import tokens

DIMENSION = 512
WIDTHS = (32, 64, 128, 256)
BLOCKS = (2, 2, 2, 2)
TEXT_WIDTH, TEXT_LAYERS, TEXT_HEADS = 128, 2, 4
MEAN = DEVIATION = 0.5


def text_config() -> CLIPTextConfig:
    """The shape of the text tower."""
    return CLIPTextConfig(
        vocab_size=tokens.PIECES,
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        num_hidden_layers=TEXT_LAYERS,
        num_attention_heads=TEXT_HEADS,
        max_position_embeddings=tokens.CONTEXT,
        hidden_act="gelu",
        pad_token_id=tokens.PAD,
        bos_token_id=tokens.BOS,
        eos_token_id=tokens.EOS,
        projection_dim=DIMENSION,
    )


def image_config() -> ResNetConfig:
    """The shape of the image tower."""
    return ResNetConfig(
        embedding_size=WIDTHS[0], hidden_sizes=list(WIDTHS), depths=list(BLOCKS), layer_type="basic"
    )


class Towers(nn.Module):
    """Encodes pictures and texts into the same space; rows come back with length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.text = CLIPTextModel(text_config())
        self.text_projection = nn.Linear(TEXT_WIDTH, DIMENSION, bias=False)
        self.image = ResNetModel(image_config())
        self.image_projection = nn.Linear(WIDTHS[-1], DIMENSION, bias=False)
        for filters in (p for p in self.image.parameters() if p.ndim == 4):
            # Convolutions on a CPU are faster with the channels last in memory.
            filters.data = filters.data.contiguous(memory_format=torch.channels_last)

    def encode_images(self, images: Tensor) -> Tensor:
        """float32[n, 512] for float32[n, 3, side, side] of values in 0..1."""
        pixels = ((images - MEAN) / DEVIATION).contiguous(memory_format=torch.channels_last)
        grid = self.image(pixels).last_hidden_state
        return F.normalize(self.image_projection(grid.mean((2, 3))).float(), dim=-1)

    def encode_texts(self, ids: Tensor) -> Tensor:
        """float32[n, 512] for int64[n, length] of token ids."""
        pooled = self.text(ids, attention_mask=(ids != tokens.PAD).long()).pooler_output
        return F.normalize(self.text_projection(pooled).float(), dim=-1)
