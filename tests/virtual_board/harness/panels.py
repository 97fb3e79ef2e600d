"""The two displays as a person sees them: the screen behind HDMI, and the OLED's picture memory; both kept as PNG files."""
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path


def write_png(path: Path, width: int, height: int, rgb: bytes) -> None:
    rows = b"".join(b"\0" + rgb[y * width * 3:(y + 1) * width * 3] for y in range(height))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b""))


@dataclass(frozen=True)
class Screen:
    """A screenshot: 8-bit RGB rows without padding."""
    width: int
    height: int
    rgb: bytes

    @classmethod
    def from_ppm(cls, data: bytes) -> "Screen":
        kind, size, depth = data.split(b"\n", 3)[:3]
        width, height = map(int, size.split())
        if kind != b"P6" or depth != b"255":
            raise ValueError("not an 8-bit PPM")
        return cls(width, height, data[-width * height * 3:])

    def colours(self) -> dict[tuple[int, int, int], int]:
        """How many pixels (of every fourth) have each colour."""
        counts: dict[tuple[int, int, int], int] = {}
        for at in range(0, len(self.rgb), 12):
            colour = (self.rgb[at], self.rgb[at + 1], self.rgb[at + 2])
            counts[colour] = counts.get(colour, 0) + 1
        return counts

    def share_of(self, colour: int, tolerance: int = 24) -> float:
        """Which part of the screen has (nearly) this colour, 0..1."""
        wanted = (colour >> 16, colour >> 8 & 255, colour & 255)
        counts = self.colours()
        near = sum(count for found, count in counts.items() if all(abs(a - b) <= tolerance for a, b in zip(found, wanted)))
        return near / sum(counts.values())

    def blank(self) -> bool:
        return not any(self.rgb)

    def save(self, path: Path) -> None:
        write_png(path, self.width, self.height, self.rgb)


@dataclass(frozen=True)
class Oled:
    """The SSD1306's memory, as guest/kmod/vssd1306.c lays it out."""
    picture: bytes
    on: bool
    inverted: bool
    contrast: int
    transfers: int
    refused: int
    LENGTH = 1036

    @classmethod
    def parse(cls, page: bytes) -> "Oled":
        transfers, refused = struct.unpack_from("<II", page, 1028)
        return cls(page[:1024], bool(page[1024]), bool(page[1025]), page[1026], transfers, refused)

    def pixel(self, x: int, y: int) -> bool:
        return bool(self.picture[y // 8 * 128 + x] >> (y % 8) & 1)

    def blank(self) -> bool:
        return not self.on or not any(self.picture)

    def text(self) -> str:
        """The panel in half-block characters, two rows of pixels in one of text."""
        blocks = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
        return "\n".join("".join(blocks[self.pixel(x, y), self.pixel(x, y + 1)] for x in range(128)) for y in range(0, 64, 2))

    def save(self, path: Path, zoom: int = 4) -> None:
        rows = []
        for y in range(64):
            row = b"".join((b"\xff\xff\xff" if self.pixel(x, y) and self.on else b"\0\0\0") * zoom for x in range(128))
            rows += [row] * zoom
        write_png(path, 128 * zoom, 64 * zoom, b"".join(rows))
