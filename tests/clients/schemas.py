"""Validates the examples of the API definition, and real responses, against its schemas.

Usage: schemas.py ORIGIN. A member of a response that is not in the schema is also an error, unless
the schema allows any members.
"""

import json
import sys
import urllib.error
import urllib.request

from openapi_schema_validator import OAS30ReadValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

origin = sys.argv[1]


def fetch(path, body=None, content_type=None):
    headers = {"content-type": content_type} if body else {}
    request = urllib.request.Request(origin + path, data=body and body.encode(), headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.headers["content-type"], json.load(response)
    except urllib.error.HTTPError as error:
        return error.headers["content-type"], json.load(error)


def closed(schema):
    """Forbids members that are not in the schema, unless the schema specifies whether they are allowed."""
    if isinstance(schema, list):
        return [closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: closed(entry) for name, entry in schema.items() if name != "example"}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        # A property that is itself called `properties` is not a schema.
        if schema.get("type") == "object":
            result["additionalProperties"] = False
    return result


_, document = fetch("/openapi.json")
definition = {"components": closed(document["components"])}
registry = Registry().with_resource("urn:api", Resource(definition, DRAFT4))


def absolute(schema):
    text = json.dumps(schema).replace('"#/components/', '"urn:api#/components/')
    return json.loads(text)


def check(name, schema, value):
    validator = OAS30ReadValidator(absolute(closed(schema)), registry=registry)
    for error in validator.iter_errors(value):
        deepest = error
        while deepest.context:
            deepest = min(deepest.context, key=lambda e: -len(e.absolute_path))
        sys.exit(f"{name}: {list(deepest.absolute_path)}: {deepest.message[:500]}")


registry = registry.with_resource("urn:api", Resource(absolute(definition), DRAFT4))

count = 0
for path, methods in document["paths"].items():
    for method, operation in methods.items():
        for media_type, content in operation["responses"]["200"]["content"].items():
            if "example" in content:
                check(f"{method} {path} {media_type} (example)", content["schema"], content["example"])
                count += 1

# Requests whose responses have a different structure from the examples.
LOCATE = "/api/v1/locate"
AREA = "/api/v1/areas/{layer}/{id}"
REQUESTS = [
    (LOCATE, "/api/v1/locate?postcode=LA18+4DB&practice=P81002"),
    (LOCATE, "/api/v1/locate?postcode=LA9+6SA&practice=P81064"),
    (LOCATE, "/api/v1/locate?postcode=ZZ99+3VZ"),
    (LOCATE, "/api/v1/locate?postcode=CA1+1EF"),
    (LOCATE, "/api/v1/locate?postcode=M1+1AA"),
    (LOCATE, "/api/v1/locate?lon=-3.27&lat=54.21"),
    (LOCATE, "/api/v1/locate?practice=P81002&as_of=2019-01-01"),
    ("/api/v1/areas", "/api/v1/areas?name=millom"),
    ("/api/v1/areas", "/api/v1/areas?as_of=2000-01-01"),
    ("/api/v1/areas/{layer}", "/api/v1/areas/icc?as_of=2000-01-01"),
    ("/api/v1/areas/{layer}", "/api/v1/areas/resilience-group"),
    ("/api/v1/areas/{layer}", "/api/v1/areas/gp-practice"),
    ("/api/v1/areas/{layer}/{id}/postcodes", "/api/v1/areas/icc/mb-kendal/postcodes?status=all&limit=1000"),
    ("/api/v1/postcodes", "/api/v1/postcodes?lon=-3.27&lat=54.2"),
    ("/api/v1/postcodes/{postcode}", "/api/v1/postcodes/ZZ99%203VZ"),
    ("/api/v1/practices", "/api/v1/practices"),
    ("/api/v1/practices/{ods_code}", "/api/v1/practices/A82004"),
    ("/tiles/{name}", "/tiles/style.json"),
    ("/postcodes", "/postcodes?lon=-3.27&lat=54.2&wideSearch=true"),
    ("/postcodes", "/postcodes?lon=0&lat=0"),
    ("/postcodes/{postcode}", "/postcodes/LA18%204DB"),
    ("/random/postcodes", "/random/postcodes"),
    ("/outcodes", "/outcodes?lon=-3.27&lat=54.2&radius=25000"),
    ("/terminated_postcodes/{postcode}", "/terminated_postcodes/LA1%201BZ"),
    ("/mapit/postcode/{postcode}", "/mapit/postcode/LA18%204DB"),
    ("/mapit/postcode/{postcode}", "/mapit/postcode/LA1%201AA"),
    ("/mapit/area/{id}", "/mapit/area/icc:mb-kendal.geojson"),
    ("/mapit/areas/{areas}", "/mapit/areas/resilience-group"),
]
_, areas = fetch("/api/v1/areas")
for layer in areas["layers"]:
    _, listed = fetch(layer["href"])
    REQUESTS += [(AREA, f"{layer['href']}/{area['id']}") for area in listed["areas"][:20]]
for path, url in REQUESTS:
    media_type, body = fetch(url)
    content = document["paths"][path]["get"]["responses"]["200"]["content"]
    check(url, content[media_type]["schema"], body)
    count += 1

# The example of an error is also a real response.
problem = document["components"]["schemas"]["Problem"]
media_type, body = fetch("/api/v1/locate?postcode=LA1O+5DL")
assert (media_type, body) == ("application/problem+json", problem["example"]), body
check("the problem", problem, body)

print(f"{count + 1} responses conform to their schemas")
