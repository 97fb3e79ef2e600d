"""The emotion network: a VGG for 48x48 gray faces, its preprocessing and `predict_emotion`.

Terms: *patch* is a 48x48 u8 gray face; *logits* are the seven raw outputs in the order of `CLASSES` (FER-2013's
order, the same everywhere in the project). The order of the preprocessing steps is the model card's (resize in the
picture's own channels, then gray) and is not interchangeable: the other order gives other pixels.

Does not look for faces: the picture handed in *is* the face crop.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SIDE = 48
WIDTHS = (64, 128, 256, 512)
HIDDEN = 4096
BLOCKS = "abcd"


class Vgg(nn.Module):
    """1x48x48 in, 7 logits out; four blocks of (Conv3x3-BN-ReLU)x2 + MaxPool, then 4608-4096-4096-7.

    With the default widths it has 40,376,519 parameters. `widths` and `hidden` make the light variants of the same
    family. A smaller input (training at 32x32) leaves a smaller last map, which is resized to 3x3 so that the linear
    layers stay usable.
    """

    def __init__(self, drop: float = 0.2, widths: tuple[int, ...] = WIDTHS, hidden: int = HIDDEN):
        super().__init__()
        self.widths, self.hidden = tuple(widths), hidden
        before = 1
        for block, width in zip(BLOCKS, widths):
            for i, inputs in ((1, before), (2, width)):
                setattr(self, f"conv{i}{block}", nn.Conv2d(inputs, width, 3, padding=1))
                setattr(self, f"bn{i}{block}", nn.BatchNorm2d(width))
            before = width
        self.drop = nn.Dropout(drop)
        self.lin1 = nn.Linear(before * 9, hidden)
        self.lin2 = nn.Linear(hidden, hidden)
        self.lin3 = nn.Linear(hidden, len(CLASSES))
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.lin3.weight, std=0.01)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        for block in BLOCKS:
            for i in (1, 2):
                x = getattr(self, f"conv{i}{block}")(x)
                x = torch.relu(getattr(self, f"bn{i}{block}")(x))
            x = nn.functional.max_pool2d(x, 2)
        if x.shape[-2:] != (3, 3):
            x = nn.functional.interpolate(x, size=(3, 3), mode="bilinear", align_corners=False)
        return torch.flatten(x, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(torch.relu(self.lin1(self.features(x))))
        x = self.drop(torch.relu(self.lin2(x)))
        return self.lin3(x)


def load(path: str | Path, drop: float = 0.2) -> Vgg:
    """A safetensors file (any float width) as an f32 net in eval mode. Foreign keys or shapes are refused."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = {k: v.float() for k, v in load_file(str(path)).items()}
    except (OSError, SafetensorError) as e:
        raise SystemExit(f"{path}: no weights ({e}); expected a safetensors file") from None
    net = from_weights(weights, drop, str(path))
    return net.eval()


def from_weights(weights: dict[str, torch.Tensor], drop: float, origin: str) -> Vgg:
    """Builds the net whose widths the weights have, and fills it."""
    try:
        widths = tuple(weights[f"conv1{b}.weight"].shape[0] for b in BLOCKS)
        hidden = weights["lin1.weight"].shape[0]
    except KeyError as key:
        raise SystemExit(f"{origin}: no tensor {key}; expected a moodlight VGG (conv1a … lin3)") from None
    net = Vgg(drop, widths, hidden)
    own = net.state_dict()
    counters = {k for k in own if k.endswith("num_batches_tracked")}
    missing, foreign = set(own) - set(weights) - counters, set(weights) - set(own)
    odd = [k for k in weights if k in own and weights[k].shape != own[k].shape]
    if missing or foreign or odd:
        raise SystemExit(f"{origin}: not this network: missing {sorted(missing)}, foreign {sorted(foreign)}, "
                         f"other shapes {odd}")
    net.load_state_dict(weights, strict=False)
    return net


def patch_of(image_path: str | Path) -> np.ndarray:
    """The card's Resize(48x48) and Grayscale on PIL pixels: a 48x48 u8 patch."""
    from PIL import Image
    from torchvision import transforms

    with Image.open(image_path) as image:
        if image.mode not in ("L", "RGB"):
            image = image.convert("RGB")
        steps = transforms.Compose([transforms.Resize((SIDE, SIDE)), transforms.Grayscale()])
        return np.asarray(steps(image))


def normalise(patches: np.ndarray) -> torch.Tensor:
    """u8 (..., 48, 48) to f32 (N, 1, 48, 48) in -1..=1: ToTensor and Normalize(0.5, 0.5), the same operations."""
    x = torch.from_numpy(np.array(patches)).reshape(-1, 1, SIDE, SIDE)
    return x.float().div(255).sub_(0.5).div_(0.5)


_NET: dict[str, Vgg] = {}


def predict_emotion(image_path: str | Path, weights: str | Path | None = None) -> tuple[str, dict[str, float]]:
    """The model card's entry point: the emotion of a face crop and the probability of each class.

    Without `weights` (safetensors) the committed ONNX file beside this script answers.
    """
    x = normalise(patch_of(image_path))
    if weights is None:
        import onnxruntime as ort

        session = ort.InferenceSession(str(Path(__file__).with_name("vgg-f32.onnx")))
        logits = torch.from_numpy(session.run(None, {"input": x.numpy()})[0])
    else:
        net = _NET.setdefault(str(weights), load(weights))
        with torch.inference_mode():
            logits = net(x)
    scores = torch.softmax(logits[0], 0).tolist()
    best = max(range(len(CLASSES)), key=scores.__getitem__)
    return CLASSES[best], dict(zip(CLASSES, scores))


def sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


if __name__ == "__main__":
    import argparse

    args = argparse.ArgumentParser(description="emotion of face crops")
    args.add_argument("images", nargs="+")
    args.add_argument("--weights", help="safetensors; default: vgg-f32.onnx beside this script")
    args = args.parse_args()
    for name in args.images:
        emotion, scores = predict_emotion(name, args.weights)
        print(name, emotion, " ".join(f"{k}={v:.3f}" for k, v in scores.items()))
