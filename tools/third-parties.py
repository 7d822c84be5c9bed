"""Prints the licences of all packages that are compiled into the program: tools/third-parties.py NODE_MODULES < METADATA

METADATA is the output of `cargo metadata --locked --filter-platform TARGET`. NODE_MODULES is the folder of the npm
packages that are bundled into the pages or that build the pages. The script reads the texts of licences from the
licence files next to the manifest of each package. For a package without a licence file, it prints only the SPDX
expression.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

NAMES = ("license", "licence", "copying", "notice", "unlicense", "copyright")


def shipped(metadata):
    """Returns the direct and transitive normal dependencies of the program: not dev or build dependencies."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    waiting, found = [root], set()
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            if None in kinds and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return [package for package in metadata["packages"] if package["id"] in found]


def installed(node_modules):
    """Yields the npm packages in a folder, each in the format of a package in Cargo's metadata."""
    for manifest in sorted([*node_modules.glob("*/package.json"), *node_modules.glob("@*/*/package.json")]):
        package = json.loads(manifest.read_text())
        yield {
            "name": package["name"],
            "version": package["version"],
            "license": package.get("license"),
            "license_file": None,
            "manifest_path": str(manifest),
        }


def texts(package):
    """Returns the contents of the licence files of a package, in the order of their paths."""
    folder = Path(package["manifest_path"]).parent
    files = {path for path in folder.iterdir() if path.name.lower().startswith(NAMES) and path.is_file()}
    if package["license_file"]:
        files.add(folder / package["license_file"])
    return [path.read_text(errors="replace").strip() for path in sorted(files)]


def main():
    every = [*shipped(json.load(sys.stdin)), *installed(Path(sys.argv[1]))]
    packages = sorted(every, key=lambda it: (it["name"], it["version"]))
    packages_of_text = defaultdict(list)
    print("The program contains code from these packages, each under the licence named beside it:\n")
    for package in packages:
        print(f"{package['name']} {package['version']}: {package['license'] or 'see its licence file'}")
        for text in texts(package):
            packages_of_text[text].append(f"{package['name']} {package['version']}")
    for text, names in sorted(packages_of_text.items(), key=lambda it: it[1]):
        print(f"\n{'=' * 100}\n{', '.join(names)}\n{'=' * 100}\n\n{text}")


main()
