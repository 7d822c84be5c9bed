//! The DCAT record, the feed of releases, and the descriptions of pages in JSON-LD.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catchment::dataset::DatasetSource;
use catchment::http::{App, ServerLimits};
use catchment::index::Index;
use catchment::ops::dataset_store::DatasetStore;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::external_tools::{python, stdout_of};
use crate::support::fixture::TestDataset;
use crate::support::server::{Reply, SERVER, Server, embedded};

const PUBLIC_URL: &str = "https://catchment.example.org";

/// Writes releases of a small dataset, starts a service with them, and returns the store of its
/// datasets. The service has a public URL.
struct Releases {
    folders: TempDir,
    store: Arc<DatasetStore>,
    server: Server,
}

impl Releases {
    fn start(releases: &[&TestDataset]) -> Releases {
        let folders = TempDir::new().expect("a folder");
        let paths: Vec<PathBuf> = (0..releases.len())
            .map(|number| folders.path().join(number.to_string()))
            .collect();
        for (release, path) in releases.iter().zip(&paths) {
            release.write(path);
        }
        let sources = paths.into_iter().map(DatasetSource::Folder).collect();
        let store = Arc::new(DatasetStore::load(sources).expect("the releases are valid"));
        let app = App::new(Arc::clone(&store));
        let app = app.with_public_url(Some(PUBLIC_URL.parse().expect("a URL")));
        let server = Server::for_app(app, ServerLimits::default());
        Releases {
            folders,
            store,
            server,
        }
    }

    fn folder(&self, number: usize) -> PathBuf {
        self.folders.path().join(number.to_string())
    }

    fn record(&self) -> Value {
        self.server.get("/dataset.jsonld").expect(200).json()
    }

    fn feed(&self) -> Feed {
        Feed::parse(self.server.get("/datasets.atom").expect(200).text())
    }
}

/// Returns a small dataset with this version and these further lines at the top of the manifest.
fn release(version: &str, lines: &str) -> TestDataset {
    let mut dataset = TestDataset::new();
    let from = "version = \"1\"\n";
    let to = format!("version = \"{version}\"\n{lines}\n");
    dataset.manifest = dataset.manifest.replacen(from, &to, 1);
    dataset
}

/// Returns the node of a record with this id.
#[track_caller]
fn node<'r>(record: &'r Value, id: &str) -> &'r Value {
    let nodes = record["@graph"].as_array().expect("a list");
    let found = nodes.iter().find(|node| node["@id"] == id);
    found.unwrap_or_else(|| panic!("{id} is not in {record}"))
}

/// An Atom feed or entry: its texts and links.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct AtomElement {
    /// The names and texts of the elements, in order.
    texts: Vec<(String, String)>,
    /// The relations, types and URLs of the links.
    links: Vec<(String, String, String)>,
}

impl AtomElement {
    #[track_caller]
    fn text(&self, name: &str) -> &str {
        let mut named = self.texts.iter().filter(|(found, _)| found == name);
        let (_, text) = named
            .next()
            .unwrap_or_else(|| panic!("no {name}: {self:?}"));
        assert!(named.next().is_none(), "two elements {name}: {self:?}");
        text
    }

    fn urls(&self, relation: &str) -> Vec<&str> {
        let links = self.links.iter().filter(|(rel, ..)| rel == relation);
        links.map(|(.., url)| url.as_str()).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Feed {
    feed: AtomElement,
    entries: Vec<AtomElement>,
}

impl Feed {
    #[track_caller]
    fn parse(xml: &str) -> Feed {
        let mut reader = Reader::from_str(xml);
        let (mut feed, mut entries) = (AtomElement::default(), Vec::new());
        let (mut path, mut text) = (Vec::<String>::new(), String::new());
        loop {
            let event = reader.read_event().expect("well-formed XML");
            let current = |entries: &mut Vec<AtomElement>| entries.len();
            match event {
                Event::Start(start) => {
                    let name = start.name().as_ref().to_string();
                    if name == "entry" {
                        entries.push(AtomElement::default());
                    }
                    path.push(name);
                    text.clear();
                }
                Event::Text(part) => text += &part,
                Event::GeneralRef(entity) => {
                    text += match &*entity {
                        "lt" => "<",
                        "gt" => ">",
                        "amp" => "&",
                        "quot" => "\"",
                        "apos" => "'",
                        other => panic!("unknown entity {other}"),
                    };
                }
                Event::End(_) => {
                    let name = path.pop().expect("a start");
                    let is_text = !matches!(name.as_str(), "feed" | "entry" | "author");
                    let in_entry = path.iter().any(|name| name == "entry");
                    let element = match current(&mut entries) {
                        count if in_entry => &mut entries[count - 1],
                        _ => &mut feed,
                    };
                    if is_text {
                        element.texts.push((name, text.clone()));
                    }
                }
                Event::Empty(empty) => {
                    assert_eq!(empty.name().as_ref(), "link");
                    let value = |name: &str| {
                        let attribute = empty.try_get_attribute(name).expect("attributes");
                        let value = attribute.map(|found| {
                            quick_xml::escape::unescape(&found.value)
                                .expect("entities")
                                .into_owned()
                        });
                        value.unwrap_or_default()
                    };
                    let link = (value("rel"), value("type"), value("href"));
                    let in_entry = path.iter().any(|name| name == "entry");
                    match entries.last_mut() {
                        Some(entry) if in_entry => entry.links.push(link),
                        _ => feed.links.push(link),
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        Feed { feed, entries }
    }
}

/// Returns the JSON-LD of a page, or `None` if the page has none.
#[track_caller]
fn structured_data(page: &Reply) -> Option<Value> {
    let (_, rest) = page
        .text()
        .split_once("<script type=\"application/ld+json\">")?;
    let (content, rest) = rest.split_once("</script>").expect("the end of the script");
    assert!(!rest.contains("application/ld+json"), "{page}");
    Some(serde_json::from_str(content).expect("JSON"))
}

#[test]
fn dcat_record_describes_the_embedded_dataset() {
    let reply = SERVER.get("/dataset.jsonld").expect(200);
    assert_eq!(reply.header("content-type"), "application/ld+json");
    let record = reply.json();
    let details = SERVER.get("/api/v1/dataset").expect(200).json();
    let base = SERVER.origin();
    let version = details["version"].as_str().expect("a version");
    let id = format!("{base}/dataset.jsonld#lancashire-and-cumbria/{version}");
    let catalog = node(&record, &format!("{base}/dataset.jsonld#catalog"));
    assert_eq!(catalog["@type"], "dcat:Catalog");
    assert_eq!(catalog["dcat:dataset"], json!([{ "@id": id }]));
    let dataset = node(&record, &id);
    assert_eq!(dataset["dct:title"]["@value"], details["title"]);
    assert_eq!(dataset["dcat:version"], details["version"]);
    assert_eq!(dataset["dct:license"]["@id"], details["licence"]);
    let issued = json!({ "@value": details["as_of"], "@type": "xsd:date" });
    assert_eq!(dataset["dct:issued"], issued);
    let attribution = &dataset["dct:rights"]["odrs:attributionText"]["@value"];
    assert_eq!(*attribution, details["attribution"]);
    // The manifest names no publisher, and no other release is loaded.
    for absent in ["dct:publisher", "dcat:isVersionOf", "dcat:previousVersion"] {
        assert_eq!(dataset.get(absent), None, "{absent}");
    }
    let sources = dataset["prov:wasDerivedFrom"].as_array().expect("a list");
    let described = details["sources"].as_array().expect("a list");
    assert_eq!(sources.len(), described.len());
    for (source, described) in sources.iter().zip(described) {
        assert_eq!(source["dct:title"]["@value"], described["title"]);
        let publisher = source["dct:publisher"].get("foaf:name");
        assert_eq!(publisher.unwrap_or(&Value::Null), &described["publisher"]);
    }
    let bbox = dataset["dct:spatial"]["dcat:bbox"]["@value"].as_str();
    let bbox = bbox.expect("a polygon");
    assert!(
        bbox.starts_with("POLYGON((-3.") && bbox.ends_with("))"),
        "{bbox}"
    );
}

#[test]
fn downloads_of_the_record_exist_with_their_media_types() {
    let record = SERVER.get("/dataset.jsonld").expect(200).json();
    let nodes = record["@graph"].as_array().expect("a list");
    let distributions = nodes
        .iter()
        .filter_map(|node| node["dcat:distribution"].as_array());
    let mut media_types = BTreeSet::new();
    for distribution in distributions.flatten() {
        let url = distribution["dcat:downloadURL"]["@id"]
            .as_str()
            .expect("a URL");
        let path = url
            .strip_prefix(&SERVER.origin())
            .expect("a URL of the service");
        let media_type = distribution["dcat:mediaType"]["@id"]
            .as_str()
            .expect("an IRI");
        let media_type = media_type.rsplit('/').take(2).collect::<Vec<_>>();
        let media_type = format!("{}/{}", media_type[1], media_type[0]);
        // Statistical areas are large, and archives of tiles take long to build.
        if path.contains("/lsoa") || path.contains(".pmtiles") {
            media_types.insert(media_type);
            continue;
        }
        let reply = SERVER.get(path).expect(200);
        assert_eq!(reply.header("content-type"), media_type, "{path}");
        media_types.insert(media_type);
    }
    let expected = ["application/geo+json", "application/vnd.pmtiles"];
    assert_eq!(media_types, expected.map(String::from).into());
}

#[test]
fn releases_are_versions_of_one_dataset() {
    let newer = release(
        "2 b",
        "released = \"2025-03-31\"\npublisher = \"A board & its partners\"",
    );
    let older = release("1", "released = \"2024-12-01\"");
    let releases = Releases::start(&[&newer, &older]);
    let record = releases.record();
    let id = |fragment: &str| format!("{PUBLIC_URL}/dataset.jsonld#{fragment}");
    let reference = |fragment: &str| json!({ "@id": id(fragment) });
    let dataset = node(&record, &id("toy"));
    assert_eq!(
        dataset["dcat:hasVersion"],
        json!([reference("toy/2+b"), reference("toy/1")])
    );
    assert_eq!(dataset["dcat:hasCurrentVersion"], reference("toy/2+b"));
    let newest = node(&record, &id("toy/2+b"));
    assert_eq!(newest["dcat:isVersionOf"], reference("toy"));
    assert_eq!(newest["dcat:previousVersion"], reference("toy/1"));
    assert_eq!(newest["dct:issued"]["@value"], "2025-03-31");
    assert_eq!(
        newest["dct:publisher"]["foaf:name"],
        "A board & its partners"
    );
    let download = &newest["dcat:distribution"][0]["dcat:downloadURL"]["@id"];
    let expected = format!("{PUBLIC_URL}/api/v1/areas/icc.geojson?dataset=2+b");
    assert_eq!(*download, expected);
    let oldest = node(&record, &id("toy/1"));
    assert_eq!(oldest.get("dcat:previousVersion"), None);
    assert_eq!(oldest["dcat:isVersionOf"], reference("toy"));
    let feed = releases.feed();
    let titles: Vec<&str> = feed
        .entries
        .iter()
        .map(|entry| entry.text("title"))
        .collect();
    assert_eq!(titles, ["Toy: release 2 b", "Toy: release 1"]);
    let summary = feed.entries[0].text("summary");
    assert!(
        summary.starts_with("Release 2 b is available. It follows release 1."),
        "{summary}"
    );
    assert_eq!(feed.feed.text("updated"), "2025-03-31T00:00:00Z");
    assert_eq!(feed.feed.text("name"), "A board & its partners");
    // The identifiers in both documents are the same.
    assert_eq!(newest["dct:identifier"], feed.entries[0].text("id"));
}

#[test]
fn feed_has_an_entry_for_each_release() {
    let releases = Releases::start(&[&release("1", "")]);
    let reply = releases.server.get("/datasets.atom").expect(200);
    assert_eq!(
        reply.header("content-type"),
        "application/atom+xml; charset=utf-8"
    );
    let Feed { feed, entries } = releases.feed();
    assert_eq!(feed.urls("self"), [format!("{PUBLIC_URL}/datasets.atom")]);
    assert_eq!(
        feed.urls("describedby"),
        [format!("{PUBLIC_URL}/dataset.jsonld")]
    );
    // A feed must have an author, and this dataset has no publisher.
    assert_eq!(feed.text("name"), "Catchment");
    // Without a release date, the date is that of the dataset.
    assert_eq!(feed.text("updated"), "2025-01-01T00:00:00Z");
    let [entry] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    assert_ne!(entry.text("id"), feed.text("id"));
    for id in [entry.text("id"), feed.text("id")] {
        assert!(id.starts_with("urn:uuid:"), "{id}");
    }
    assert_eq!(
        entry.urls("alternate"),
        [format!("{PUBLIC_URL}/sources?dataset=1")]
    );
    let related = entry.urls("related");
    for path in ["/changes?dataset=1", "/api/v1/dataset?dataset=1"] {
        assert!(
            related.contains(&&*format!("{PUBLIC_URL}{path}")),
            "{related:?}"
        );
        releases.server.get(path).expect(200);
    }
    assert_eq!(
        entry.urls("enclosure"),
        [
            format!("{PUBLIC_URL}/api/v1/areas/icc.geojson?dataset=1"),
            format!("{PUBLIC_URL}/tiles/toy.pmtiles?dataset=1"),
        ]
    );
}

#[test]
fn ids_stay_the_same_after_a_reload() {
    let releases = Releases::start(&[&release("2", ""), &release("1", "")]);
    let before = (releases.feed(), releases.record());
    releases.store.reload().expect("the datasets are reloaded");
    assert_eq!((releases.feed(), releases.record()), before);
    // A third release has another id, and the ids of the old releases stay the same.
    let ids = |feed: &Feed| -> Vec<String> {
        let ids = feed.entries.iter().map(|entry| entry.text("id"));
        ids.map(str::to_string).collect()
    };
    let third = release("3", "released = \"2025-06-01\"");
    std::fs::remove_dir_all(releases.folder(0)).expect("removed");
    third.write(&releases.folder(0));
    releases.store.reload().expect("the datasets are reloaded");
    let (old, new) = (ids(&before.0), ids(&releases.feed()));
    assert_eq!(new.len(), 2);
    assert!(!old.contains(&new[0]) && old.contains(&new[1]), "{new:?}");
    // Another service with the same release uses the same ids.
    let other = Releases::start(&[&release("1", "")]);
    assert_eq!(ids(&other.feed()), [new[1].clone()]);
    assert_eq!(other.feed().feed.text("id"), before.0.feed.text("id"));
}

#[test]
fn metadata_responses_are_cached_and_revalidated() {
    for path in ["/dataset.jsonld", "/datasets.atom"] {
        let reply = SERVER.get(path).expect(200);
        assert_eq!(reply.header("cache-control"), "public, max-age=300");
        assert!(reply.header("vary").contains("host"), "{reply}");
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        let tag = reply.header("etag").to_string();
        SERVER
            .send("GET", path, &[("if-none-match", &tag)], None)
            .expect(304);
        SERVER
            .get(&format!("{path}?format=xml"))
            .expect_problem(400, "unknown_parameter");
    }
}

#[test]
fn pages_of_areas_describe_their_subject() {
    let data = structured_data(&SERVER.get("/areas/icc/mb-kendal").expect(200));
    let data = data.expect("JSON-LD");
    let url = format!("{}/areas/icc/mb-kendal", SERVER.origin());
    assert_eq!(data["@context"], "https://schema.org");
    assert_eq!(data["@type"], "Place");
    assert_eq!(data["name"], "Kendal ICC");
    assert_eq!((&data["@id"], &data["url"]), (&json!(url), &json!(url)));
    let shape = data["geo"]["box"].as_str().expect("a box");
    let corners: Vec<f64> = shape
        .split(' ')
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [south, west, north, east] = corners.as_slice() else {
        panic!("{shape}");
    };
    assert!((54.0..55.0).contains(south) && south < north, "{shape}");
    assert!((-4.0..-2.0).contains(west) && west < east, "{shape}");
    let council = structured_data(&SERVER.get("/areas/council/E06000063").expect(200));
    let council = council.expect("JSON-LD");
    assert_eq!(council["@type"], "AdministrativeArea");
    let code = json!({ "@type": "PropertyValue", "propertyID": "gss", "value": "E06000063" });
    assert_eq!(council["identifier"], json!([code]));
    let part = structured_data(&SERVER.get("/areas/sub-community/mb-millom").expect(200));
    let parents = &part.expect("JSON-LD")["containedInPlace"];
    assert_eq!(parents[0]["name"], "Barrow and Millom ICC");
}

#[test]
fn pages_of_open_practices_describe_their_subject() {
    let data = structured_data(&SERVER.get("/practices/A82033").expect(200));
    let data = data.expect("JSON-LD");
    let practice = SERVER.get("/api/v1/practices/A82033").expect(200).json();
    assert_eq!(data["@type"], "MedicalClinic");
    assert_eq!(data["name"], practice["name"]);
    assert_eq!(data["telephone"], practice["telephone"]);
    assert_eq!(data["address"]["streetAddress"], practice["address"]);
    assert_eq!(data["address"]["postalCode"], practice["postcode"]);
    assert_eq!(data["identifier"]["value"], "A82033");
    let practices = SERVER.get("/api/v1/practices").expect(200).json();
    let practices = practices["practices"].as_array().expect("a list");
    let closed = practices
        .iter()
        .find(|practice| practice["status"] == "closed");
    let closed = closed.expect("a closed practice")["id"]
        .as_str()
        .expect("a code");
    let page = SERVER.get(&format!("/practices/{closed}")).expect(200);
    assert_eq!(structured_data(&page), None);
}

#[test]
fn sources_page_describes_the_dataset_and_links_the_feed() {
    let page = SERVER.get("/sources").expect(200);
    let data = structured_data(&page).expect("JSON-LD");
    let details = SERVER.get("/api/v1/dataset").expect(200).json();
    assert_eq!(data["@type"], "Dataset");
    assert_eq!(data["name"], details["title"]);
    assert_eq!(data["license"], details["licence"]);
    let length = data["description"]
        .as_str()
        .expect("a text")
        .chars()
        .count();
    assert!((50..=5000).contains(&length), "{data}");
    let feed = "<link rel=\"alternate\" type=\"application/atom+xml\"";
    assert!(page.text().contains(feed), "{page}");
    assert!(SERVER.get("/").expect(200).text().contains(feed));
}

#[test]
fn pages_for_other_dates_and_versions_have_no_description() {
    let version = SERVER.get("/api/v1/dataset").expect(200).json()["version"].clone();
    let version = version.as_str().expect("a version").to_string();
    for path in ["/areas/icc/mb-kendal", "/practices/A82033", "/sources"] {
        for query in ["as_of=2025-12-01".to_string(), format!("dataset={version}")] {
            let page = SERVER.get(&format!("{path}?{query}")).expect(200);
            assert_eq!(structured_data(&page), None, "{path}?{query}");
        }
    }
}

#[test]
fn markup_in_a_dataset_cannot_end_the_script_or_the_feed() {
    let markup = "</script><b>&\\\"]]>";
    let mut dataset = TestDataset::new().replace("areas.csv", "k,Kay,", "k,</script><b>&]]>,");
    dataset.manifest = dataset
        .manifest
        .replacen("title = \"Toy\"", &format!("title = \"{markup}\""), 1)
        .replacen(
            "attribution = \"nobody\"",
            &format!("attribution = \"{markup}\""),
            1,
        );
    let releases = Releases::start(&[&dataset]);
    let title = "</script><b>&\"]]>";
    let page = releases.server.get("/sources").expect(200);
    assert!(!page.text().contains("</script><b>"), "{page}");
    let data = structured_data(&page).expect("JSON-LD");
    assert_eq!(
        (&data["name"], &data["creditText"]),
        (&json!(title), &json!(title))
    );
    let page = releases.server.get("/areas/icc/k").expect(200);
    assert!(!page.text().contains("</script><b>"), "{page}");
    let data = structured_data(&page).expect("JSON-LD");
    assert!(
        data["name"]
            .as_str()
            .expect("a name")
            .starts_with("</script><b>&]]>"),
        "{data}"
    );
    let feed = releases.feed();
    assert_eq!(feed.feed.text("title"), format!("{title}: new releases"));
    assert_eq!(feed.entries[0].text("rights"), title);
}

#[test]
fn without_a_public_url_links_are_relative_to_the_host() {
    let index = Index::build(embedded()).expect("the dataset is valid");
    let app = App::new(Arc::new(DatasetStore::fixed(index)));
    let server = Server::for_app(app, ServerLimits::default());
    let get = |path: &str| {
        let headers = [("host", "maps.example")];
        server.send("GET", path, &headers, None).expect(200)
    };
    for path in ["/dataset.jsonld", "/datasets.atom", "/sources"] {
        let reply = get(path);
        assert!(!reply.text().contains("maps.example"), "{reply}");
    }
    let feed = Feed::parse(get("/datasets.atom").text());
    assert_eq!(feed.feed.urls("self"), ["/datasets.atom"]);
    let data = structured_data(&get("/practices/A82033")).expect("JSON-LD");
    assert_eq!(data["url"], "/practices/A82033");
}

/// Validates the record as RDF and the feed as Atom with independent programs.
#[test]
fn record_and_feed_are_valid_for_other_programs() {
    let script = Path::new("tests/clients/metadata.py");
    let Some(mut python) = python("validation of the metadata") else {
        return;
    };
    python.args([script.to_str().expect("text"), &SERVER.origin()]);
    let output = stdout_of(&mut python);
    assert!(output.contains("metadata is valid"), "{output}");
}
