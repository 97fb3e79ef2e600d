"""Makes tests/data/pil: pictures of every kind and size, and the 48x48 patches that PIL makes of them.

    python tests/goldens/pil_patches.py        (Pillow 13 or later, numpy; needs nothing else)

luma_*.jpg are camera-like JPEGs, luma_*.bin libjpeg's luma of them. Each line of cases.csv names a picture, a way, a crop box (empty: the whole picture) and the offset of the expected
2,304 bytes in patches.bin. Ways: "still" is the model card's order (convert RGB, crop, resize in colour, gray),
"camera" is gray first, then crop and resize.
"""

import csv
import io
import pathlib

import numpy as np
from PIL import Image

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "pil"
SIDE = (48, 48)


def picture(rng, width, height, channels):
    """Slopes, edges and noise, so that every rounding in a resampler is met."""
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for c in range(channels):
        p = 128 + 90 * np.sin(x / (3 + 2 * c) + c) * np.cos(y / (5 + c))
        p += 60 * ((x // 7 + y // 5 + c) % 2) - 30 + rng.integers(-20, 20, (height, width))
        planes.append(p)
    stacked = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    return stacked[..., 0] if channels == 1 else stacked


def pictures(rng):
    for w, h in [(48, 48), (1, 1), (2, 3), (47, 49), (96, 96), (48, 131), (150, 48), (201, 133), (640, 5), (5, 400), (60, 72), (60, 73)]:
        yield f"gray_{w}x{h}", Image.fromarray(picture(rng, w, h, 1))
    for w, h in [(48, 48), (1, 1), (3, 2), (31, 77), (97, 96), (160, 121), (333, 48)]:
        yield f"rgb_{w}x{h}", Image.fromarray(picture(rng, w, h, 3))
    for w, h in [(48, 48), (50, 20), (120, 90)]:
        yield f"rgba_{w}x{h}", Image.fromarray(picture(rng, w, h, 4))
    yield "gray_alpha_60x70", Image.fromarray(picture(rng, 60, 70, 2))
    yield "palette_90x80", Image.fromarray(picture(rng, 90, 80, 3)).quantize(32)
    yield "bits_100x60", Image.fromarray(picture(rng, 100, 60, 1)).convert("1")


def jpegs(rng):
    """What cameras send and what they might: subsampling, restart markers, optimised tables, progressive, gray."""
    for name, w, h, channels, options in [
        ("420", 75, 53, 3, {"subsampling": "4:2:0"}),
        ("422", 75, 53, 3, {"subsampling": "4:2:2", "quality": 90}),
        ("444", 61, 40, 3, {"subsampling": "4:4:4", "quality": 95}),
        ("gray", 50, 33, 1, {"quality": 60}),
        ("restart", 90, 50, 3, {"restart_marker_blocks": 3}),
        ("optimised", 64, 48, 3, {"optimize": True, "quality": 30}),
        ("coarse", 64, 48, 3, {"quality": 3}),
        ("finest", 64, 48, 3, {"quality": 100, "subsampling": "4:4:4"}),
        ("gray_face", 48, 48, 1, {"quality": 92}),
        ("gray_restart", 70, 45, 1, {"restart_marker_blocks": 2}),
        ("gray_progressive", 60, 50, 1, {"progressive": True}),
    ]:
        file = io.BytesIO()
        Image.fromarray(picture(rng, w, h, channels)).save(file, "JPEG", **options)
        yield name, file.getvalue()


BOXES = [(0, 0, 48, 48), (10, 20, 90, 100), (3, 5, 4, 6), (0, 0, 160, 121), (100, 0, 160, 60), (17, 0, 66, 121), (-20, -9, 60, 71), (90, 60, 230, 200), (-9, 30, 200, 60)]


def patch(im, way, box):
    im = im.convert("RGB") if way == "still" else im.convert("L")
    if box:
        im = im.crop(box)
    return im.resize(SIDE, Image.Resampling.BILINEAR).convert("L").tobytes()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(48)
    patches, lines = bytearray(), []

    def add(name, im, way, box=None):
        lines.append([name, way, " ".join(map(str, box)) if box else "", len(patches)])
        patches.extend(patch(im, way, box))

    for name, im in pictures(rng):
        im.save(OUT / f"{name}.png", optimize=True)
        im = Image.open(OUT / f"{name}.png")
        add(name, im, "still")
        add(name, im, "camera")
        if name == "rgb_160x121":
            for box in BOXES:
                add(name, im, "still", box)
                add(name, im, "camera", box)
    (OUT / "patches.bin").write_bytes(patches)
    with open(OUT / "cases.csv", "w", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows([["picture", "way", "box", "offset"], *lines])
    for name, data in jpegs(rng):
        (OUT / f"luma_{name}.jpg").write_bytes(data)
        im = Image.open(io.BytesIO(data))
        im.draft("L", im.size)  # libjpeg's own luma, no colour conversion
        assert im.mode == "L"
        (OUT / f"luma_{name}.bin").write_bytes(im.tobytes())
    print(len(lines), "patches,", sum(p.stat().st_size for p in OUT.iterdir()), "bytes")


if __name__ == "__main__":
    main()
