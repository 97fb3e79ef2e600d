"""Writes a CycloneDX 1.5 bill of materials: the crates that are linked into the binary for one target, and the models.

    python3 board/package/sbom.py TARGET-TRIPLE > sbom.cdx.json

Crates, versions, licences and dependencies are cargo's (`cargo metadata`, normal dependencies alone), checksums are those of
Cargo.lock. The same sources give the same bytes: there is no time stamp and no random number in it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main(triple: str) -> None:
    metadata = json.loads(subprocess.check_output(
        ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", triple], cwd=ROOT))
    packages = {p["id"]: p for p in metadata["packages"]}
    nodes = {n["id"]: n for n in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in tables(ROOT / "Cargo.lock", "package")}

    linked = reachable(root, nodes)
    name = lambda id: f"pkg:cargo/{packages[id]['name']}@{packages[id]['version']}"
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(packages[root], name(root), checksums)
                     | {"type": "application", "bom-ref": name(root)}},
        "components": [component(packages[id], name(id), checksums) for id in sorted(linked - {root}, key=name)] + models(),
        "dependencies": [{"ref": name(id), "dependsOn": sorted(name(d) for d in normal(nodes[id]))}
                         for id in sorted(linked, key=name)],
    }
    json.dump(bom, sys.stdout, indent=1, ensure_ascii=False)
    print()


def normal(node: dict) -> list[str]:
    """What is linked: no build and no development dependencies."""
    return [d["pkg"] for d in node["deps"] if any(k["kind"] is None for k in d["dep_kinds"])]


def reachable(root: str, nodes: dict) -> set[str]:
    found, ahead = set(), [root]
    while ahead:
        id = ahead.pop()
        if id not in found:
            found.add(id)
            ahead += normal(nodes[id])
    return found


def component(package: dict, purl: str, checksums: dict) -> dict:
    entry = {"type": "library", "bom-ref": purl, "name": package["name"], "version": package["version"], "purl": purl}
    if package.get("license"):
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if digest := checksums.get((package["name"], package["version"])):
        entry["hashes"] = [{"alg": "SHA-256", "content": digest}]
    return entry


def models() -> list[dict]:
    return [{"type": "machine-learning-model", "bom-ref": f"model:{m['name']}", "name": m["name"],
             "licenses": [{"expression": m["licence"]}], "hashes": [{"alg": "SHA-256", "content": m["sha256"]}]}
            for m in tables(ROOT / "models/manifest.toml", "model")]


def tables(path: Path, name: str) -> list[dict[str, str]]:
    """The texts of each `[[name]]`, of files that programs write: Python has a TOML reader from 3.11 on only."""
    blocks = re.split(r"^\[\[(.*)\]\]$", path.read_text(), flags=re.M)[1:]
    return [dict(re.findall(r'^(\w+) = "(.*)"$', text, re.M)) for head, text in zip(blocks[::2], blocks[1::2]) if head == name]


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else sys.exit(__doc__))
