//! The OGC API (`/ogc`) as HTML pages.

use maud::{Markup, html};
use serde_json::Value;

use super::layout::{PageLayout, layout, link};
use super::nhsuk::{DataTable, Link, summary_list, table};
use catchment_core::index::Index;

/// Link relations of tiles (OGC API Tiles, 20-057).
const TILESETS: &str = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector";
const TILING_SCHEMES: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes";
const TILING_SCHEME: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme";

/// The link relation of queryables (OGC API Features Part 3, 19-079r2).
const QUERYABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";

/// Renders the landing page.
pub(crate) fn landing(index: &Index, body: &Value) -> Markup {
    let content = html! {
        h1 { "GIS data" }
        p.nhsuk-lede-text { (text(&body["description"])) }
        p { "In QGIS, choose Layer, Add Layer, Add WFS / OGC API Features Layer, and enter the address of this page. With GDAL, run "
            code { "ogrinfo OAPIF:" (self_href(body)) } "." }
        (links(body, &["data", TILESETS, TILING_SCHEMES, "service-doc", "service-desc", "conformance", "alternate"]))
    };
    page(index, "GIS data", &[link("/", "Look up a place")], content)
}

/// Renders the conformance classes.
pub(crate) fn conformance(index: &Index, classes: &[&str]) -> Markup {
    let content = html! {
        h1 { "Conformance" }
        p.nhsuk-lede-text { "This service conforms to these parts of the OGC standards." }
        ul { @for class in classes { li { a href=(class) { (class) } } } }
    };
    page(index, "Conformance", &[GIS], content)
}

/// Renders the list of collections.
pub(crate) fn collections(index: &Index, body: &Value) -> Markup {
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
    page(index, "Collections", &[GIS], content)
}

/// Renders a collection.
pub(crate) fn collection(index: &Index, body: &Value) -> Markup {
    let title = text(&body["title"]);
    let extent = &body["extent"];
    let bbox: Vec<String> = list(&extent["spatial"]["bbox"][0])
        .iter()
        .map(Value::to_string)
        .collect();
    let interval = &extent["temporal"]["interval"][0];
    let date = |index: usize| text(&interval[index]).get(..10).unwrap_or("open");
    let content = html! {
        h1 { (title) }
        p.nhsuk-lede-text { (text(&body["description"])) }
        (summary_list(&[
            ("West, south, east, north", html! { (bbox.join(", ")) }),
            ("From, to", html! { (date(0)) ", " (date(1)) }),
            ("Coordinate reference systems", html! { ul.nhsuk-list { @for crs in list(&body["crs"]) { li { (text(crs)) } } } }),
        ]))
        (links(body, &["items", QUERYABLES, TILESETS, "alternate", "license"]))
    };
    page(index, title, &[GIS, COLLECTIONS], content)
}

/// Renders the queryables: the name and description of each property.
pub(crate) fn queryables(index: &Index, title: &str, properties: &[(&str, &str)]) -> Markup {
    let content = html! {
        h1 { (title) ": queryables" }
        p.nhsuk-lede-text { "Use these properties as parameters to filter features, for example " code { "items?provenance=official" } ". Text must match exactly." }
        (summary_list(&properties.iter().map(|(name, description)| (*name, html! { (description) })).collect::<Vec<_>>()))
    };
    page(
        index,
        &format!("{title}: queryables"),
        &[GIS, COLLECTIONS],
        content,
    )
}

/// Renders a page of features.
pub(crate) fn items(index: &Index, title: &str, body: &Value, rows: &[Value]) -> Markup {
    let content = html! {
        h1 { (title) }
        p.nhsuk-lede-text { (body["numberReturned"]) " of " (body["numberMatched"]) " features" }
        (table(&DataTable {
            caption: "Features",
            caption_size: Some("m"),
            columns: COLUMNS.map(|(name, _)| name.into()).to_vec(),
            rows: rows.iter().map(cells).collect(),
        }))
        (links(body, &["prev", "next", "alternate"]))
    };
    page(index, title, &[GIS, COLLECTIONS], content)
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

/// Renders a feature.
pub(crate) fn item(index: &Index, title: &str, properties: &Value, links: &[Value]) -> Markup {
    let name = text(&properties["name"]);
    let members = properties.as_object().into_iter().flatten();
    let known = members.filter(|(_, value)| !value.is_null());
    let rows: Vec<(&str, Markup)> = known
        .map(|(key, value)| (key.as_str(), html! { (text(value)) }))
        .collect();
    let content = html! {
        h1 { (name) }
        p.nhsuk-lede-text { (title) }
        (summary_list(&rows))
        (links_of(links, &["collection", "alternate"]))
    };
    page(index, name, &[GIS, COLLECTIONS], content)
}

/// Renders the tilesets of one collection, or of all collections together.
pub(crate) fn tilesets(index: &Index, title: &str, body: &Value) -> Markup {
    let content = html! {
        h1 { (title) ": tiles" }
        @for tileset in list(&body["tilesets"]) { (links(tileset, &["self", TILING_SCHEME])) }
        (links(body, &["alternate"]))
    };
    page(index, &format!("{title}: tiles"), &[GIS], content)
}

/// Renders a tileset.
pub(crate) fn tileset(index: &Index, body: &Value) -> Markup {
    let title = text(&body["title"]);
    let items = list(&body["links"]).iter();
    let template = items.filter(|link| link["rel"] == "item").map(href).next();
    let content = html! {
        h1 { (title) ": tiles" }
        p.nhsuk-lede-text { "Mapbox Vector Tiles of the areas that are valid today." }
        (summary_list(&[
            ("URL template", html! { code { (template.unwrap_or_default()) } }),
            ("Layers", html! { ul.nhsuk-list { @for layer in list(&body["layers"]) { li { code { (text(&layer["id"])) } } } } }),
        ]))
        (links(body, &["describedby", TILING_SCHEME, "alternate", "license"]))
    };
    page(index, &format!("{title}: tiles"), &[GIS], content)
}

/// Renders the list of tile matrix sets.
pub(crate) fn tile_matrix_sets(index: &Index, body: &Value) -> Markup {
    let content = html! {
        h1 { "Tile matrix sets" }
        @for set in list(&body["tileMatrixSets"]) {
            h2 { (text(&set["id"])) }
            (links(set, &["self"]))
        }
        (links(body, &["alternate"]))
    };
    page(index, "Tile matrix sets", &[GIS], content)
}

const MATRIX_COLUMNS: [(&str, &str); 4] = [
    ("Zoom", "id"),
    ("Scale, 1 to", "scaleDenominator"),
    ("Metres per pixel", "cellSize"),
    ("Tiles across", "matrixWidth"),
];

fn matrix_cells(matrix: &Value) -> Vec<Markup> {
    let cell = |(_, key): (&str, &str)| match &matrix[key] {
        Value::String(text) => html! { (text) },
        number => html! { (number) },
    };
    MATRIX_COLUMNS.map(cell).to_vec()
}

/// Renders a tile matrix set.
pub(crate) fn tile_matrix_set(index: &Index, body: &Value) -> Markup {
    let id = text(&body["id"]);
    let content = html! {
        h1 { (id) }
        p.nhsuk-lede-text { (text(&body["title"])) }
        (table(&DataTable {
            caption: "Tile matrices",
            caption_size: Some("m"),
            columns: MATRIX_COLUMNS.map(|(name, _)| name.into()).to_vec(),
            rows: list(&body["tileMatrices"]).iter().map(matrix_cells).collect(),
        }))
        (links(body, &["alternate"]))
    };
    page(index, id, &[GIS, TILE_MATRIX_SETS], content)
}

const GIS: Link<'static> = link("/ogc?f=html", "GIS data");
const TILE_MATRIX_SETS: Link<'static> = link("/ogc/tileMatrixSets?f=html", "Tile matrix sets");
const COLLECTIONS: Link<'static> = link("/ogc/collections?f=html", "Collections");

fn page(index: &Index, title: &str, breadcrumb: &[Link<'_>], content: Markup) -> Markup {
    let page = PageLayout {
        title,
        breadcrumb,
        content,
        ..PageLayout::default()
    };
    layout(index, &page)
}

fn links(body: &Value, rels: &[&str]) -> Markup {
    links_of(list(&body["links"]), rels)
}

/// Renders the links with these relations, in the order of `rels`.
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
