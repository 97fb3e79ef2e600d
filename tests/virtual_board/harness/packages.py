"""Debian's arm64 packages, fetched by an apt of our own and unpacked into the cache.

Nothing of the host's package state is touched: lists, archives and status live under the cache folder, so neither root nor
`dpkg --add-architecture` is needed. Packages come from the host's own sources.list, so the kernel is the one of its suite.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

# What the guest is made of: libc and libgcc serve the moodlight binary, the tools set the scenes.
GUEST = ["busybox-static", "libc6", "libgcc-s1", "libstdc++6", "libudev1", "libjpeg62-turbo", "v4l-utils", "libv4l-0",
         "libv4lconvert0", "libv4l2rds0", "gpiod", "libgpiod2", "i2c-tools", "libi2c0"]


class PackageError(RuntimeError):
    """A package could not be fetched or unpacked."""


class Packages:
    def __init__(self, cache: Path, architecture: str):
        self.root = cache / f"apt-{architecture}"
        self.architecture = architecture
        for folder in ("lists/partial", "archives/partial"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)

    def _apt(self, tool: str, *arguments: str) -> str:
        options = [f"APT::Architecture={self.architecture}", f"APT::Architectures::={self.architecture}",
                   f"Dir::State={self.root}", f"Dir::State::lists={self.root}/lists", "Dir::State::status=/dev/null",
                   f"Dir::Cache={self.root}", "Debug::NoLocking=1", "APT::Sandbox::User=root"]
        command = [tool, "-qq", *[word for option in options for word in ("-o", option)], *arguments]
        done = subprocess.run(command, cwd=self.root / "archives", capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise PackageError(f"{tool} {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def update(self) -> None:
        self._apt("apt-get", "update")

    def depends(self, package: str) -> list[str]:
        return re.findall(r"Depends: (\S+)", self._apt("apt-cache", "depends", package))

    def unpack(self, names: list[str], into: Path) -> None:
        """Fetches the newest version of each package and unpacks it into the folder `into`."""
        into.mkdir(parents=True, exist_ok=True)
        for name in names:
            archives = self.root / "archives"
            before = set(archives.glob("*.deb"))
            self._apt("apt-get", "download", name)
            fetched = set(archives.glob("*.deb")) - before or set(archives.glob(f"{name}_*.deb"))
            for archive in fetched:
                subprocess.run(["dpkg-deb", "-x", str(archive), str(into)], check=True, timeout=300)


def tools_missing(tools: list[str]) -> list[str]:
    """Those of the tools that are not on this machine (sbin is looked at too: fdtput's and modprobe's home on Debian)."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [tool for tool in tools if shutil.which(tool, path=path) is None]
