"""Builds what QEMU boots: Debian's arm64 kernel, an initrd, a device tree with named pins and the OLED's kernel module.

Everything is made once and kept in the cache folder, under a key made of these sources: change one and it is built anew.
The moodlight binary and the models are not in the initrd; they reach the guest by a shared folder (see `board.py`).
"""
import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .packages import GUEST, Packages, tools_missing

HERE = Path(__file__).resolve().parent.parent
TOOLS = ["qemu-system-aarch64", "apt-get", "dpkg-deb", "depmod", "cpio", "fdtput", "make", "aarch64-linux-gnu-gcc-12"]
APT_LINE = ("apt-get install --no-install-recommends python3 qemu-system-arm device-tree-compiler kmod cpio make "
            "gcc-12-aarch64-linux-gnu gcc-aarch64-linux-gnu libc6-dev-arm64-cross")

# Loaded at boot or by a scenario: transport, cameras, display, bus, watchdogs.
MODULES = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "virtio-gpu", "xhci-pci", "uvcvideo", "vivid", "i2c-dev",
           "i6300esb", "softdog"]
PROGRAMS = ["usr/bin/v4l2-ctl", "usr/bin/gpioset", "usr/bin/gpioget", "usr/bin/gpioinfo", "usr/bin/gpiofind", "usr/sbin/i2ctransfer"]
LIBRARIES = "aarch64-linux-gnu"

# PL061 has eight lines: one for each emotion, in FER-2013's order, and one more (button or fault light, as a scenario needs).
LINE_NAMES = ["ANGRY", "DISGUST", "FEAR", "HAPPY", "SAD", "SURPRISE", "NEUTRAL", "SPARE"]
MACHINE = ["-M", "virt", "-cpu", "cortex-a76", "-smp", "2", "-m", "1G"]


class ImageError(RuntimeError):
    """The image could not be built; the message says which step and what it wants."""


@dataclass(frozen=True)
class Image:
    kernel: Path
    initrd: Path
    device_tree: Path
    built: bool


def build(cache: Path, log=print) -> Image:
    """The image, from the cache where the sources are unchanged."""
    folder = cache / _key()
    image = Image(folder / "vmlinuz", folder / "initrd.cpio.gz", folder / "virt.dtb", not (folder / "complete").exists())
    if not image.built:
        return image
    missing = tools_missing(TOOLS)
    if missing:
        raise ImageError(f"not on this machine: {', '.join(missing)}; the packages: {APT_LINE}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _Builder(cache, folder, log).build(image)
    (folder / "complete").touch()
    return image


def _key() -> str:
    digest = hashlib.sha256()
    for source in [Path(__file__), HERE / "harness/packages.py", *sorted((HERE / "guest").rglob("*"))]:
        if source.is_file():
            digest.update(source.read_bytes())
    return f"image-{digest.hexdigest()[:16]}"


def _run(*command, **options) -> str:
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise ImageError(f"{' '.join(map(str, command))}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout


class _Builder:
    def __init__(self, cache: Path, folder: Path, log):
        self.log = log
        self.cache, self.folder = cache, folder
        self.unpacked = folder / "packages"
        self.root = folder / "root"

    def build(self, image: Image) -> None:
        self.fetch()
        shutil.copy(self.unpacked / f"boot/vmlinuz-{self.release}", image.kernel)
        self.lay_root()
        self.copy_modules()
        self.build_panel_module()
        self.build_tools()
        _run("depmod", "-b", self.root, self.release)
        self.pack(image.initrd)
        self.name_pins(image.device_tree)
        shutil.rmtree(self.unpacked)
        shutil.rmtree(self.root)

    def fetch(self) -> None:
        """Debian's packages: arm64 ones for the guest, and the host's kbuild programs for the kernel module."""
        self.log("image: fetching Debian packages")
        arm64 = Packages(self.cache, "arm64")
        arm64.update()
        kernel = next(name for name in arm64.depends("linux-image-arm64") if name.startswith("linux-image-"))
        self.release = kernel.removeprefix("linux-image-")
        abi = self.release.removesuffix("-arm64")
        headers = f"linux-headers-{self.release}"
        kbuild = next(name for name in arm64.depends(headers) if name.startswith("linux-kbuild-"))
        arm64.unpack([kernel, headers, f"linux-headers-{abi}-common", *GUEST], self.unpacked)
        native = Packages(self.cache, _run("dpkg", "--print-architecture").strip())
        native.update()
        native.unpack([kbuild], self.unpacked)

    def lay_root(self) -> None:
        for name in ("bin", "dev", "proc", "sys", "tmp", "run", "share", "etc", "lib", f"lib/{LIBRARIES}"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(self.unpacked / "bin/busybox", self.root / "bin/busybox")
        for script in ("init", "agent"):
            shutil.copy(HERE / "guest" / script, self.root / script)
            (self.root / script).chmod(0o755)
        for program in PROGRAMS:
            shutil.copy(self.unpacked / program, self.root / "bin")
        shutil.copy(self.unpacked / f"lib/{LIBRARIES}/ld-linux-aarch64.so.1", self.root / "lib")
        for folder in ("lib", "usr/lib"):
            for library in (self.unpacked / folder / LIBRARIES).glob("*.so.*"):
                shutil.copy(library, self.root / "lib" / LIBRARIES / library.name)

    def copy_modules(self) -> None:
        """The wanted modules and all that they depend on, without debugging sections (a tenth of the size)."""
        _run("depmod", "-b", self.unpacked, self.release)
        source, target = (base / "lib/modules" / self.release for base in (self.unpacked, self.root))
        depends = {}
        for line in (source / "modules.dep").read_text().splitlines():
            module, _, rest = line.partition(":")
            depends[Path(module).stem.replace("-", "_")] = [module, *rest.split()]
        for wanted in MODULES:
            for module in depends.get(wanted.replace("-", "_"), []):
                (target / module).parent.mkdir(parents=True, exist_ok=True)
                _run("aarch64-linux-gnu-strip", "-g", "-o", target / module, source / module)
        for listing in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            shutil.copy(source / listing, target / listing)

    def build_panel_module(self) -> None:
        self.log(f"image: building the OLED's module for {self.release}")
        headers = self.unpacked / "usr/src" / f"linux-headers-{self.release}"
        makefile = headers / "Makefile"
        makefile.write_text(makefile.read_text().replace("/usr/src", str(headers.parent)))
        source = self.folder / "kmod"
        shutil.copytree(HERE / "guest/kmod", source)
        _run("make", "-C", headers, "ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-", f"M={source}", "modules")
        extra = self.root / "lib/modules" / self.release / "extra"
        extra.mkdir()
        _run("aarch64-linux-gnu-strip", "-g", "-o", extra / "vssd1306.ko", source / "vssd1306.ko")

    def build_tools(self) -> None:
        for source in (HERE / "guest").glob("*.c"):
            _run("aarch64-linux-gnu-gcc-12", "-static", "-O2", "-Wall", "-Werror", "-o", self.root / "bin" / source.stem, source)

    def pack(self, initrd: Path) -> None:
        names = "\n".join(str(path.relative_to(self.root)) for path in sorted(self.root.rglob("*")))
        archive = self.folder / "initrd.cpio"
        with archive.open("wb") as out:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=self.root, input=names.encode(), stdout=out, check=True)
        _run("gzip", "-1", archive)

    def name_pins(self, device_tree: Path) -> None:
        """QEMU's own device tree of the machine, with names for the PL061's lines."""
        _run("qemu-system-aarch64", "-display", "none", "-nic", "none", MACHINE[0], f"{MACHINE[1]},dumpdtb={device_tree}", *MACHINE[2:])
        _run("fdtput", "-t", "s", device_tree, "/pl061@9030000", "gpio-line-names", *LINE_NAMES)
