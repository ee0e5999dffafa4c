"""Training steps of whole models on the GPU at hand, in PyTorch: rows of a CSV file, one a model, precision and batch.

A step is forward, loss, backward and SGD with momentum on inputs that lie in the GPU's memory. Its time is the median
of three runs of many steps, one after the other without a stop; cuDNN has chosen its kernels before.

    python measure.py rates.csv SECONDS [MODEL...]
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from statistics import median
from typing import Any

import torch
import torchvision.models as zoo
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

COLUMNS = ("model", "device", "precision", "batch", "samples_per_s", "params")
BATCHES = (32, 128)
PRECISIONS = ("fp32", "tf32", "bf16")
SECONDS = float(sys.argv[2])  # until when models are begun
OWN_HEADS = {"aux_logits": False, "init_weights": False}
IMAGES: dict[str, Callable[[], torch.nn.Module]] = {
    "resnet50": zoo.resnet50,
    "vgg16": zoo.vgg16,
    "mobilenet_v2": zoo.mobilenet_v2,
    "inception_v3": lambda: zoo.inception_v3(**OWN_HEADS),
    "resnet152": zoo.resnet152,
    "alexnet": zoo.alexnet,
    "vit_b16": zoo.vit_b_16,
    "densenet121": zoo.densenet121,
    "resnet18": zoo.resnet18,
    "googlenet": lambda: zoo.googlenet(transform_input=False, **OWN_HEADS),
    "efficientnet_b0": zoo.efficientnet_b0,
    "squeezenet": zoo.squeezenet1_0,
    "mobilenet_v3_large": zoo.mobilenet_v3_large,
    "resnet101": zoo.resnet101,
    "resnet34": zoo.resnet34,
    "vgg19": zoo.vgg19,
}
LARGE: Any = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
WORDS: dict[str, Callable[[], torch.nn.Module]] = {
    "bert_base": lambda: BertModel(BertConfig()),  # netsim's: 128 words, with the pooler
    "bert_large": lambda: BertModel(BertConfig(**LARGE)),
    "gpt2_small": lambda: GPT2LMHeadModel(GPT2Config()),  # 1,024 words
}
SEQUENCES = {"bert_base": 128, "bert_large": 128, "gpt2_small": 1024}
SMALLER = {"gpt2_small": (4, 16)}


def image_step(model: torch.nn.Module, name: str, batch: int) -> Callable[[], Any]:
    """A step's loss on images of 224 x 224 (Inception V3: 299 x 299) in 1,000 classes."""
    side = 299 if name == "inception_v3" else 224
    images = torch.randn(batch, 3, side, side, device="cuda")
    classes = torch.randint(1000, (batch,), device="cuda")
    return lambda: torch.nn.functional.cross_entropy(model(images), classes)


def word_step(model: torch.nn.Module, name: str, batch: int) -> Callable[[], Any]:
    """A step's loss on words: the next word's for GPT-2, any of the pooled output for BERT."""
    words = torch.randint(30000, (batch, SEQUENCES[name]), device="cuda")
    if name == "gpt2_small":
        return lambda: model(words, labels=words).loss
    return lambda: model(words).pooler_output.float().square().mean()


def samples_per_s(loss: Callable[[], Any], model: torch.nn.Module, batch: int, precision: str) -> float:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "fp32"
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    half = torch.autocast("cuda", dtype=torch.bfloat16) if precision == "bf16" else nullcontext()

    def steps(count: int) -> float:
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(count):
            with half:
                value = loss()
            value.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        return (time.perf_counter() - begin) / count

    steps(4)  # cuDNN tries its kernels
    count = max(5, min(50, round(0.4 / steps(2))))
    return batch / median(steps(count) for _ in range(3))


def main() -> None:
    torch.backends.cudnn.benchmark = True
    device = torch.cuda.get_device_name()
    print(device, torch.__version__, torch.backends.cudnn.version(), file=sys.stderr)
    began = time.monotonic()
    with open(sys.argv[1], "w", newline="", encoding="utf-8") as lines:
        rows = csv.DictWriter(lines, COLUMNS)
        rows.writeheader()
        for name in sys.argv[3:] or [*IMAGES, *WORDS]:
            make, step = (IMAGES[name], image_step) if name in IMAGES else (WORDS[name], word_step)
            model = make().cuda().train()
            params = sum(each.numel() for each in model.parameters())
            for batch in SMALLER.get(name, BATCHES):
                loss = step(model, name, batch)
                for precision in PRECISIONS:
                    if time.monotonic() - began > SECONDS:
                        return
                    found = samples_per_s(loss, model, batch, precision)
                    rows.writerow(
                        dict(zip(COLUMNS, (name, device, precision, batch, f"{found:.5g}", params), strict=True))
                    )
                    lines.flush()
            del model, loss
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
