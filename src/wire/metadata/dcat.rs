//! The DCAT 3 record of the loaded datasets, in JSON-LD.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{DCAT_PATH, Download, HTML, Release, releases_of};
use catchment_core::domain::{SourceDate, SourceEntry};

/// The prefix of the IRIs of media types.
const MEDIA_TYPES: &str = "https://www.iana.org/assignments/media-types/";
/// The conformance class of OGC API Features (17-069r4).
const OGC_FEATURES: &str = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core";

/// Returns the record. `releases` begins with the release that answers requests without a version,
/// and contains at least that release.
pub(crate) fn record(releases: &[Release<'_>], base: &str) -> Value {
    let mut names: Vec<&str> = Vec::new();
    for release in releases {
        let name = release.manifest().name.as_str();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let id = |fragment: &str| format!("{base}{DCAT_PATH}#{fragment}");
    let mut graph = vec![
        catalog(releases, &names, base),
        api(releases, base),
        ogc_api(&releases[0], base),
    ];
    for name in names {
        let of_name = releases_of(releases, name);
        let abstract_id = (of_name.len() > 1).then(|| id(&encoded(name)));
        if let Some(abstract_id) = &abstract_id {
            graph.push(versioned_dataset(abstract_id, &of_name, releases));
        }
        for (position, release) in of_name.iter().enumerate() {
            let previous = of_name.get(position + 1).copied();
            graph.push(dataset(release, abstract_id.as_deref(), previous));
        }
    }
    json!({
        "@context": {
            "dcat": "http://www.w3.org/ns/dcat#",
            "dct": "http://purl.org/dc/terms/",
            "foaf": "http://xmlns.com/foaf/0.1/",
            "geosparql": "http://www.opengis.net/ont/geosparql#",
            "odrs": "http://schema.theodi.org/odrs#",
            "prov": "http://www.w3.org/ns/prov#",
            "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
        },
        "@graph": graph,
    })
}

fn catalog(releases: &[Release<'_>], names: &[&str], base: &str) -> Value {
    let datasets = releases.iter().map(|release| iri(&release_id(release)));
    let with_versions = names
        .iter()
        .filter(|name| releases_of(releases, name).len() > 1);
    let with_versions =
        with_versions.map(|name| iri(&format!("{base}{DCAT_PATH}#{}", encoded(name))));
    let mut catalog = json!({
        "@id": format!("{base}{DCAT_PATH}#catalog"),
        "@type": "dcat:Catalog",
        "dct:title": english("Catchment datasets"),
        "dct:description": english("The datasets of areas, GP practices and postcodes from which this service answers."),
        "dcat:dataset": datasets.chain(with_versions).collect::<Value>(),
        "dcat:service": [iri(&format!("{base}{DCAT_PATH}#api")), iri(&format!("{base}{DCAT_PATH}#ogc-api"))],
    });
    add_publisher(&mut catalog, releases[0].manifest().publisher.as_deref());
    catalog
}

/// Returns the look-up API, which answers from every release.
fn api(releases: &[Release<'_>], base: &str) -> Value {
    let datasets = releases.iter().map(|release| iri(&release_id(release)));
    json!({
        "@id": format!("{base}{DCAT_PATH}#api"),
        "@type": "dcat:DataService",
        "dct:title": english("Look-up API"),
        "dcat:endpointURL": iri(&format!("{base}/api/v1")),
        "dcat:endpointDescription": iri(&format!("{base}/openapi.json")),
        "dcat:servesDataset": datasets.collect::<Value>(),
    })
}

/// Returns the OGC API, which has only the release that answers requests without a version.
fn ogc_api(current: &Release<'_>, base: &str) -> Value {
    json!({
        "@id": format!("{base}{DCAT_PATH}#ogc-api"),
        "@type": "dcat:DataService",
        "dct:title": english("OGC API (Features and Tiles)"),
        "dct:conformsTo": iri(OGC_FEATURES),
        "dcat:endpointURL": iri(&format!("{base}/ogc/")),
        "dcat:endpointDescription": iri(&format!("{base}/ogc/api")),
        "dcat:servesDataset": iri(&release_id(current)),
    })
}

/// Returns the dataset of which several releases are loaded. `of_name` begins with the newest
/// release.
fn versioned_dataset(id: &str, of_name: &[&Release<'_>], releases: &[Release<'_>]) -> Value {
    let (newest, oldest) = (of_name[0], of_name[of_name.len() - 1]);
    let is_of_name = |release: &&Release<'_>| release.manifest().name == newest.manifest().name;
    let current = releases.iter().find(is_of_name).unwrap_or(newest);
    let versions = of_name.iter().map(|release| iri(&release_id(release)));
    let mut dataset = json!({
        "@id": id,
        "@type": "dcat:Dataset",
        "dct:title": english(&current.manifest().title),
        "dct:description": english(&current.description()),
        "dct:issued": date(oldest.manifest().released_or_as_of()),
        "dct:modified": date(newest.manifest().released_or_as_of()),
        "dcat:hasVersion": versions.collect::<Value>(),
        "dcat:hasCurrentVersion": iri(&release_id(current)),
    });
    add_publisher(&mut dataset, current.manifest().publisher.as_deref());
    dataset
}

/// Returns a release, its files and its sources.
fn dataset(
    release: &Release<'_>,
    abstract_id: Option<&str>,
    previous: Option<&Release<'_>>,
) -> Value {
    let manifest = release.manifest();
    let released = manifest.released_or_as_of();
    let downloads = release.downloads();
    let distributions = downloads
        .iter()
        .map(|download| distribution(release, download));
    let sources = manifest.sources.iter().map(source);
    let titles = manifest.layers.iter().map(|entry| english(&entry.title));
    let mut dataset = json!({
        "@id": release_id(release),
        "@type": ["dcat:Dataset", "prov:Entity"],
        "dct:identifier": release.urn(),
        "dct:title": english(&manifest.title),
        "dct:description": english(&release.description()),
        "dct:issued": date(released),
        "dct:modified": date(released),
        "dcat:version": manifest.version,
        "dct:license": iri(&manifest.licence),
        "dct:rights": rights(&manifest.attribution),
        "dcat:keyword": titles.collect::<Value>(),
        "dcat:distribution": distributions.collect::<Value>(),
        "prov:wasDerivedFrom": sources.collect::<Value>(),
    });
    add_publisher(&mut dataset, manifest.publisher.as_deref());
    if let Some(bounds) = release.bounds {
        dataset["dct:spatial"] = json!({
            "@type": "dct:Location",
            "dcat:bbox": { "@type": "geosparql:wktLiteral", "@value": wkt_of(bounds) },
        });
    }
    if let Some(first) = release.first_data() {
        dataset["dct:temporal"] = json!({
            "@type": "dct:PeriodOfTime",
            "dcat:startDate": date(first),
        });
    }
    if cfg!(feature = "web") {
        dataset["dcat:landingPage"] = page(&release.url("/sources"));
    }
    if let Some(abstract_id) = abstract_id {
        dataset["dcat:isVersionOf"] = iri(abstract_id);
    }
    if let Some(previous) = previous {
        dataset["dcat:previousVersion"] = iri(&release_id(previous));
    }
    dataset
}

fn distribution(release: &Release<'_>, download: &Download) -> Value {
    let manifest = release.manifest();
    json!({
        "@id": format!("{}/{}", release_id(release), download.id),
        "@type": "dcat:Distribution",
        "dct:title": english(&download.title),
        "dcat:accessURL": iri(&download.url),
        "dcat:downloadURL": iri(&download.url),
        "dcat:mediaType": media_type(download.media_type),
        "dct:license": iri(&manifest.licence),
        "dct:rights": rights(&manifest.attribution),
    })
}

/// Returns a published work from which the release was built.
fn source(source: &SourceEntry) -> Value {
    let mut body = json!({
        "@type": ["dcat:Dataset", "prov:Entity"],
        "dct:title": english(&source.title),
    });
    add_publisher(&mut body, source.publisher.as_deref());
    if let Some(released) = source.released {
        body["dct:issued"] = source_date(released);
    }
    if let Some(as_of) = source.as_of {
        body["dct:temporal"] = json!({
            "@type": "dct:PeriodOfTime",
            "dcat:endDate": source_date(as_of),
        });
    }
    if let Some(vintage) = &source.vintage {
        body["dcat:version"] = json!(vintage);
    }
    if let Some(licence) = &source.licence {
        body["dct:license"] = json!({
            "@type": "dct:LicenseDocument",
            "rdfs:label": english(licence),
        });
    }
    if let Some(attribution) = &source.attribution {
        body["dct:rights"] = rights(attribution);
    }
    body
}

/// Returns the IRI of a release.
fn release_id(release: &Release<'_>) -> String {
    let manifest = release.manifest();
    format!(
        "{}{DCAT_PATH}#{}/{}",
        release.base,
        encoded(&manifest.name),
        encoded(&manifest.version)
    )
}

/// Returns a text in a form in which it can be in the fragment of a URL.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn add_publisher(body: &mut Value, publisher: Option<&str>) {
    if let Some(name) = publisher {
        body["dct:publisher"] = json!({ "@type": "foaf:Agent", "foaf:name": name });
    }
}

fn rights(attribution: &str) -> Value {
    json!({
        "@type": ["dct:RightsStatement", "odrs:RightsStatement"],
        "rdfs:label": english(attribution),
        "odrs:attributionText": english(attribution),
    })
}

fn media_type(name: &str) -> Value {
    json!({ "@id": format!("{MEDIA_TYPES}{name}"), "@type": "dct:MediaType" })
}

fn page(url: &str) -> Value {
    json!({ "@id": url, "@type": "foaf:Document", "dct:format": media_type(HTML) })
}

fn iri(iri: &str) -> Value {
    json!({ "@id": iri })
}

fn english(text: &str) -> Value {
    json!({ "@value": text, "@language": "en" })
}

fn date(date: Date) -> Value {
    json!({ "@value": date.to_string(), "@type": "xsd:date" })
}

/// Returns a day, a month or a year.
fn source_date(date: SourceDate) -> Value {
    let text = date.to_string();
    let datatype = match text.len() {
        4 => "xsd:gYear",
        7 => "xsd:gYearMonth",
        _ => "xsd:date",
    };
    json!({ "@value": text, "@type": datatype })
}

/// Returns a bounding box as a polygon in longitude and latitude.
fn wkt_of([west, south, east, north]: [f64; 4]) -> String {
    format!(
        "POLYGON(({west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}))"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_sources_have_the_type_of_their_precision() {
        for (text, datatype) in [
            ("2025", "xsd:gYear"),
            ("2025-11", "xsd:gYearMonth"),
            ("2025-11-30", "xsd:date"),
        ] {
            let date: SourceDate = text.parse().expect("a date");
            let expected = json!({ "@value": text, "@type": datatype });
            assert_eq!(source_date(date), expected);
        }
    }

    #[test]
    fn bounding_boxes_are_closed_polygons() {
        let text = wkt_of([-3.5, 54.0, -2.25, 55.0]);
        let expected = "POLYGON((-3.5 54, -2.25 54, -2.25 55, -3.5 55, -3.5 54))";
        assert_eq!(text, expected);
    }
}
