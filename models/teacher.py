"""The scores that a trained network gives to its own training faces, averaged over mirror images: soft labels.

Trained on these beside the labels, a network learns in one look what its teacher needs two for, and is not pushed to
learn every wrong label by heart. Writes an N x 7 f32 .npy in the order in which `dataset.Faces` reads the folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import train
import vgg
from dataset import Faces


@torch.inference_mode()
def scores(net: vgg.Vgg, patches: np.ndarray) -> torch.Tensor:
    x = vgg.normalise(patches).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=train.has_bf16_units()):
        both = [torch.softmax(net(view).float(), 1) for view in (x, x.flip(3))]
    return (both[0] + both[1]) / 2


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("data", type=Path, help="folder with train/<class>/")
    args.add_argument("--weights", type=Path, required=True, help="safetensors of the teacher")
    args.add_argument("--out", type=Path, required=True, help="the .npy to write")
    args = args.parse_args()
    faces, net = Faces.read(args.data / "train"), vgg.load(args.weights).to(memory_format=torch.channels_last)
    parts = [scores(net, faces.patches[at : at + 128]) for at in range(0, len(faces), 128)]
    soft = torch.cat(parts).numpy()
    np.save(args.out, soft)
    print(f"{args.out}: {len(soft)} faces, {(soft.argmax(1) == faces.labels).mean():.4f} as labelled")


if __name__ == "__main__":
    main()
