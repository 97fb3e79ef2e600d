"""Builds what QEMU boots: Debian's arm64 kernel, an initrd, a device tree with named pins and the OLED's kernel module.

Made in two layers, each kept in the cache folder under a key made of its sources: the *base* (Debian's kernel, modules, libraries, tools,
headers), and the *overlay* (what guest/ holds, the pins' names). The kernel unpacks both initrds, one after the other.
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
# The device tree of the other machine model, harness/raspi.py's.
RASPI_TREE = "bcm2837-rpi-3-b.dtb"
MACHINE = ["-M", "virt", "-cpu", "cortex-a76", "-smp", "2", "-m", "1G"]


class ImageError(RuntimeError):
    """The image could not be built; the message says which step and what it wants."""


@dataclass(frozen=True)
class Image:
    kernel: Path
    initrd: Path
    device_tree: Path
    raspi_tree: Path
    built: bool


def build(cache: Path, log=print) -> Image:
    """The image, from the cache as far as the sources are unchanged."""
    base = cache / f"base-{_key([HERE / 'harness/packages.py'], MODULES, PROGRAMS, RASPI_TREE)}"
    guest = [path for path in sorted((HERE / "guest").rglob("*")) if path.is_file()]
    image_folder = cache / f"image-{_key([Path(__file__), *guest], base.name)}"
    image = Image(base / "vmlinuz", image_folder / "initrd.cpio.gz", image_folder / "virt.dtb", base / RASPI_TREE, not _complete(image_folder))
    if not image.built:
        return image
    missing = tools_missing(TOOLS)
    if missing:
        raise ImageError(f"not on this machine: {', '.join(missing)}; the packages: {APT_LINE}")
    if not _complete(base):
        _fresh(base, cache.glob("base-*"))
        _Base(cache, base, log).build()
    _fresh(image_folder, cache.glob("image-*"))
    _overlay(base, image, image_folder, log)
    (image_folder / "complete").touch()
    return image


def _key(sources: list[Path], *more) -> str:
    digest = hashlib.sha256(repr(more).encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _complete(folder: Path) -> bool:
    return (folder / "complete").exists()


def _fresh(folder: Path, older) -> None:
    """An empty folder; earlier ones of its kind go."""
    for old in older:
        shutil.rmtree(old)
    folder.mkdir(parents=True)


def run_tool(*command, **options) -> str:
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise ImageError(f"{' '.join(map(str, command))}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout


def pack(root: Path, archive: Path) -> None:
    """The folder as a compressed initrd."""
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    plain = archive.with_suffix("")
    with plain.open("wb") as out:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=root, input=names.encode(), stdout=out, check=True)
    run_tool("gzip", "-1", "-f", plain)


class _Base:
    """Debian's part: vmlinuz, base.cpio.gz, the Raspberry Pi's device tree, the kernel's headers with a `release` file beside them."""

    def __init__(self, cache: Path, folder: Path, log):
        self.cache, self.folder, self.log = cache, folder, log
        self.unpacked, self.root = folder / "packages", folder / "root"

    def build(self) -> None:
        self.fetch()
        shutil.copy(self.unpacked / f"boot/vmlinuz-{self.release}", self.folder / "vmlinuz")
        shutil.copy(self.unpacked / f"usr/lib/linux-image-{self.release}/broadcom/{RASPI_TREE}", self.folder)
        self.lay_root()
        self.copy_modules()
        pack(self.root, self.folder / "base.cpio.gz")
        self.keep_headers()
        shutil.rmtree(self.unpacked)
        shutil.rmtree(self.root)
        (self.folder / "release").write_text(self.release)
        (self.folder / "complete").touch()

    def fetch(self) -> None:
        """Debian's packages: arm64 ones for the guest, and the host's kbuild programs for the kernel module."""
        self.log("image: fetching and unpacking Debian packages")
        arm64 = Packages(self.cache, "arm64")
        arm64.update()
        kernel = next(name for name in arm64.depends("linux-image-arm64") if name.startswith("linux-image-"))
        self.release = kernel.removeprefix("linux-image-")
        abi = self.release.removesuffix("-arm64")
        headers = f"linux-headers-{self.release}"
        kbuild = next(name for name in arm64.depends(headers) if name.startswith("linux-kbuild-"))
        arm64.unpack([kernel, headers, f"linux-headers-{abi}-common", *GUEST], self.unpacked)
        native = Packages(self.cache, run_tool("dpkg", "--print-architecture").strip())
        native.update()
        native.unpack([kbuild], self.unpacked)

    def lay_root(self) -> None:
        for name in ("bin", "dev", "proc", "sys", "tmp", "run", "share", "etc", "lib", f"lib/{LIBRARIES}"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(self.unpacked / "bin/busybox", self.root / "bin/busybox")
        for program in PROGRAMS:
            shutil.copy(self.unpacked / program, self.root / "bin")
        shutil.copy(self.unpacked / f"lib/{LIBRARIES}/ld-linux-aarch64.so.1", self.root / "lib")
        for folder in ("lib", "usr/lib"):
            for library in (self.unpacked / folder / LIBRARIES).glob("*.so.*"):
                shutil.copy(library, self.root / "lib" / LIBRARIES / library.name)

    def copy_modules(self) -> None:
        """The wanted modules and all that they depend on, without debugging sections (a tenth of the size)."""
        run_tool("depmod", "-b", self.unpacked, self.release)
        source, target = (base / "lib/modules" / self.release for base in (self.unpacked, self.root))
        depends = {}
        for line in (source / "modules.dep").read_text().splitlines():
            module, _, rest = line.partition(":")
            depends[Path(module).stem.replace("-", "_")] = [module, *rest.split()]
        for wanted in MODULES:
            for module in depends.get(wanted.replace("-", "_"), []):
                (target / module).parent.mkdir(parents=True, exist_ok=True)
                run_tool("aarch64-linux-gnu-strip", "-g", "-o", target / module, source / module)
        for listing in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            shutil.copy(source / listing, target / listing)
        run_tool("depmod", "-b", self.root, self.release)

    def keep_headers(self) -> None:
        """The headers' places relative to one another stay (they link to each other); their one absolute path is mended."""
        for folder in ("usr/src", f"usr/lib/{self.kbuild()}"):
            target = self.folder / "headers" / folder
            target.parent.mkdir(parents=True, exist_ok=True)
            (self.unpacked / folder).rename(target)
        makefile = self.folder / f"headers/usr/src/linux-headers-{self.release}/Makefile"
        makefile.write_text(makefile.read_text().replace("/usr/src", str(self.folder / "headers/usr/src")))

    def kbuild(self) -> str:
        return next((self.unpacked / "usr/lib").glob("linux-kbuild-*")).name


def _overlay(base: Path, image: Image, folder: Path, log) -> None:
    """Our part: init, agent, tools, the modules of guest/kmod; and the device tree."""
    release, root, module = (base / "release").read_text(), folder / "root", folder / "kmod"
    log(f"image: building the modules and the tools for {release}")
    (root / "bin").mkdir(parents=True)
    for script in ("init", "agent"):
        shutil.copy(HERE / "guest" / script, root / script)
        (root / script).chmod(0o755)
    for source in (HERE / "guest").glob("*.c"):
        run_tool("aarch64-linux-gnu-gcc-12", "-static", "-O2", "-Wall", "-Werror", "-o", root / "bin" / source.stem, source)
    shutil.copytree(HERE / "guest/kmod", module)
    run_tool("make", "-C", base / f"headers/usr/src/linux-headers-{release}", "ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-", f"M={module}", "modules")
    for built in module.glob("*.ko"):
        run_tool("aarch64-linux-gnu-strip", "-g", "-o", root / built.name, built)
    ours = folder / "overlay.cpio.gz"
    pack(root, ours)
    image.initrd.write_bytes((base / "base.cpio.gz").read_bytes() + ours.read_bytes())
    _name_pins(image.device_tree)


def _name_pins(device_tree: Path) -> None:
    """QEMU's own device tree of the machine, with names for the PL061's lines."""
    run_tool("qemu-system-aarch64", "-display", "none", "-nic", "none", MACHINE[0], f"{MACHINE[1]},dumpdtb={device_tree}", *MACHINE[2:])
    run_tool("fdtput", "-t", "s", device_tree, "/pl061@9030000", "gpio-line-names", *LINE_NAMES)
