#!/usr/bin/env python3
"""Measures CROP_SCALE and CROP_DOWN of src/detector/crop.rs.

FER-2013 *training* pictures are enlarged onto 640x480 canvases of mid gray at three sizes. The detector's two steps
(scan of the whole at 256 pixels, look at a square twice the box at 128 pixels) run on them as src/detector does, and
each box says where in the picture it lies: how many box widths the picture is wide, and how far its centre is above
the box's. The medians are the constants.

    pip install onnx==1.23.2 onnxruntime==1.32.0 pillow==13.0.0 numpy
    python3 tests/calibration/crop.py FER_FOLDER [PICTURES]     # FER_FOLDER holds train/<class>/*.jpg

What it printed for 200 pictures is in the head of src/detector/crop.rs.
"""

import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from blazeface_golden import session

CANVAS = (640, 480)
SIZES = (150, 240, 360)
CANDIDATE, MEAN = 0.35, 0.65
SESSIONS = {}


def run(plane):
    """Scores, boxes (left, top, width, height) of all anchors of a luma plane."""
    height, width = plane.shape
    if plane.shape not in SESSIONS:
        SESSIONS[plane.shape] = session(width, height)
    net = SESSIONS[plane.shape]
    colour = np.repeat((plane.astype(np.float32) / 127.5 - 1)[None, :, :, None], 3, axis=3)
    outputs = net.run(None, {net.get_inputs()[0].name: colour})
    logits = sorted((o[0, :, 0] for o in outputs if o.shape[2] == 1), key=lambda o: -len(o))
    values = sorted((o[0] for o in outputs if o.shape[2] == 16), key=lambda o: -len(o))
    centres = [
        ((x + 0.5) * stride, (y + 0.5) * stride)
        for stride, anchors in ((16, 2), (32, 6))
        for y in range(height // stride)
        for x in range(width // stride)
        for _ in range(anchors)
    ]
    v, c = np.concatenate(values), np.array(centres)
    scores = 1 / (1 + np.exp(-np.clip(np.concatenate(logits), -80, 80)))
    return scores, np.column_stack([c + v[:, :2] - v[:, 2:4] / 2, v[:, 2:4]])


def overlap(boxes, box):
    w = np.minimum(boxes[:, 0] + boxes[:, 2], box[0] + box[2]) - np.maximum(boxes[:, 0], box[0])
    h = np.minimum(boxes[:, 1] + boxes[:, 3], box[1] + box[3]) - np.maximum(boxes[:, 1], box[1])
    both = np.clip(w, 0, None) * np.clip(h, 0, None)
    return both / (boxes[:, 2] * boxes[:, 3] + box[2] * box[3] - both)


def best(scores, boxes, least):
    """The best score and the score-weighted mean of what overlaps its box; None below `least`."""
    keep = scores >= least
    if not keep.any():
        return None
    scores, boxes = scores[keep], boxes[keep]
    same = overlap(boxes, boxes[scores.argmax()]) >= 0.3
    return scores.max(), (boxes[same] * scores[same, None]).sum(0) / scores[same].sum()


def detect(canvas):
    """Box of the face in canvas pixels, or None."""
    step = max(canvas.size) / 256
    width, height = (round(v / step) for v in canvas.size)
    plane = canvas.crop((0, 0, -(-width // 32) * 32 * step, -(-height // 32) * 32 * step))  # black beyond the picture
    plane = plane.resize((-(-width // 32) * 32, -(-height // 32) * 32), Image.Resampling.BILINEAR)
    scan = best(*run(np.asarray(plane)), CANDIDATE)
    if scan is None:
        return None
    x, y, w, h = scan[1] * step
    side = 2 * max(w, h)
    left, top = round(x + w / 2 - side / 2), round(y + h / 2 - side / 2)
    part = canvas.crop((left, top, left + round(side), top + round(side)))
    look = best(*run(np.asarray(part.resize((128, 128), Image.Resampling.BILINEAR))), 2 * MEAN - scan[0])
    return None if look is None else look[1] * (round(side) / 128) + np.array([left, top, 0, 0])


def measure(path, size):
    """(picture's width, its centre's distance below the box's) in box widths, or None."""
    canvas = Image.new("L", CANVAS, 128)
    left, top = (CANVAS[0] - size) // 2, (CANVAS[1] - size) // 2
    canvas.paste(Image.open(path).convert("L").resize((size, size), Image.Resampling.BILINEAR), (left, top))
    box = detect(canvas)
    return None if box is None else (size / box[2], (top + size / 2 - box[1] - box[3] / 2) / box[2])


if __name__ == "__main__":
    pictures = sorted(Path(sys.argv[1]).glob("train/*/*.jpg"))
    pictures = random.Random(1).sample(pictures, int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
    for size in SIZES:
        found = np.array([m for m in (measure(p, size) for p in pictures) if m is not None])
        median = np.median(found, axis=0)
        spread = np.abs(found - median).mean(axis=0)
        scale, down = (f"{m:+.3f} (±{s:.3f})" for m, s in zip(median, spread))
        print(f"{size} px: found {len(found) / len(pictures):.3f}, scale {scale}, down {down}", flush=True)
