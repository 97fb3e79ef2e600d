"""A USB webcam for the guest: speaks the usbredir protocol to QEMU's usb-redir device and is a UVC 1.0 camera to Linux' uvcvideo.

It offers MJPG and YUYV in one size, over a bulk endpoint (no isochronous timing to emulate). Frames come from the host: `pictures` is read
for every frame, so a scenario changes it while the guest streams. Faults: `stalled` (there, but never delivers), `mangle` (a function
over each frame's bytes). `plug` and `unplug` are what a hand does with the cable.

A pulled cable. On a bus of copper each request to a device that is gone fails at once. QEMU's xHCI drops such requests without a word, and the
guest waits 5 s for each of them; pulled while the kernel asks its way through a new device, it is deaf to plugs for a minute and more. So
`unplug` first plays the dead wire (`_dead`): all requests fail, those under way too, as a usbredir host does it. The disconnect follows when no
request can fall into the hole: at once when none came lately, else when the guest pauses or has given up. And the cable stays out until the
guest has seen it (SEEN, or RESET_OVER where its port may be in a reset): the kernel takes a device that is back before that for the old one,
and the emulator drops what is asked of it. Scenario `pulled-while-asked` holds this.
Terms: usbredir packets are a header (type, length, id) and a type-specific body; see usb-redirection-protocol in the usbredir package.
"""
import socket
import struct
import threading
import time
from enum import IntEnum

HEADER_32, HEADER_64 = struct.Struct("<III"), struct.Struct("<IIQ")
STREAM_ENDPOINT = 0x81
MAX_PAYLOAD = 16384
IO_ERROR, STALL = 3, 4
# After so long without a request the guest is not asking its way through the device; and the longest that `unplug` waits for that.
QUIET, DEAD_LIMIT = 0.3, 5.0
# A kernel that resets a port looks for 0.8 s whether something comes back (HUB_RESET_TIMEOUT); outside of that it sees a pulled cable at once.
RESET_OVER, SEEN = 1.1, 0.2


class Packet(IntEnum):
    HELLO, DEVICE_CONNECT, DEVICE_DISCONNECT, RESET, INTERFACE_INFO, EP_INFO = range(6)
    SET_CONFIGURATION, GET_CONFIGURATION, CONFIGURATION_STATUS = 6, 7, 8
    SET_ALT_SETTING, GET_ALT_SETTING, ALT_SETTING_STATUS = 9, 10, 11
    CANCEL_DATA = 21
    CONTROL, BULK = 100, 101


class Descriptors:
    """The camera's USB descriptors: one video control and one video streaming interface with a bulk endpoint."""

    def __init__(self, width: int, height: int, fps: float, name: str, serial: str):
        self.interval = int(10_000_000 / fps)
        self.frame_bytes = width * height * 2
        frame = struct.pack("<HHIIIIBI", width, height, width * height, width * height * 30, self.frame_bytes, self.interval, 1, self.interval)
        yuy2 = b"YUY2" + bytes.fromhex("00001000800000aa00389b71")
        colour = bytes([6, 0x24, 0x0d, 1, 1, 4])
        formats = (bytes([11, 0x24, 0x06, 1, 1, 1, 1, 0, 0, 0, 0]) + bytes([30, 0x24, 0x07, 1, 0]) + frame + colour
                   + bytes([27, 0x24, 0x04, 2, 1]) + yuy2 + bytes([16, 1, 0, 0, 0, 0]) + bytes([30, 0x24, 0x05, 1, 0]) + frame + colour)
        header = bytes([15, 0x24, 0x01, 2]) + struct.pack("<H", 15 + len(formats)) + bytes([STREAM_ENDPOINT, 0, 2, 0, 0, 0, 1, 0, 0])
        streaming = bytes([9, 4, 1, 0, 1, 0x0e, 2, 0, 0]) + header + formats + bytes([7, 5, STREAM_ENDPOINT, 2]) + struct.pack("<HB", 512, 0)
        camera = bytes([18, 0x24, 2, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0])
        output = bytes([9, 0x24, 3, 2, 1, 1, 0, 1, 0])
        control = (bytes([9, 4, 0, 0, 0, 0x0e, 1, 0, 0]) + bytes([13, 0x24, 1, 0, 1])
                   + struct.pack("<HIBB", 13 + len(camera) + len(output), 48_000_000, 1, 1) + camera + output)
        association = bytes([8, 0x0b, 0, 2, 0x0e, 3, 0, 2])
        body = association + control + streaming
        self.configuration = bytes([9, 2]) + struct.pack("<H", 9 + len(body)) + bytes([2, 1, 0, 0x80, 50]) + body
        self.device = bytes([18, 1, 0, 2, 0xef, 2, 1, 64]) + struct.pack("<HHH", 0x1d6b, 0x0102, 0x0100) + bytes([1, 2, 3, 1])
        texts = ["moodlight", name, serial]
        self.strings = [bytes([4, 3, 9, 4])] + [bytes([2 + 2 * len(text), 3]) + text.encode("utf-16le") for text in texts]

    def get(self, value: int) -> bytes | None:
        kind, index = value >> 8, value & 0xff
        if kind == 3:
            return self.strings[index] if index < len(self.strings) else None
        return {1: self.device, 2: self.configuration}.get(kind)


class Webcam:
    """`pictures` is a list of JPEG files, shown in turn; the rate is the one of the real clock, as a camera's is."""

    def __init__(self, path: str, pictures: list[bytes], width=640, height=480, fps=5.0, name="Virtual UVC Cam", serial="0001"):
        self.path, self.pictures, self.fps = path, pictures, fps
        self.describe(width, height, name, serial)
        self.stalled, self.mangle = False, None
        self.frames_sent = 0
        self._plugged = False
        self._channel: socket.socket | None = None

    def describe(self, width: int, height: int, name="Virtual UVC Cam", serial="0001") -> None:
        """What the camera says it is from the next `plug` on."""
        self.descriptors = Descriptors(width, height, self.fps, name, serial)
        self._control = bytearray(struct.pack("<HBBIHHHHHII", 1, 1, 1, self.descriptors.interval, 0, 0, 0, 0, 0,
                                              self.descriptors.frame_bytes, MAX_PAYLOAD))

    def plug(self) -> None:
        self._channel = socket.socket(socket.AF_UNIX)
        self._channel.connect(self.path)
        self._writing, self._wanted = threading.Lock(), threading.Condition()
        self._requests: list[tuple[int, int]] = []
        self._greeted, self.streaming, self._plugged = False, False, True
        self._configured, self._dead, self._asked = False, False, time.monotonic()
        capabilities = (1 << 1) | (1 << 4) | (1 << 5) | (1 << 6)
        self._send(Packet.HELLO, 0, b"moodlight virtual board".ljust(64, b"\0") + struct.pack("<I", capabilities))
        self._threads = [threading.Thread(target=task, args=(self._channel,), daemon=True) for task in (self._receive, self._stream)]
        for thread in self._threads:
            thread.start()

    def unplug(self) -> None:
        self._die()
        self._send(Packet.DEVICE_DISCONNECT, 0, b"")
        self._plugged = False
        try:
            self._channel.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        for thread in self._threads:
            thread.join(5)
        self._channel.close()
        time.sleep(SEEN if self._configured else RESET_OVER)

    def _die(self) -> None:
        """The wire is dead; returns when the port may say so (the head comment says why not at once)."""
        with self._wanted:
            self._dead, left, self._requests = True, self._requests, []
            self._wanted.notify_all()
        for number, _ in left:
            self._fail_bulk(number)
        end = time.monotonic() + DEAD_LIMIT
        while (now := time.monotonic()) < end and now - self._asked < QUIET:
            time.sleep(min(end, self._asked + QUIET) - now)

    def _fail_bulk(self, number: int) -> None:
        self._send(Packet.BULK, number, struct.pack("<BBHIH", STREAM_ENDPOINT, IO_ERROR, 0, 0, 0))

    @property
    def plugged(self) -> bool:
        return self._plugged

    def _send(self, kind: Packet, number: int, body: bytes) -> None:
        header = HEADER_32 if kind == Packet.HELLO else HEADER_64
        with self._writing:
            try:
                self._channel.sendall(header.pack(kind, len(body), number) + body)
            except OSError:
                self._plugged = False

    def _read_exactly(self, channel: socket.socket, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            part = channel.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def _receive(self, channel: socket.socket) -> None:
        try:
            while self._plugged:
                header = HEADER_64 if self._greeted else HEADER_32
                kind, length, number = header.unpack(self._read_exactly(channel, header.size))
                self._handle(kind, number, self._read_exactly(channel, length))
        except (EOFError, OSError):
            self._plugged = False

    def _handle(self, kind: int, number: int, body: bytes) -> None:
        if kind not in (Packet.BULK, Packet.CANCEL_DATA):
            self._asked = time.monotonic()
        if self._dead:
            self._handle_dead(kind, number, body)
        elif kind == Packet.HELLO:
            self._greeted = True
            self._introduce()
        elif kind == Packet.SET_CONFIGURATION:
            self._configured = True
            self._send(Packet.CONFIGURATION_STATUS, number, bytes([0, body[0]]))
        elif kind == Packet.GET_CONFIGURATION:
            self._send(Packet.CONFIGURATION_STATUS, number, bytes([0, 1]))
        elif kind == Packet.SET_ALT_SETTING:
            self._send(Packet.ALT_SETTING_STATUS, number, bytes([0, body[0], body[1]]))
        elif kind == Packet.GET_ALT_SETTING:
            self._send(Packet.ALT_SETTING_STATUS, number, bytes([0, body[0], 0]))
        elif kind == Packet.CONTROL:
            self._control_request(number, body)
        elif kind == Packet.BULK:
            _, _, low, _, high = struct.unpack("<BBHIH", body[:10])
            with self._wanted:
                self._requests.append((number, low | high << 16))
                self._wanted.notify_all()
        elif kind == Packet.CANCEL_DATA:
            self._cancel(number)

    def _handle_dead(self, kind: int, number: int, body: bytes) -> None:
        """Everything fails."""
        if kind in (Packet.SET_CONFIGURATION, Packet.GET_CONFIGURATION):
            self._send(Packet.CONFIGURATION_STATUS, number, bytes([IO_ERROR, 0]))
        elif kind in (Packet.SET_ALT_SETTING, Packet.GET_ALT_SETTING):
            self._send(Packet.ALT_SETTING_STATUS, number, bytes([IO_ERROR, body[0], 0]))
        elif kind == Packet.CONTROL:
            self._fail_control(number, body, IO_ERROR)
        elif kind == Packet.BULK:
            self._fail_bulk(number)

    def _fail_control(self, number: int, body: bytes, status: int) -> None:
        endpoint, request, kind, _, value, index, _ = struct.unpack("<BBBBHHH", body[:10])
        self._send(Packet.CONTROL, number, struct.pack("<BBBBHHH", endpoint, request, kind, status, value, index, 0))

    def _introduce(self) -> None:
        def per_endpoint(width: int, **endpoints: int) -> bytes:
            values = [endpoints.get(f"at{index}", endpoints.get("other", 0)) for index in range(32)]
            return b"".join(value.to_bytes(width, "little") for value in values)
        self._send(Packet.INTERFACE_INFO, 0, struct.pack("<I", 2) + bytes([0, 1]).ljust(32, b"\0") + bytes([0x0e, 0x0e]).ljust(32, b"\0")
                   + bytes([1, 2]).ljust(32, b"\0") + bytes(32))
        # Endpoints 0 and 16 are control out and in; 17 is the bulk stream (0x81): type 2, interface 1.
        self._send(Packet.EP_INFO, 0, per_endpoint(1, other=255, at0=0, at16=0, at17=2) + bytes(32) + per_endpoint(1, at17=1)
                   + per_endpoint(2, at0=64, at16=64, at17=512))
        self._send(Packet.DEVICE_CONNECT, 0, struct.pack("<BBBBHHH", 2, 0xef, 2, 1, 0x1d6b, 0x0102, 0x0100))

    def _cancel(self, number: int) -> None:
        with self._wanted:
            hit = any(request[0] == number for request in self._requests)
            self._requests = [request for request in self._requests if request[0] != number]
        if hit:
            self._send(Packet.BULK, number, struct.pack("<BBHIH", STREAM_ENDPOINT, 1, 0, 0, 0))

    def _control_request(self, number: int, body: bytes) -> None:
        endpoint, request, kind, _, value, index, length = struct.unpack("<BBBBHHH", body[:10])
        answer = self._answer(kind, request, value, index, body[10:])
        if answer is None:
            self._fail_control(number, body, STALL)
            return
        answer = answer[:length]
        told = len(answer) if kind & 0x80 else length
        self._send(Packet.CONTROL, number, struct.pack("<BBBBHHH", endpoint, request, kind, 0, value, index, told) + answer)

    def _answer(self, kind: int, request: int, value: int, index: int, data: bytes) -> bytes | None:
        """The answer to a control request; empty for an accepted write, None to stall."""
        interface, selector = index & 0xff, value >> 8
        if kind == 0x80 and request == 6:
            return self.descriptors.get(value)
        if kind in (0x80, 0x81, 0x82) and request == 0:
            return b"\0\0"
        if kind == 0xa1 and interface == 1 and selector in (1, 2):
            return {0x85: struct.pack("<H", 26), 0x86: b"\3"}.get(request, bytes(self._control))
        if kind == 0xa1 and interface == 0 and selector == 2:
            return b"\0"
        if kind == 0x21 and request == 1 and interface == 1:
            self._control[2:4] = bytes([min(max(data[2], 1), 2), 1])
            self.streaming = self.streaming or selector == 2
            return b""
        return b"" if not kind & 0x80 else None

    def _frame(self) -> bytes:
        if self._control[2] == 1:
            frame = self.pictures[self.frames_sent % len(self.pictures)]
        else:
            frame = b"\x80" * self.descriptors.frame_bytes
        return self.mangle(frame, self.frames_sent) if self.mangle else frame

    def _stream(self, channel: socket.socket) -> None:
        toggle, due = 0, time.monotonic()
        while self._plugged:
            with self._wanted:
                if not self._requests or not self.streaming or self.stalled or self._dead:
                    self._wanted.wait(0.1)
                    continue
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due + 1 / self.fps, time.monotonic())
            self._send_frame(self._frame(), toggle)
            toggle ^= 1
            self.frames_sent += 1

    def _send_frame(self, frame: bytes, toggle: int) -> None:
        """A frame as UVC payloads: two header bytes (length, flags: bit 0 toggles per frame, bit 1 ends it), then data."""
        at = 0
        while at < len(frame) and self._plugged and not self._dead:
            with self._wanted:
                if not self._requests and not self._wanted.wait(2):
                    return
                if not self._requests:
                    continue
                number, length = self._requests.pop(0)
            part = frame[at:at + min(length, MAX_PAYLOAD) - 2]
            at += len(part)
            payload = bytes([2, 0x80 | toggle | (2 if at >= len(frame) else 0)]) + part
            self._send(Packet.BULK, number, struct.pack("<BBHIH", STREAM_ENDPOINT, 0, len(payload) & 0xffff, 0, len(payload) >> 16) + payload)
