//! The `figure` that `map.js` turns into an interactive map. Without JavaScript or WebGL, the
//! figure shows a static map.

use geo::Rect;
use jiff::civil::Date;
use maud::{Markup, html};

use super::assets;
use super::links::{layer_path, path_segment};
use catchment_core::domain::{Layer, LonLat};
use catchment_core::geometry::bbox;
use catchment_core::index::Index;
use catchment_tiles::bounds_of;

/// A map of the areas of a layer on a date.
pub(super) struct InteractiveMap<'a> {
    pub(super) index: &'a Index,
    pub(super) layer: Layer,
    pub(super) date: Date,
    /// The query string that preserves the date and dataset of the page in URLs: empty, or
    /// `?as_of=…`.
    pub(super) query: &'a str,
    /// The name of the map, for screen readers.
    pub(super) title: &'a str,
    /// The area that the map shows and outlines, if the map is not of the whole layer. The area
    /// has a boundary on the date.
    pub(super) area: Option<&'a str>,
    /// The place that was looked up. The page contains the place and is `no-store`. A URL never
    /// contains the place.
    pub(super) marker: Option<LonLat>,
}

impl InteractiveMap<'_> {
    /// Renders the figure. `content` is the static map and its caption.
    pub(super) fn figure(&self, content: &Markup) -> Markup {
        let layer = self.layer;
        let is_partition = self.index.is_partition(layer);
        let names = match (self.area, is_partition) {
            (Some(id), _) => format!("/widget/{layer}/{}.json", path_segment(id)),
            (None, true) => format!("/widget/{layer}.json"),
            // Overlapping areas are shown one at a time, so there is no interactive map of the
            // whole layer.
            (None, false) => return html! { figure.map { (content) } },
        };
        html! {
            figure.map
                data-layer=(layer)
                data-title={ "Map of " (self.title) }
                data-style=(self.style_url(layer))
                data-land=[self.land_layer().map(|land| self.style_url(land))]
                data-names={ (names) (self.query) }
                data-area=[self.area]
                data-single-area[!is_partition]
                data-bounds=[self.bounds().map(format_degrees)]
                data-marker=[self.marker.map(|marker| format_degrees([marker.lon(), marker.lat()]))]
                data-pages=[is_partition.then(|| layer_path(self.index, layer))]
                data-query=(self.query)
                data-script=(assets::MAPLIBRE_SCRIPT.path)
                data-worker=(assets::MAPLIBRE_WORKER.path)
            {
                script type="module" src=(assets::MAP_SCRIPT.path) {}
                (content)
            }
        }
    }

    fn style_url(&self, layer: Layer) -> String {
        let parameters = self.query.replacen('?', "&", 1);
        format!("/tiles/style.json?layers={layer}&labels=off{parameters}")
    }

    /// Returns the layer that is drawn as land. The layer is the first administrative layer that
    /// has boundaries on the date of the map, in order from the largest areas to the smallest.
    fn land_layer(&self) -> Option<Layer> {
        let mut layers = self.index.manifest().administrative_from_top();
        layers.find(|&layer| self.index.boundaries(layer, self.date).next().is_some())
    }

    /// Returns the bounding box of the area and the marker: west, south, east and north.
    fn bounds(&self) -> Option<[f64; 4]> {
        let boundary = self.index.boundary(self.layer, self.area?, self.date);
        let area = bounds_of(boundary.into_iter())?;
        let marker = self.marker.map(|marker| (marker.lon(), marker.lat()));
        let both = marker.map_or(area, |marker| bbox::union(area, Rect::new(marker, marker)));
        Some(bbox::to_array(both))
    }
}

/// Formats numbers in degrees with six decimal places (0.1 m), separated by commas.
fn format_degrees<const N: usize>(degrees: [f64; N]) -> String {
    degrees.map(|number| format!("{number:.6}")).join(",")
}
