//! What a page tells map.js, which puts a map to move about in into the place of a picture.

use jiff::civil::Date;
use maud::{Markup, html};

use super::assets;
use super::directory::{encoded, path_of_layer};
use crate::domain::{Layer, LonLat};
use crate::index::Index;
use crate::tiles::bounds_of;

/// Where land is known from: the largest areas that a dataset has.
const LAND_LAYERS: [Layer; 3] = [Layer::Icb, Layer::SubIcb, Layer::Place];

/// A map of a layer's areas on a day.
pub(super) struct LiveMap<'a> {
    pub(super) index: &'a Index,
    pub(super) layer: Layer,
    pub(super) day: Date,
    /// What addresses take along to stay with the day and the dataset: `?as_of=…`, or nothing.
    pub(super) query: &'a str,
    /// What it is called for those who do not see it.
    pub(super) title: &'a str,
    /// The area that it is about, which has ground on the day.
    pub(super) area: Option<&'a str>,
    /// The place that was asked about. It stands in the page, which nothing keeps, and in no address.
    pub(super) mark: Option<LonLat>,
}

impl LiveMap<'_> {
    /// A figure with a picture and its caption; the picture stays where nothing can be drawn in its place.
    pub(super) fn figure(&self, content: &Markup) -> Markup {
        let layer = self.layer;
        let is_partition = self.index.is_partition(layer);
        let names = match (self.area, is_partition) {
            (Some(id), _) => format!("/widget/{layer}/{}.json", encoded(id)),
            (None, true) => format!("/widget/{layer}.json"),
            // Areas that lie over each other are seen one at a time.
            (None, false) => return html! { figure.map { (content) } },
        };
        html! {
            figure.map
                data-layer=(layer)
                data-title={ "Map: " (self.title) }
                data-style=(self.style_of(layer))
                data-land=[self.land().map(|it| self.style_of(it))]
                data-names={ (names) (self.query) }
                data-area=[self.area]
                data-alone[!is_partition]
                data-bounds=[self.bounds().map(joined)]
                data-mark=[self.mark.map(|it| joined([it.lon(), it.lat()]))]
                data-pages=[is_partition.then(|| path_of_layer(layer))]
                data-query=(self.query)
                data-script=(assets::MAPLIBRE_SCRIPT.path)
                data-worker=(assets::MAPLIBRE_WORKER.path)
            {
                script type="module" src=(assets::MAP_SCRIPT.path) {}
                (content)
            }
        }
    }

    fn style_of(&self, layer: Layer) -> String {
        let others = self.query.replacen('?', "&", 1);
        format!("/tiles/style.json?layers={layer}{others}")
    }

    fn land(&self) -> Option<Layer> {
        let mut layers = LAND_LAYERS.into_iter();
        layers.find(|&layer| self.index.boundaries(layer, self.day).next().is_some())
    }

    /// What is framed: the area, and the place if it lies elsewhere.
    fn bounds(&self) -> Option<[f64; 4]> {
        let boundary = self.index.boundary(self.layer, self.area?, self.day);
        let [west, south, east, north] = bounds_of(boundary.into_iter())?;
        let (lon, lat) = self.mark.map_or((west, south), |it| (it.lon(), it.lat()));
        Some([west.min(lon), south.min(lat), east.max(lon), north.max(lat)])
    }
}

fn joined<const N: usize>(degrees: [f64; N]) -> String {
    degrees.map(|it| format!("{it:.6}")).join(",")
}
