"""Validates a Compose file, or a file of Kubernetes objects, and prints it as JSON.

Usage: containers.py compose FILE | containers.py kubernetes FILE VERSION...

Variables in the Compose file, such as `${NAME:-default}`, are replaced with their defaults, or with `NAME` if they have
no default. The Kubernetes objects are validated against the schemas of each of the given versions.

Needs compose-spec, kubernetes-validate and PyYAML. tests/it/project/containers.rs runs this script with the Python that
CATCHMENT_PYTHON specifies.
"""

import json
import re
import sys

import compose_spec
import kubernetes_validate
import yaml

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<operator>[-?])(?P<text>[^}]*))?\}")


def compose(path: str) -> dict:
    with open(path) as file:
        text = VARIABLE.sub(
            lambda found: found["text"] if found["operator"] == "-" else found["name"], file.read()
        )
    # PyYAML merges the mappings after `<<`, which compose-spec does not support.
    content = yaml.safe_load(text)
    content = {name: value for name, value in content.items() if not name.startswith("x-")}
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(content))
    return content


def kubernetes(path: str, versions: list[str]) -> list[dict]:
    with open(path) as file:
        objects = list(yaml.safe_load_all(file))
    for content in objects:
        for version in versions:
            kubernetes_validate.validate(content, version, strict=True)
    return objects


def main(kind: str, path: str, *versions: str) -> None:
    content = compose(path) if kind == "compose" else kubernetes(path, list(versions))
    print(json.dumps(content))


main(*sys.argv[1:])
