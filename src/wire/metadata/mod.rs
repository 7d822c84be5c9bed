//! Metadata of the loaded datasets in the vocabularies of data catalogues, feed readers and search
//! engines: [`dcat`], [`atom`] and [`schema_org`].

pub(crate) mod atom;
pub(crate) mod dcat;
pub(crate) mod schema_org;

use jiff::civil::Date;

use crate::wire::locate::round_decimals;
use catchment_core::domain::Manifest;
use catchment_core::geometry::bbox;
use catchment_core::index::Index;
use catchment_data::fs::sha256_hex;
use catchment_tiles::TileCache;

/// The path of the DCAT record.
pub(crate) const DCAT_PATH: &str = "/dataset.jsonld";
/// The path of the feed of releases.
pub(crate) const ATOM_PATH: &str = "/datasets.atom";
/// The media type of JSON-LD.
pub(crate) const JSON_LD: &str = "application/ld+json";
/// The media type of Atom feeds (RFC 4287, section 7).
pub(crate) const ATOM: &str = "application/atom+xml";

const GEOJSON: &str = "application/geo+json";
const PMTILES: &str = "application/vnd.pmtiles";
const HTML: &str = "text/html";

/// A release of a dataset that the service has loaded.
pub(crate) struct Release<'i> {
    pub(crate) index: &'i Index,
    /// The base URL of the service, without a trailing slash; empty if it is not known.
    base: &'i str,
    /// The bounding box of all areas: west, south, east and north in degrees.
    bounds: Option<[f64; 4]>,
    /// The names of the layers whose areas have a boundary.
    with_boundary: Vec<&'i str>,
}

impl<'i> Release<'i> {
    /// Returns the release of `index`, with its extent on a date.
    pub(crate) fn new(
        index: &'i Index,
        tile_cache: &TileCache,
        base: &'i str,
        day: Date,
    ) -> Release<'i> {
        let layers: Vec<_> = index.layers().collect();
        let bounds = tile_cache.bounds(index, &layers, day);
        let with_boundary = index
            .layers()
            .filter(|layer| index.all_boundaries(*layer).next().is_some());
        let layer_ids = index.manifest().layers.iter();
        let with_boundary: Vec<_> = with_boundary.collect();
        Release {
            index,
            base,
            bounds: bounds.map(|bounds| {
                bbox::to_array(bounds).map(|degrees| round_decimals(degrees, BOUNDS_DECIMALS))
            }),
            with_boundary: layer_ids
                .filter(|entry| with_boundary.contains(&entry.id))
                .map(|entry| entry.id.as_str())
                .collect(),
        }
    }

    fn manifest(&self) -> &'i Manifest {
        self.index.manifest()
    }

    /// Returns the absolute URL of a path of this service for this release. If the base URL is not
    /// known, the URL is relative to the host.
    fn url(&self, path: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("dataset", &self.manifest().version)
            .finish();
        format!("{}{path}?{query}", self.base)
    }

    /// Returns a sentence that describes the content of the release.
    fn description(&self) -> String {
        let manifest = self.manifest();
        let titles = manifest.layers.iter().map(|entry| entry.title.as_str());
        let titles: Vec<&str> = titles.collect();
        let (postcodes, practices) = (self.index.postcodes().len(), self.index.practices().len());
        format!(
            "{}: areas ({}), GP practices ({practices}) and postcodes ({postcodes}), with the dates on which they are valid. The areas are described as of {}.",
            manifest.title,
            titles.join(", "),
            manifest.as_of,
        )
    }

    /// Returns the first date for which a layer has data.
    fn first_data(&self) -> Option<Date> {
        let layers = self.manifest().layers.iter();
        layers.map(|entry| entry.first_data).min()
    }

    /// Returns the files of the release that a client can download.
    fn downloads(&self) -> Vec<Download> {
        let manifest = self.manifest();
        let entries = manifest.layers.iter();
        let with_boundary = entries.filter(|entry| self.with_boundary.contains(&entry.id.as_str()));
        let layers = with_boundary.map(|entry| Download {
            id: format!("geojson-{}", entry.id),
            title: format!("{} (GeoJSON)", entry.title),
            url: self.url(&format!("/api/v1/areas/{}.geojson", entry.id)),
            media_type: GEOJSON,
        });
        let tiles = Download {
            id: "pmtiles".into(),
            title: "Vector tiles of all areas (PMTiles)".into(),
            url: self.url(&format!("/tiles/{}.pmtiles", manifest.name)),
            media_type: PMTILES,
        };
        let has_tiles = !self.with_boundary.is_empty();
        layers.chain(has_tiles.then_some(tiles)).collect()
    }

    /// Returns the URI that identifies the release. It depends only on the name and the version, so
    /// it is the same on every host and after a reload.
    fn urn(&self) -> String {
        let Manifest { name, version, .. } = self.manifest();
        urn(&format!("catchment release\n{name}\n{version}"))
    }
}

/// The decimals of bounding boxes in degrees: about a metre.
const BOUNDS_DECIMALS: i32 = 5;

/// A file that a client can download.
struct Download {
    /// The identifier within the release.
    id: String,
    title: String,
    url: String,
    media_type: &'static str,
}

/// Returns the releases of the dataset `name`, starting with the newest. If two releases have the
/// same date, the release that was loaded first counts as newer.
fn releases_of<'r, 'i>(releases: &'r [Release<'i>], name: &str) -> Vec<&'r Release<'i>> {
    let of_name = releases
        .iter()
        .filter(|release| release.manifest().name == name);
    let mut of_name: Vec<&Release<'_>> = of_name.collect();
    of_name.sort_by_key(|release| std::cmp::Reverse(release.manifest().released_or_as_of()));
    of_name
}

/// Returns a URI that identifies `name`: a UUID of version 8 (RFC 9562, section 5.8) with bits of
/// the SHA-256 of the name.
fn urn(name: &str) -> String {
    let mut hex = sha256_hex(name.as_bytes());
    hex.replace_range(12..13, "8");
    // The two high bits of this digit are the variant, 0b10.
    let digit = u8::from_str_radix(&hex[16..17], 16).expect("a hexadecimal digit");
    hex.replace_range(16..17, &format!("{:x}", 0b1000 | (digit & 0b0011)));
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..32],
    ];
    format!("urn:uuid:{}", parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::urn;

    #[test]
    fn names_have_a_stable_uuid_of_version_8() {
        let first = urn("a");
        assert_eq!(first, urn("a"));
        assert_ne!(first, urn("b"));
        assert_eq!(first, "urn:uuid:ca978112-ca1b-8dca-bac2-31b39a23dc4d");
        for number in 0..64 {
            let urn = urn(&number.to_string());
            let uuid = urn.strip_prefix("urn:uuid:").expect("a UUID");
            let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12]);
            assert_eq!(&uuid[14..15], "8", "{uuid}");
            assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"), "{uuid}");
        }
    }
}
