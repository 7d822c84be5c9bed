"""Adds npm packages to a CycloneDX document: tools/sbom.py LOCK[=SCOPE] … < CARGO.cdx.json

Each LOCK is a package-lock.json (version 3). SCOPE is the CycloneDX scope of its packages: `required` (the default) is
for packages that are bundled into the pages or that build the pages, and `excluded` is for packages that only tests
use. In a LOCK of scope `required`, packages for other platforms have the scope `optional`. The output is reproducible:
the same input always gives the same bytes.
"""

import base64
import json
import sys
from pathlib import Path
from urllib.parse import quote

ALGORITHMS = {"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


def purl(name, version):
    """Returns the package URL of an npm package, as https://github.com/package-url/purl-spec defines it."""
    return f"pkg:npm/{quote(name, safe='/')}@{quote(version, safe='')}"


def name_of(path):
    """Returns the name of the package at a path, for example `@b/c` for `node_modules/a/node_modules/@b/c`."""
    return path.rpartition("node_modules/")[2]


def component(path, package, scope):
    """Returns a package of a lock file as a CycloneDX component."""
    name, version = name_of(path), package["version"]
    group, _, plain = name.rpartition("/")
    found = {"type": "library", "bom-ref": purl(name, version), "name": plain, "version": version}
    if group:
        found["group"] = group
    found["scope"] = "optional" if package.get("optional") and scope == "required" else scope
    algorithm, _, digest = package.get("integrity", "").partition("-")
    if algorithm in ALGORITHMS:
        found["hashes"] = [{"alg": ALGORITHMS[algorithm], "content": base64.b64decode(digest).hex()}]
    if "license" in package:
        found["licenses"] = [{"expression": package["license"]}]
    found["purl"] = purl(name, version)
    return found


def resolved(packages, path, name):
    """Returns the path of the package that Node finds for a name required by the package at `path`.

    Node looks in the node_modules folder of the requiring package, and then in those of its parent folders. Returns
    None if the lock file has no such package.
    """
    while True:
        at = f"{path}/node_modules/{name}" if path else f"node_modules/{name}"
        if at in packages:
            return at
        if not path:
            return None
        path = path.rpartition("/node_modules/")[0] if "/node_modules/" in path else ""


def dependencies(packages, path):
    """Returns the package URLs of those dependencies of a package that are in the lock file."""
    package = packages[path]
    names = {**package.get("dependencies", {}), **package.get("optionalDependencies", {})}
    if not path:
        names |= package.get("devDependencies", {})
    found = (resolved(packages, path, name) for name in sorted(names))
    return sorted({purl(name_of(at), packages[at]["version"]) for at in found if at})


def main():
    document = json.load(sys.stdin)
    components = {it["bom-ref"]: it for it in document.get("components", [])}
    edges = {it["ref"]: set(it.get("dependsOn", [])) for it in document.get("dependencies", [])}
    root = document["metadata"]["component"]["bom-ref"]
    for argument in sys.argv[1:]:
        lock, _, scope = argument.partition("=")
        packages = json.loads(Path(lock).read_text())["packages"]
        for path, package in packages.items():
            needed = dependencies(packages, path)
            if not path:
                edges.setdefault(root, set()).update(needed)
                continue
            found = component(path, package, scope or "required")
            components.setdefault(found["bom-ref"], found)
            edges.setdefault(found["bom-ref"], set()).update(needed)
    document["components"] = sorted(components.values(), key=lambda it: it["bom-ref"])
    document["dependencies"] = [
        {"ref": ref, **({"dependsOn": sorted(needs)} if needs else {})} for ref, needs in sorted(edges.items())
    ]
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
    print()


main()
