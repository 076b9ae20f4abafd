"""Writes the trained towers as a folder that SentenceTransformer(path) opens offline."""

import json
import shutil
from pathlib import Path
from typing import Any

import sentence_transformers
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from tools.builtin_model import tokens
from tools.builtin_model.towers import (
    DEVIATION,
    DIMENSION,
    MEAN,
    TEXT_WIDTH,
    WIDTHS,
    Towers,
    image_config,
    text_config,
)

_PACKAGE = "sentence_transformers.base.modules"
_TRANSFORMER = f"{_PACKAGE}.transformer.Transformer"
_DENSE = f"{_PACKAGE}.dense.Dense"
_POOLING = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
_SENTENCE = {
    "module_input_name": "sentence_embedding",
    "module_output_name": "sentence_embedding",
}
_BICUBIC = 3


def export(model_file: Path, tokenizer_file: Path, folder: Path) -> None:
    """Replace the folder by the model: weights as float16 on disk, float32 once loaded."""
    saved = torch.load(model_file, weights_only=True)
    towers = Towers()
    towers.load_state_dict(saved["towers"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _write_frame(folder)
    _write_text_tower(folder, towers, tokenizer_file)
    _write_image_tower(folder, towers, saved["side"])


def _write_frame(folder: Path) -> None:
    """The outline: a router that sends texts and pictures to their tower, then normalisation."""
    router, normalize = f"{_PACKAGE}.router.Router", f"{_PACKAGE}.normalize.Normalize"
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": router},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": normalize},
    ]
    _write_json(folder / "modules.json", modules)
    _write_json(folder / "1_Normalize" / "config.json", _SENTENCE)
    versions = {
        "sentence_transformers": sentence_transformers.__version__,
        "transformers": transformers.__version__,
        "pytorch": torch.__version__.partition("+")[0],
    }
    settings = {
        "__version__": versions,
        "model_type": "SentenceTransformer",
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }
    _write_json(folder / "config_sentence_transformers.json", settings)
    text = {"text_0_Transformer": _TRANSFORMER, "text_1_Dense": _DENSE}
    image = {
        "image_0_Transformer": _TRANSFORMER,
        "image_1_Pooling": _POOLING,
        "image_2_Dense": _DENSE,
    }
    parameters = {
        "default_route": "text",
        "allow_empty_key": True,
        "route_mappings": {"(None, 'text')": "text", "(None, 'image')": "image"},
    }
    routes = {
        "types": {**text, **image},
        "structure": {"text": list(text), "image": list(image)},
        "parameters": parameters,
    }
    _write_json(folder / "router_config.json", routes)


def _write_text_tower(folder: Path, towers: Towers, tokenizer_file: Path) -> None:
    place = folder / "text_0_Transformer"
    _write_config(place, text_config().to_diff_dict(), "CLIPTextModel")
    _write_weights(place, towers.text)
    _write_output(place, "text", "pooler_output", "sentence_embedding")
    _write_tokenizer(place, tokenizer_file)
    _write_dense(folder / "text_1_Dense", towers.text_projection, TEXT_WIDTH)


def _write_image_tower(folder: Path, towers: Towers, side: int) -> None:
    place = folder / "image_0_Transformer"
    _write_config(place, image_config().to_diff_dict(), "ResNetModel")
    _write_weights(place, towers.image)
    _write_output(place, "image", "last_hidden_state", "token_embeddings")
    processor = CLIPImageProcessorPil(
        size={"height": side, "width": side},
        do_center_crop=False,
        image_mean=[MEAN] * 3,
        image_std=[DEVIATION] * 3,
        resample=_BICUBIC,
    )
    processor.save_pretrained(place)
    pooling = {
        "embedding_dimension": WIDTHS[-1],
        "pooling_mode": "mean",
        "include_prompt": True,
    }
    _write_json(folder / "image_1_Pooling" / "config.json", pooling)
    _write_dense(folder / "image_2_Dense", towers.image_projection, WIDTHS[-1])


def _write_tokenizer(place: Path, tokenizer_file: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.model.dropout = None
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        tokenizer_object=tokenizer,
        pad_token=tokens.SPECIAL[tokens.PAD],
        bos_token=tokens.SPECIAL[tokens.BOS],
        eos_token=tokens.SPECIAL[tokens.EOS],
        model_max_length=tokens.CONTEXT,
    )
    fast.save_pretrained(place)
    settings_file = place / "tokenizer_config.json"
    settings = json.loads(settings_file.read_text(encoding="utf-8"))
    # What transformers notes about this machine's loading has no place in the package.
    for key in ("is_local", "local_files_only"):
        settings.pop(key, None)
    _write_json(settings_file, settings)


def _write_config(place: Path, config: dict[str, Any], architecture: str) -> None:
    config.pop("_name_or_path", None)
    _write_json(
        place / "config.json", {**config, "architectures": [architecture], "dtype": "float32"}
    )


def _write_output(place: Path, modality: str, output: str, name: str) -> None:
    method = {"method": "forward", "method_output_name": output}
    settings = {
        "transformer_task": "feature-extraction",
        "modality_config": {modality: method},
        "module_output_name": name,
    }
    _write_json(place / "sentence_bert_config.json", settings)


def _write_dense(place: Path, layer: nn.Linear, width: int) -> None:
    settings = {
        "in_features": width,
        "out_features": DIMENSION,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
        **_SENTENCE,
    }
    _write_json(place / "config.json", settings)
    dense = nn.Module()
    dense.linear = layer
    _write_weights(place, dense)


def _write_weights(place: Path, module: nn.Module) -> None:
    def stored(value: Tensor) -> Tensor:
        return (value.half() if value.is_floating_point() else value).contiguous()

    weights = {name: stored(value) for name, value in module.state_dict().items()}
    save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    (place / "model.safetensors").chmod(0o644)


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
