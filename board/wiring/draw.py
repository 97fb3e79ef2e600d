"""Draws the wiring of each board as SVG, from the pin tables of its profile: what is drawn is what moodlight drives.

    python3 board/wiring/draw.py            writes board/wiring/<board>.svg
    python3 board/wiring/draw.py --check    writes nothing, fails when a drawing does not fit its profile

Pins come from board/<board>.toml, colours from src/outputs/palette.rs. The supply and ground pins, which no profile lists, are
those of the 40-pin header that all these boards have in common. Needs Python (3.11) alone.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BOARD = HERE.parent
BOARDS = ["rpi-zero2w", "rpi4", "rpi5", "jetson-nano", "jetson-orin-nano"]
EMOTIONS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
SUPPLY = {1: "3V3", 17: "3V3", 2: "5V", 4: "5V", **dict.fromkeys([6, 9, 14, 20, 25, 30, 34, 39], "GND")}
PANEL = {1: "VCC", 3: "SDA", 5: "SCL", 9: "GND"}

PITCH, TOP, LEFT = 27, 120, 395  # pixels between pins; of the first row; of the odd column
WIDTH, HEIGHT = 860, 720
INK, QUIET, PAPER = "#1b2430", "#66707e", "#ffffff"
PIN_COLORS = {"3V3": "#d9822b", "5V": "#c23030", "GND": "#1b2430"}


@dataclass(frozen=True)
class Board:
    file: str
    name: str
    header: dict[int, object]
    leds: dict[str, int]
    needs_driver: bool

    @staticmethod
    def read(file: str) -> "Board":
        profile = tomllib.loads((BOARD / f"{file}.toml").read_text())
        pins = {e: int(str(profile["pins"][e]).removeprefix("pin:")) for e in EMOTIONS}
        header = {int(n): line for n, line in profile["gpio"]["header"].items()}
        missing = [e for e, pin in pins.items() if pin not in header]
        if missing:
            raise SystemExit(f"{file}: {missing} hang on no free header pin")
        # A Jetson's pins sit behind level shifters that give a milliampere.
        return Board(file, profile["name"], header, pins, file.startswith("jetson"))

    def line(self, pin: int) -> str:
        line = self.header[pin]
        return f"GPIO{line}" if self.file.startswith("rpi") else f"line {line}" if isinstance(line, int) else str(line)


def palette() -> dict[str, str]:
    text = (BOARD.parent / "src/outputs/palette.rs").read_text()
    return {e: "#" + re.search(rf"Emotion::{e.capitalize()} => Color::hex\(0x([0-9a-f]{{6}})\)", text)[1] for e in EMOTIONS}


def place(pin: int) -> tuple[int, int]:
    return LEFT + (0 if pin % 2 else 1) * PITCH, TOP + (pin - 1) // 2 * PITCH


def text(x: float, y: float, words: str, size: int = 13, anchor: str = "start", color: str = INK, weight: int = 400) -> str:
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return (f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{color}" '
            f'font-weight="{weight}">{words}</text>')


def wire(points: list[tuple[float, float]], color: str) -> str:
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    # A pale edge, so that a white LED's wire is seen on paper too.
    return (f'<polyline points="{path}" fill="none" stroke="{INK}" stroke-width="4.5" stroke-linejoin="round"/>'
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5" stroke-linejoin="round"/>')


def header(board: Board, colors: dict[str, str]) -> list[str]:
    """The forty pins: supply in its colour, lights in theirs, the rest hollow."""
    by_pin = {pin: e for e, pin in board.leds.items()}
    out = [f'<rect x="{LEFT - 18}" y="{TOP - 20}" width="{PITCH + 36}" height="{19 * PITCH + 40}" rx="6" fill="#e9edf2" stroke="{QUIET}"/>']
    for pin in range(1, 41):
        x, y = place(pin)
        fill = colors[by_pin[pin]] if pin in by_pin else PIN_COLORS.get(SUPPLY.get(pin, ""), PAPER)
        dark = fill in PIN_COLORS.values()
        shape = f'<rect x="{x - 9}" y="{y - 9}" width="18" height="18"' if pin == 1 else f'<circle cx="{x}" cy="{y}" r="9"'
        out.append(f'{shape} fill="{fill}" stroke="{INK}"/>')
        out.append(text(x, y + 4, str(pin), 10, "middle", PAPER if dark else INK, 600))
    return out


def led(board: Board, emotion: str, row: int, color: str, side: str) -> list[str]:
    """From its pin through a resistor (or a transistor) to the LED and to ground."""
    pin = board.leds[emotion]
    x, y = place(pin)
    sign = -1 if side == "left" else 1
    box_x, led_x = x + sign * 130, x + sign * 225
    out = [wire([(x + sign * 9, y), (x + sign * 60, y), (x + sign * 75, row), (box_x, row)], color)]
    part = "driver" if board.needs_driver else "330 Ω"
    out.append(wire([(box_x, row), (led_x, row)], color))
    out.append(f'<rect x="{box_x - 26}" y="{row - 10}" width="52" height="20" rx="3" fill="{PAPER}" stroke="{INK}"/>')
    out.append(text(box_x, row + 4, part, 11, "middle"))
    out.append(f'<circle cx="{led_x}" cy="{row}" r="13" fill="{color}" stroke="{INK}" stroke-width="1.5"/>')
    anchor = "end" if side == "left" else "start"
    name_x = led_x + sign * 22
    out.append(text(name_x, row - 1, emotion, 15, anchor, INK, 600))
    out.append(text(name_x, row + 14, f"pin {pin}, {board.line(pin)}", 11, anchor, QUIET))
    return out


def rows(board: Board) -> list[tuple[str, int, str]]:
    """Each light with its height and side; neighbours are kept 38 pixels apart."""
    out = []
    for side, parity in (("left", 1), ("right", 0)):
        last = 0
        for emotion, pin in sorted(board.leds.items(), key=lambda item: item[1]):
            if pin % 2 == parity:
                last = max(place(pin)[1], last + 38)
                out.append((emotion, last, side))
    return out


def panel(board: Board) -> list[str]:
    """The optional OLED, wires by the names that are printed on it."""
    x, y, gap = 600, 60, 21
    out = [f'<rect x="{x}" y="{y}" width="210" height="112" rx="6" fill="#f4f6f9" stroke="{INK}"/>',
           f'<rect x="{x + 70}" y="{y + 22}" width="126" height="66" fill="{INK}"/>',
           text(x + 133, y + 60, "OLED", 16, "middle", PAPER, 600),
           text(x + 105, y + 106, "SSD1306 or SH1106, 0x3c", 11, "middle", QUIET)]
    for n, (pin, name) in enumerate(PANEL.items()):
        out.append(text(x + 12, y + 27 + n * gap, f"{name}", 12, "start", INK, 600))
        out.append(text(x - 8, y + 27 + n * gap, f"pin {pin}", 12, "end", QUIET))
    return out


def draw(board: Board, colors: dict[str, str]) -> str:
    parts = "each LED: its pin → transistor or ULN2803 → LED with 330 Ω to 5 V" if board.needs_driver else \
        "each LED: its pin → 330 Ω → long leg; short leg → any GND pin (6, 9, 14, 20, 25, 30, 34, 39)"
    body = [text(30, 42, board.name, 24, "start", INK, 700),
            text(30, 66, "where moodlight's lights hang, seen from above; the square pin is pin 1", 13, "start", QUIET)]
    body += header(board, colors)
    for emotion, row, side in rows(board):
        body += led(board, emotion, row, colors[emotion], side)
    body += panel(board)
    legend_y = TOP + 19 * PITCH + 52
    for n, (name, color) in enumerate(PIN_COLORS.items()):
        body.append(f'<circle cx="{40 + n * 80}" cy="{legend_y - 4}" r="7" fill="{color}"/>' + text(53 + n * 80, legend_y, name, 12))
    body.append(text(290, legend_y, parts, 12, "start", QUIET))
    if board.needs_driver:
        body.append(text(30, 92, "These pins give 1 mA behind level shifters: never an LED directly.", 13, "start", "#c23030", 600))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="DejaVu Sans, Verdana, sans-serif">\n'
            f'<title>Wiring of moodlight on {board.name}</title>\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>\n' + "\n".join(body) + "\n</svg>\n")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--check", action="store_true")
    args = args.parse_args()
    colors = palette()
    for file in BOARDS:
        out, svg = HERE / f"{file}.svg", draw(Board.read(file), colors)
        if args.check and (not out.exists() or out.read_text() != svg):
            raise SystemExit(f"{out.name} does not fit the profile; run python3 board/wiring/draw.py")
        if not args.check:
            out.write_text(svg)


if __name__ == "__main__":
    main()
