"""Reads the DCAT record with rdflib and the feed with feedparser.

Usage: metadata.py ORIGIN. Checks that each program reads what the documents state, and that each
IRI and date is valid.
"""

import json
import re
import sys
import urllib.request
from urllib.parse import urlparse

import feedparser
from rdflib import RDF, Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, PROV, XSD

GEOSPARQL = Namespace("http://www.opengis.net/ont/geosparql#")
origin = sys.argv[1]


def fetch(path):
    with urllib.request.urlopen(origin + path) as response:
        return response.read().decode()


def check(condition, message):
    if not condition:
        sys.exit(message)


text = fetch("/dataset.jsonld")
graph = Graph().parse(data=text, format="json-ld", publicID=origin + "/dataset.jsonld")
details = json.loads(fetch("/api/v1/dataset"))

for subject, predicate, value in graph:
    for term in (subject, predicate, value):
        if isinstance(term, URIRef):
            check(urlparse(term).scheme in ("http", "https"), f"not an absolute IRI: {term}")
            check(not re.search(r'[\s<>"{}|\\^`]', term), f"not an IRI: {term}")
    if isinstance(value, Literal) and value.datatype in (XSD.date, XSD.gYear, XSD.gYearMonth):
        check(not value.ill_typed, f"not a date: {value!r}")

[catalog] = graph.subjects(RDF.type, DCAT.Catalog)
datasets = list(graph.objects(catalog, DCAT.dataset))
check(len(datasets) == len(details["loaded"]), f"datasets: {datasets}")
for dataset in datasets:
    check((dataset, RDF.type, DCAT.Dataset) in graph, f"{dataset} is not a dataset")
    for required in (DCTERMS.title, DCTERMS.description, DCTERMS.issued, DCTERMS.license, DCTERMS.spatial):
        check(len(list(graph.objects(dataset, required))) == 1, f"{dataset}: {required}")
    sources = list(graph.objects(dataset, PROV.wasDerivedFrom))
    check(len(sources) == len(details["sources"]), f"{len(sources)} sources")
    for source in sources:
        [publisher] = list(graph.objects(source, DCTERMS.publisher)) or [None]
        check(publisher is None or graph.value(publisher, FOAF.name), f"{source}: publisher")
    box = graph.value(graph.value(dataset, DCTERMS.spatial), DCAT.bbox)
    check(box.datatype == GEOSPARQL.wktLiteral, f"bounding box: {box!r}")
    distributions = list(graph.objects(dataset, DCAT.distribution))
    check(len(distributions) > 1, "there are no distributions")
    for distribution in distributions:
        for required in (DCAT.accessURL, DCAT.downloadURL, DCAT.mediaType, DCTERMS.license):
            check(graph.value(distribution, required), f"{distribution}: {required}")
for service in graph.objects(catalog, DCAT.service):
    check((service, RDF.type, DCAT.DataService) in graph, f"{service} is not a service")
    check(graph.value(service, DCAT.endpointURL), f"{service} has no URL")

feed = feedparser.parse(fetch("/datasets.atom"))
check(not feed.bozo, f"the feed is not well-formed: {feed.get('bozo_exception')}")
check(feed.version == "atom10", f"the feed is {feed.version}")
for element in [feed.feed, *feed.entries]:
    for required in ("id", "title", "updated_parsed"):
        check(element.get(required), f"{required} is missing")
check(feed.feed.get("author"), "the feed has no author")
ids = [entry.id for entry in feed.entries]
check(len(ids) == len(set(ids)) == len(details["loaded"]), f"ids: {ids}")
identifiers = {str(graph.value(dataset, DCTERMS.identifier)) for dataset in datasets}
check(identifiers == set(ids), f"{identifiers} and {ids}")
print("metadata is valid")
