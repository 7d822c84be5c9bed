//! What a GIS reads at `/ogc`, as pages for whoever looks at it.

use maud::{Markup, html};
use serde_json::Value;

use super::layout::{Page, frame, link};
use super::lookup::Home;
use super::nhsuk::{Link, Table, summary_list, table};

/// Relations of links to tiles (OGC API Tiles, 20-057).
const TILESETS: &str = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector";
const SCHEMES: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes";
const SCHEME: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme";

/// The relation of a link to what features may be chosen by (19-079r2).
const QUERYABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";

/// The landing page.
pub(crate) fn landing(home: &Home<'_>, body: &Value) -> Markup {
    let content = html! {
        h1 { "Areas for GIS" }
        p.nhsuk-lede-text { (text(&body["description"])) }
        p { "QGIS: Layer, Add Layer, Add WFS / OGC API Features Layer, with the address of this page. GDAL: "
            code { "ogrinfo OAPIF:" (self_href(body)) } }
        (links(body, &["data", TILESETS, SCHEMES, "service-doc", "service-desc", "conformance", "alternate"]))
    };
    page(
        home,
        "Areas for GIS",
        &[link("/", "Look up a place")],
        content,
    )
}

/// What it conforms to.
pub(crate) fn conformance(home: &Home<'_>, classes: &[&str]) -> Markup {
    let content = html! {
        h1 { "Conformance" }
        p.nhsuk-lede-text { "Parts of OGC standards that this service keeps to." }
        ul { @for class in classes { li { a href=(class) { (class) } } } }
    };
    page(home, "Conformance", &[GIS], content)
}

/// The list of collections.
pub(crate) fn collections(home: &Home<'_>, body: &Value) -> Markup {
    let content = html! {
        h1 { "Collections" }
        ul {
            @for collection in list(&body["collections"]) {
                @let id = text(&collection["id"]);
                li {
                    a href={ "/ogc/collections/" (id) "?f=html" } { (text(&collection["title"])) }
                    " (" code { (id) } "): " (text(&collection["description"]))
                }
            }
        }
        (links(body, &["alternate"]))
    };
    page(home, "Collections", &[GIS], content)
}

/// One collection.
pub(crate) fn collection(home: &Home<'_>, body: &Value) -> Markup {
    let title = text(&body["title"]);
    let extent = &body["extent"];
    let bbox: Vec<String> = list(&extent["spatial"]["bbox"][0])
        .iter()
        .map(Value::to_string)
        .collect();
    let interval = &extent["temporal"]["interval"][0];
    let end = |at: usize| text(&interval[at]).get(..10).unwrap_or("open");
    let content = html! {
        h1 { (title) }
        p.nhsuk-lede-text { (text(&body["description"])) }
        (summary_list(&[
            ("West, south, east, north", html! { (bbox.join(", ")) }),
            ("From, to", html! { (end(0)) ", " (end(1)) }),
            ("Coordinate reference systems", html! { ul.nhsuk-list { @for crs in list(&body["crs"]) { li { (text(crs)) } } } }),
        ]))
        (links(body, &["items", QUERYABLES, TILESETS, "alternate", "license"]))
    };
    page(home, title, &[GIS, COLLECTIONS], content)
}

/// What features may be chosen by: names, and what each is.
pub(crate) fn queryables(home: &Home<'_>, title: &str, properties: &[(&str, &str)]) -> Markup {
    let content = html! {
        h1 { (title) ": what to choose by" }
        p.nhsuk-lede-text { "Parameters of the items, such as " code { "items?system=morecambe-bay" } ". Text is compared as it is." }
        (summary_list(&properties.iter().map(|(name, about)| (*name, html! { (about) })).collect::<Vec<_>>()))
    };
    page(
        home,
        &format!("{title}: what to choose by"),
        &[GIS, COLLECTIONS],
        content,
    )
}

/// A page of features.
pub(crate) fn items(home: &Home<'_>, title: &str, body: &Value, rows: &[Value]) -> Markup {
    let content = html! {
        h1 { (title) }
        p.nhsuk-lede-text { (body["numberReturned"]) " of " (body["numberMatched"]) " features" }
        (table(&Table {
            caption: "Features",
            caption_size: Some("m"),
            columns: COLUMNS.map(|(name, _)| name.into()).to_vec(),
            rows: rows.iter().map(cells).collect(),
        }))
        (links(body, &["prev", "next", "alternate"]))
    };
    page(home, title, &[GIS, COLLECTIONS], content)
}

fn cells(row: &Value) -> Vec<Markup> {
    COLUMNS.map(|(_, key)| html! { (text(&row[key])) }).to_vec()
}

const COLUMNS: [(&str, &str); 6] = [
    ("Id", "id"),
    ("Name", "name"),
    ("System", "system"),
    ("Provenance", "provenance"),
    ("From", "from"),
    ("To", "to"),
];

/// One feature.
pub(crate) fn item(home: &Home<'_>, title: &str, properties: &Value, links: &[Value]) -> Markup {
    let name = text(&properties["name"]);
    let members = properties.as_object().into_iter().flatten();
    let told = members.filter(|(_, value)| !value.is_null());
    let rows: Vec<(&str, Markup)> = told
        .map(|(key, value)| (key.as_str(), html! { (text(value)) }))
        .collect();
    let content = html! {
        h1 { (name) }
        p.nhsuk-lede-text { (title) }
        (summary_list(&rows))
        (links_of(links, &["collection", "alternate"]))
    };
    page(home, name, &[GIS, COLLECTIONS], content)
}

/// The tilesets of a collection, or of all.
pub(crate) fn tilesets(home: &Home<'_>, title: &str, body: &Value) -> Markup {
    let content = html! {
        h1 { (title) ": tiles" }
        @for tileset in list(&body["tilesets"]) { (links(tileset, &["self", SCHEME])) }
        (links(body, &["alternate"]))
    };
    page(home, &format!("{title}: tiles"), &[GIS], content)
}

/// A tileset.
pub(crate) fn tileset(home: &Home<'_>, body: &Value) -> Markup {
    let title = text(&body["title"]);
    let items = list(&body["links"]).iter();
    let address = items.filter(|link| link["rel"] == "item").map(href).next();
    let content = html! {
        h1 { (title) ": tiles" }
        p.nhsuk-lede-text { "Vector tiles (Mapbox Vector Tile), of the areas that are valid today." }
        (summary_list(&[
            ("Address", html! { code { (address.unwrap_or_default()) } }),
            ("Layers", html! { ul.nhsuk-list { @for layer in list(&body["layers"]) { li { code { (text(&layer["id"])) } } } } }),
        ]))
        (links(body, &["describedby", SCHEME, "alternate", "license"]))
    };
    page(home, &format!("{title}: tiles"), &[GIS], content)
}

/// The list of tile matrix sets.
pub(crate) fn tile_matrix_sets(home: &Home<'_>, body: &Value) -> Markup {
    let content = html! {
        h1 { "Tile matrix sets" }
        @for set in list(&body["tileMatrixSets"]) {
            h2 { (text(&set["id"])) }
            (links(set, &["self"]))
        }
        (links(body, &["alternate"]))
    };
    page(home, "Tile matrix sets", &[GIS], content)
}

const MATRIX_COLUMNS: [(&str, &str); 4] = [
    ("Zoom", "id"),
    ("Scale, 1 to", "scaleDenominator"),
    ("Metres a pixel", "cellSize"),
    ("Tiles across", "matrixWidth"),
];

fn matrix_cells(matrix: &Value) -> Vec<Markup> {
    let cell = |(_, key): (&str, &str)| match &matrix[key] {
        Value::String(text) => html! { (text) },
        number => html! { (number) },
    };
    MATRIX_COLUMNS.map(cell).to_vec()
}

/// A tile matrix set.
pub(crate) fn tile_matrix_set(home: &Home<'_>, body: &Value) -> Markup {
    let id = text(&body["id"]);
    let content = html! {
        h1 { (id) }
        p.nhsuk-lede-text { (text(&body["title"])) }
        (table(&Table {
            caption: "Tile matrices",
            caption_size: Some("m"),
            columns: MATRIX_COLUMNS.map(|(name, _)| name.into()).to_vec(),
            rows: list(&body["tileMatrices"]).iter().map(matrix_cells).collect(),
        }))
        (links(body, &["alternate"]))
    };
    page(home, id, &[GIS, TILE_MATRIX_SETS], content)
}

const GIS: Link<'static> = link("/ogc?f=html", "Areas for GIS");
const TILE_MATRIX_SETS: Link<'static> = link("/ogc/tileMatrixSets?f=html", "Tile matrix sets");
const COLLECTIONS: Link<'static> = link("/ogc/collections?f=html", "Collections");

fn page(home: &Home<'_>, title: &str, trail: &[Link<'_>], content: Markup) -> Markup {
    let page = Page {
        title,
        trail,
        content,
        ..Page::default()
    };
    frame(home.index, &page)
}

fn links(body: &Value, rels: &[&str]) -> Markup {
    links_of(list(&body["links"]), rels)
}

/// Those of the relations, in their order.
fn links_of(links: &[Value], rels: &[&str]) -> Markup {
    html! {
        ul {
            @for rel in rels {
                @for link in links.iter().filter(|link| link["rel"] == *rel) {
                    li { a rel=(rel) href=(href(link)) { (text(&link["title"])) } }
                }
            }
        }
    }
}

fn href(link: &Value) -> &str {
    text(&link["href"])
}

fn self_href(body: &Value) -> &str {
    let own = list(&body["links"])
        .iter()
        .find(|link| link["rel"] == "self");
    own.map_or("", href).split("/?").next().unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
