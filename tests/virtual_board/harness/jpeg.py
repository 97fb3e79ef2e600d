"""Just enough of baseline JPEG (ITU T.81) for gray pictures: FER-2013's faces are read, camera frames are written.

Not here: colour, progressive files, restart markers. Speed does not matter; flat blocks are cheap.
"""
import math
from struct import pack, unpack_from

ZIGZAG = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42,
          49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63]
COSINE = [[(math.sqrt(0.125) if u == 0 else 0.5) * math.cos((2 * x + 1) * u * math.pi / 16) for x in range(8)] for u in range(8)]
# Every coefficient is kept in steps of 2: near lossless, so that the face that moodlight sees is the one that was given.
QUANT = 2


class JpegError(ValueError):
    """Not a baseline gray JPEG."""


class _Bits:
    def __init__(self, data: bytes):
        self.data, self.at, self.value, self.count = data.replace(b"\xff\x00", b"\xff"), 0, 0, 0

    def take(self, count: int) -> int:
        while self.count < count:
            self.value = self.value << 8 | (self.data[self.at] if self.at < len(self.data) else 0xff)
            self.at, self.count = self.at + 1, self.count + 8
        self.count -= count
        taken = self.value >> self.count
        self.value &= (1 << self.count) - 1
        return taken

    def symbol(self, codes: dict) -> int:
        code = 0
        for length in range(1, 17):
            code = code << 1 | self.take(1)
            if (length, code) in codes:
                return codes[length, code]
        raise JpegError("a code that the Huffman table does not have")

    def signed(self, size: int) -> int:
        value = self.take(size) if size else 0
        return value if not size or value >> (size - 1) else value - (1 << size) + 1


def _codes(counts: bytes, symbols: bytes) -> dict:
    """(length, code) → symbol."""
    codes, code, at = {}, 0, 0
    for length in range(1, 17):
        for _ in range(counts[length - 1]):
            codes[length, code] = symbols[at]
            code, at = code + 1, at + 1
        code <<= 1
    return codes


def decode_gray(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and rows of a baseline gray JPEG."""
    if data[:2] != b"\xff\xd8":
        raise JpegError("no JPEG")
    quant, huffman, size, at = {}, {}, None, 2
    while True:
        marker, length = data[at + 1], unpack_from(">H", data, at + 2)[0]
        body = data[at + 4:at + 2 + length]
        at += 2 + length
        if marker == 0xdb:
            while body:
                quant[body[0] & 15], body = body[1:65], body[65:]
        elif marker == 0xc4:
            while body:
                total = sum(body[1:17])
                huffman[body[0]], body = _codes(body[1:17], body[17:17 + total]), body[17 + total:]
        elif marker == 0xc0:
            size = unpack_from(">HH", body, 1)
            if body[5] != 1:
                raise JpegError("not gray")
            table = body[8]
        elif marker in (0xc1, 0xc2, 0xdd):
            raise JpegError("not baseline, or with restart markers")
        elif marker == 0xda:
            dc, ac = huffman[body[2] >> 4], huffman[0x10 | body[2] & 15]
            return size[1], size[0], _scan(_Bits(data[at:]), size[1], size[0], quant[table], dc, ac)


def _scan(bits: _Bits, width: int, height: int, quant: bytes, dc: dict, ac: dict) -> bytes:
    rows, before = bytearray(width * height), 0
    for top in range(0, height, 8):
        for left in range(0, width, 8):
            block = [0.0] * 64
            before += bits.signed(bits.symbol(dc))
            block[0] = before * quant[0]
            at = 1
            while at < 64:
                run_size = bits.symbol(ac)
                if run_size == 0:
                    break
                at += run_size >> 4
                if run_size & 15:
                    block[ZIGZAG[at]] = bits.signed(run_size & 15) * quant[at]
                at += 1
            for y, row in enumerate(_inverse(block)):
                for x, value in enumerate(row):
                    if top + y < height and left + x < width:
                        rows[(top + y) * width + left + x] = min(max(round(value + 128), 0), 255)
    return bytes(rows)


def _inverse(block: list) -> list:
    columns = [[sum(COSINE[v][y] * block[v * 8 + u] for v in range(8)) for u in range(8)] for y in range(8)]
    return [[sum(COSINE[u][x] * columns[y][u] for u in range(8)) for x in range(8)] for y in range(8)]


def _forward(block: list) -> list:
    rows = [[sum(COSINE[u][x] * block[y][x] for x in range(8)) for u in range(8)] for y in range(8)]
    return [sum(COSINE[v][y] * rows[y][u] for y in range(8)) for v in range(8) for u in range(8)]


# One code of eight bits for each symbol: a Huffman table that needs no statistics (T.81 allows any; the all-ones code stays unused).
_DC = bytes(range(12))
_AC = bytes([0x00, 0xf0] + [run << 4 | size for run in range(16) for size in range(1, 11)])


def _table(kind: int, symbols: bytes, length: int) -> bytes:
    counts = bytearray(16)
    counts[length - 1] = len(symbols)
    return _segment(0xc4, bytes([kind]) + bytes(counts) + symbols)


def _segment(marker: int, body: bytes) -> bytes:
    return pack(">BBH", 0xff, marker, len(body) + 2) + body


def encode_gray(width: int, height: int, rows: bytes) -> bytes:
    """A baseline gray JPEG; width and height in multiples of 8."""
    bits = []
    put = bits.append
    before, cache = 0, {}
    for top in range(0, height, 8):
        for left in range(0, width, 8):
            pixels = [rows[(top + y) * width + left:(top + y) * width + left + 8] for y in range(8)]
            key = b"".join(pixels)
            if key not in cache:
                cache[key] = [round(value / QUANT) for value in _forward([[pixel - 128 for pixel in row] for row in pixels])]
            values = cache[key]
            _put_value(put, _DC, 4, 0, values[0] - before)
            before, run = values[0], 0
            last = max((at for at in range(1, 64) if values[ZIGZAG[at]]), default=0)
            for at in range(1, last + 1):
                value = values[ZIGZAG[at]]
                if value == 0:
                    run += 1
                    continue
                while run > 15:
                    put(format(_AC.index(0xf0), "08b"))
                    run -= 16
                _put_value(put, _AC, 8, run, value)
                run = 0
            if last < 63:
                put(format(_AC.index(0x00), "08b"))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    scan = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    return (b"\xff\xd8" + _segment(0xe0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + _segment(0xdb, b"\0" + bytes([QUANT] * 64))
            + _segment(0xc0, pack(">BHHB", 8, height, width, 1) + b"\1\x11\0") + _table(0x00, _DC, 4) + _table(0x10, _AC, 8)
            + _segment(0xda, b"\1\1\0\0\x3f\0") + scan + b"\xff\xd9")


def _put_value(put, table: bytes, length: int, run: int, value: int) -> None:
    size = abs(value).bit_length()
    put(format(table.index(run << 4 | size), f"0{length}b"))
    if size:
        put(format(value if value > 0 else value + (1 << size) - 1, f"0{size}b"))
