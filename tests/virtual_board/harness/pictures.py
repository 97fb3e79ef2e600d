"""The pictures that are held before the cameras.

`committed` ones are in pictures/, 640×480, made from public-domain photographs (see pictures/SOURCES.md). Faces of FER-2013's validation set
are taken from ../shared/data where that folder is there, and composed onto a gray wall as a camera would see them.
"""
import tarfile
from functools import lru_cache
from pathlib import Path

from .image import HERE
from .jpeg import decode_gray, encode_gray

WIDTH, HEIGHT = 640, 480
PICTURES = HERE / "pictures"
WALL = 118


@lru_cache
def committed(name: str) -> bytes:
    """A JPEG of pictures/."""
    return (PICTURES / f"{name}.jpg").read_bytes()


def gray_yuyv(rows: bytes) -> bytes:
    """Gray rows as packed 4:2:2: each luma byte followed by a colourless chroma byte."""
    packed = bytearray(b"\x80" * (2 * len(rows)))
    packed[::2] = rows
    return bytes(packed)


def shared_faces(root: Path) -> Path | None:
    """The archive of FER-2013 faces beside the repository, if it is there."""
    archive = root.parent / "shared/data/fer2013-trainval.tar"
    return archive if archive.is_file() else None


def validation_faces(archive: Path, count: int) -> dict[str, list[tuple[str, bytes]]]:
    """The first `count` validation faces of each class, by file name: (name, JPEG)."""
    with tarfile.open(archive) as tar:
        members = sorted((m for m in tar.getmembers() if m.name.startswith("val/") and m.isfile()), key=lambda m: m.name)
        faces: dict[str, list[tuple[str, bytes]]] = {}
        for member in members:
            of_class = faces.setdefault(member.name.split("/")[1], [])
            if len(of_class) < count:
                of_class.append((Path(member.name).stem, tar.extractfile(member).read()))
    return faces


def on_wall(face: bytes, side: int = 288) -> bytes:
    """A 640×480 JPEG with the face, `side` pixels high, before a gray wall; bilinear, edges faded over 16 pixels."""
    width, height, rows = decode_gray(face)
    canvas = bytearray([WALL] * (WIDTH * HEIGHT))
    left, top = (WIDTH - side) // 2, (HEIGHT - side) // 2
    steps = [(min(int(position), width - 2), position) for position in (max(0.0, min((i + 0.5) * width / side - 0.5, width - 1)) for i in range(side))]
    for y, (y0, fy) in enumerate(steps):
        upper, lower, part = rows[y0 * width:(y0 + 1) * width], rows[(y0 + 1) * width:(y0 + 2) * width], fy - y0
        mixed = [a + (b - a) * part for a, b in zip(upper, lower)]
        for x, (x0, fx) in enumerate(steps):
            value = mixed[x0] + (mixed[x0 + 1] - mixed[x0]) * (fx - x0)
            fade = min(1.0, (min(x, y, side - 1 - x, side - 1 - y) + 1) / 16)
            canvas[(top + y) * WIDTH + left + x] = round(WALL + (value - WALL) * fade)
    return encode_gray(WIDTH, HEIGHT, bytes(canvas))
