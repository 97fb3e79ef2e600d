#!/usr/bin/env python3
"""Makes board/demo.mjpeg, the clip that `moodlight run` plays when nothing else is configured.

A virtual camera pans and zooms over the four photos of tests/data: nobody, a happy face, nobody, a stern face, nobody.
640x480, 10 frames a second, one JPEG after another. Needs Pillow; the committed clip was made with Pillow 13.0.0
(another version's JPEG encoder may differ in a few bytes).

    python3 board/demo/make.py            # writes board/demo.mjpeg
    python3 board/demo/make.py --check    # says whether the committed clip is this script's
"""

import io
import sys
from pathlib import Path

from PIL import Image, ImageFilter

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "board" / "demo.mjpeg"
SIZE = (640, 480)
FPS = 10
QUALITY = 50
# Radius in pixels of the lens' softness; it hides the grain of the enlarged photos, which would double the file.
SOFTNESS = 0.8

# Photo, seconds, and where the camera looks at the start and at the end: centre x, centre y and width of the view in
# pixels of the photo. The view is 4:3 and stays inside the photo.
SCENES = [
    ("rocket.jpg", 1.5, (320, 240, 560), (330, 215, 480)),
    ("happy_astronaut.png", 2.5, (256, 200, 500), (226, 160, 300)),
    ("happy_astronaut.png", 1.0, (226, 160, 300), (270, 190, 420)),
    ("coffee.png", 2.0, (280, 210, 500), (330, 190, 400)),
    ("neutral_stern_grace_hopper.jpg", 2.5, (256, 260, 500), (290, 250, 400)),
    ("neutral_stern_grace_hopper.jpg", 1.0, (290, 250, 400), (240, 240, 470)),
    ("coffee.png", 2.5, (330, 190, 400), (270, 200, 530)),
]


def ease(t):
    """0..1 to 0..1, starting and stopping gently."""
    return t * t * (3 - 2 * t)


def view(photo, centre_x, centre_y, width):
    """What the camera sees, as a picture of SIZE."""
    height = width * SIZE[1] / SIZE[0]
    left = min(max(centre_x - width / 2, 0), photo.width - width)
    top = min(max(centre_y - height / 2, 0), photo.height - height)
    box = (left, top, left + width, top + height)
    return photo.resize(SIZE, Image.Resampling.BICUBIC, box=box).filter(ImageFilter.GaussianBlur(SOFTNESS))


def frames():
    for name, seconds, start, end in SCENES:
        photo = Image.open(ROOT / "tests" / "data" / name).convert("RGB")
        count = round(seconds * FPS)
        for i in range(count):
            t = ease(i / (count - 1))
            yield view(photo, *(a + (b - a) * t for a, b in zip(start, end)))


def clip():
    out = io.BytesIO()
    for frame in frames():
        frame.save(out, "JPEG", quality=QUALITY, optimize=True, subsampling="4:2:0")
    return out.getvalue()


if __name__ == "__main__":
    made = clip()
    if "--check" in sys.argv[1:]:
        same = CLIP.read_bytes() == made
        print(f"{CLIP.name} {'is' if same else 'is NOT'} what {Path(__file__).name} makes")
        sys.exit(0 if same else 1)
    CLIP.write_bytes(made)
    print(f"{CLIP.name}: {len(made)} bytes")
