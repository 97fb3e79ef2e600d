"""The committed classifier in moodlight and in what a user might take instead, side by side on this machine.

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install -r tests/peers/requirements.txt
    cargo build --release && /tmp/peers/bin/python tests/peers/compare.py [--threads 1] [--rounds 8] [--json FILE]

Every peer runs the same weights: onnxruntime the committed files; ncnn, LiteRT, OpenVINO and OpenCV equivalents that
are written from them (net.py, to_*.py), whose logits are compared before anything is timed. One process each, all on
the same patch; they are measured in turns (A B C A B C ...), so that a machine that slows down slows all of them.
Medians of all calls of all rounds.

`--isa avx2` holds moodlight to its AVX2 kernel, and the peers that let themselves be held: OpenVINO (oneDNN) and ncnn do
not read a common switch, so OpenVINO is told through ONEDNN_MAX_CPU_ISA; onnxruntime, LiteRT and OpenCV choose by
cpuid and cannot be held back. Not part of `cargo test`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import frame
import net
import to_ncnn
import to_onnx
import to_tflite

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def equivalents(folder: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """Writes the other dialects; precision -> label -> (peer, model)."""
    f32, int8 = (net.read(ROOT / "models" / f"vgg-{p}.onnx") for p in ("f32", "int8"))
    patch = np.fromfile(ROOT / "tests" / "data" / "vgg" / "patches.u8", np.uint8, 48 * 48)
    np.save(folder / "input.npy", ((patch.reshape(1, 1, 48, 48) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)))
    to_onnx.f32(f32, folder / "f32.onnx")
    to_onnx.qdq(int8, folder / "qdq.onnx")
    for name, layers in (("f32", f32), ("int8", int8)):
        to_tflite.write(layers, folder / f"{name}.tflite")
        to_ncnn.write(layers, folder / f"{name}.param", folder / f"{name}.bin")
        (folder / f"committed-{name}.onnx").symlink_to(ROOT / "models" / f"vgg-{name}.onnx")
    path = lambda name: str(folder / name)
    return {
        "int8": {"onnxruntime": ("onnxruntime", path("committed-int8.onnx")),
                 "onnxruntime QDQ": ("onnxruntime", path("qdq.onnx")),
                 "OpenVINO": ("openvino", path("qdq.onnx")), "LiteRT": ("litert", path("int8.tflite")),
                 "ncnn": ("ncnn", path("int8")), "OpenCV": ("opencv", path("committed-int8.onnx"))},
        "f32": {"onnxruntime": ("onnxruntime", path("committed-f32.onnx")), "OpenVINO": ("openvino", path("f32.onnx")),
                "LiteRT": ("litert", path("f32.tflite")), "ncnn": ("ncnn", path("f32")),
                "OpenCV": ("opencv", path("f32.onnx"))},
    }


class Peer:
    """A worker that is loaded and waits."""

    def __init__(self, peer: str, model: str, threads: int, isa: str | None):
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
        if isa:
            environment["ONEDNN_MAX_CPU_ISA"] = isa.upper()
        command = [sys.executable, str(HERE / "worker.py"), peer, model, str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL, env=environment)
        hello = self._answer()
        self.load, self.logits, self.times = hello["load_ms"], np.array(hello["logits"]), []

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise ChildProcessError(f"the worker ended with {self.process.wait()}")
        return json.loads(line)

    def measure(self, seconds: float) -> None:
        print(seconds, file=self.process.stdin, flush=True)
        self.times += self._answer()["times"]

    def end(self) -> float:
        self.process.stdin.close()
        return self._answer()["peak_mib"]


class Moodlight:
    """`moodlight bench`, a process for each round; its times are medians already."""

    def __init__(self, binary: Path, precision: str, threads: int, isa: str | None):
        self.command = [str(binary), "bench", "--stage", "classify", "--json", "--precision", precision,
                        "--threads", str(threads)]
        self.environment = dict(os.environ, MOODLIGHT_KERNEL=isa or "")
        self.times, self.load, self.peak, self.kernel = [], 0.0, 0.0, ""

    def measure(self, seconds: float) -> None:
        command = [*self.command, "--seconds", f"{int(seconds * 1000)}ms"]
        result = json.loads(subprocess.run(command, env=self.environment, capture_output=True, check=True).stdout)
        self.times.append(result["classify_ms"]["p50"])
        self.load, self.peak, self.kernel = result["load_ms"], result["peak_rss_mib"], result["kernel"]

    def end(self) -> float:
        return self.peak


def measured(precision: str, models, args) -> dict[str, dict]:
    runs: dict[str, Peer | Moodlight] = {"moodlight": Moodlight(args.binary, precision, args.threads, args.isa)}
    expected = np.fromfile(ROOT / "tests" / "data" / "vgg" / f"{precision}.f32", "<f4", 7)
    for label, (peer, model) in models.items():
        try:
            runs[label] = Peer(peer, model, args.threads, args.isa)
            far = float(np.abs(runs[label].logits - expected).max())
            print(f"{precision} {label}: largest difference to the reference's logits {far:.2g}", file=sys.stderr)
        except ChildProcessError as e:
            print(f"{precision} {label}: left out, {e}", file=sys.stderr)
    for number in range(args.rounds + 1):
        for run in runs.values():
            run.measure(args.seconds)
            if number == 0:
                run.times.clear()  # the first round warms up
    result = {}
    for label, run in runs.items():
        times = run.times
        result[label] = {"median": statistics.median(times), "min": min(times), "load": run.load, "peak": run.end()}
    return result


def table(precision: str, threads: int, rows: dict[str, dict]) -> str:
    ours = rows["moodlight"]["median"]
    lines = [f"{precision}, {threads} thread(s)",
             f"{'':18}{'median ms':>10}{'min ms':>9}{'ours / theirs':>15}{'load ms':>9}{'peak MiB':>10}"]
    for label, row in sorted(rows.items(), key=lambda r: r[1]["median"]):
        lines.append(f"{label:18}{row['median']:10.2f}{row['min']:9.2f}{ours / row['median']:15.2f}{row['load']:9.0f}"
                     f"{row['peak']:10.0f}")
    return "\n".join(lines)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--binary", type=Path, default=ROOT / "target" / "release" / "moodlight")
    args.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    args.add_argument("--rounds", type=int, default=8)
    args.add_argument("--seconds", type=float, default=0.4, help="of each peer in each round")
    args.add_argument("--precision", nargs="+", default=["int8", "f32"], choices=["int8", "f32"])
    args.add_argument("--isa", choices=["avx2"])
    args.add_argument("--frame", action="store_true", help="whole frames too: decode, detect, crop, classify")
    args.add_argument("--json", type=Path)
    args = args.parse_args()
    everything = {}
    with tempfile.TemporaryDirectory() as folder:
        models = equivalents(Path(folder))
        for threads in args.threads:
            one = argparse.Namespace(**{**vars(args), "threads": threads})
            for precision in args.precision:
                everything[f"{precision}, {threads}"] = rows = measured(precision, models[precision], one)
                print(table(precision, threads, rows), end="\n\n", flush=True)
    if args.frame:
        everything["frame"] = frame.compare(args.binary, args.rounds, args.seconds)
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
