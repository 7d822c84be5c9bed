//! A page for each thing: areas, practices, groups, and what changed between two days. Everything is in
//! words and tables; maps stand beside them.

mod area;
mod compare;
mod components;
mod error_page;
mod group;
mod postcodes;
mod practice;

use jiff::civil::Date;
use maud::{Markup, html};

use super::format;
use super::layout::{Page, frame};
use super::lookup_result::called;
use super::nhsuk::Link;
use crate::domain::{Area, Layer, OdsCode, Provenance};
use crate::index::Index;

pub(crate) use area::{AreaPage, LayerPage, area, layer, layers};
pub(crate) use compare::{ComparePage, Compared, compare};
pub(crate) use components::{PER_PAGE, Part, encoded as path_segment};
pub(super) use components::{encoded, with_query};
pub(crate) use error_page::{Refusal, refusal};
pub(crate) use group::{GroupPage, group, groups};
pub(crate) use postcodes::{PostcodesPage, postcodes};
pub(crate) use practice::{PracticePage, PracticesPage, practice, practices};

/// What the pages have in common: the dataset, the day, and what links take along to stay with them.
pub(crate) struct Setting<'a> {
    pub(crate) index: &'a Index,
    pub(crate) as_of: Date,
    /// Whether the day was asked for; otherwise it is today.
    pub(crate) is_dated: bool,
    /// The version of the dataset, where one was asked for.
    pub(crate) version: Option<&'a str>,
    /// Both, as a query string; blank where neither was asked for.
    pub(crate) query: &'a str,
}

impl Setting<'_> {
    /// A path of ours, on the same day.
    fn link(&self, path: &str) -> String {
        let joint = if path.contains('?') { "&" } else { "?" };
        match self.query {
            "" => path.to_string(),
            query => format!("{path}{joint}{query}"),
        }
    }

    /// A page that has days of its own, in the same dataset.
    fn link_in_dataset(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let version = self.version.map(|version| ("dataset", version));
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain(version).collect();
        components::with_query(path, &fields)
    }

    /// To an area's page; the name alone where nothing is known of its layer on the day.
    fn to_area(&self, area: &Area) -> Markup {
        match self.is_known(area.layer) {
            true => {
                html! { a href=(self.link(&path_of(area.layer, &area.id))) { (called(area)) } }
            }
            false => html! { (called(area)) },
        }
    }

    /// Whether anything is known of a layer on the day. What is known of practices has no first day.
    fn is_known(&self, layer: Layer) -> bool {
        let first_data = self.index.first_data(layer);
        layer == Layer::GpPractice || first_data.is_some_and(|first| first <= self.as_of)
    }

    /// To the page of an area in its version of the day, or its last; the id alone where there is none.
    fn to_area_of(&self, layer: Layer, id: &str) -> Markup {
        match self.index.area_ever(layer, id, self.as_of) {
            Some(area) => self.to_area(area),
            None => html! { (id) },
        }
    }

    /// To a practice's page; the code alone where the dataset has none.
    fn to_practice(&self, code: OdsCode) -> Markup {
        match self.index.practice(code) {
            Some(practice) => {
                html! { a href=(self.link(&practice_path(code))) { (practice.name) } " (" (code) ")" }
            }
            None => html! { (code) },
        }
    }

    /// The layer's title in the dataset.
    fn title_of(&self, layer: Layer) -> &str {
        let mut entries = self.index.manifest().layers.iter();
        let entry = entries.find(|entry| entry.id == layer.as_str());
        entry.map_or(layer.as_str(), |entry| entry.title.as_str())
    }

    /// The page in its frame; `trail` are the pages above it.
    fn page(&self, title: &str, trail: &[(String, String)], content: &Markup) -> Markup {
        let content = html! { (content) (components::day_words(self)) };
        self.page_of_days(title, trail, content)
    }

    /// The same of a page that is not for one day.
    fn page_of_days(&self, title: &str, trail: &[(String, String)], content: Markup) -> Markup {
        let trail: Vec<Link<'_>> = trail
            .iter()
            .map(|(href, text)| Link { href, text })
            .collect();
        let page = Page {
            title,
            part: Some("/areas"),
            trail: &trail,
            content,
            ..Page::default()
        };
        frame(self.index, &page)
    }
}

/// Where an area's page is. Practices and groups have pages of their own.
pub(crate) fn path_of(layer: Layer, id: &str) -> String {
    let id = components::encoded(id);
    match layer {
        Layer::GpPractice => format!("/practices/{id}"),
        Layer::ResilienceGroup => format!("/groups/{id}"),
        _ => format!("/areas/{layer}/{id}"),
    }
}

/// Where the list of a layer's areas is.
pub(crate) fn path_of_layer(layer: Layer) -> String {
    match layer {
        Layer::GpPractice => "/practices".into(),
        Layer::ResilienceGroup => "/groups".into(),
        _ => format!("/areas/{layer}"),
    }
}

fn practice_path(code: OdsCode) -> String {
    format!("/practices/{code}")
}

/// What one of a layer is.
fn one_of(layer: Layer) -> &'static str {
    match layer {
        Layer::Icc => "Integrated Care Community",
        Layer::SubCommunity => "Sub-community",
        Layer::NeighbourhoodTeam => "Neighbourhood team",
        Layer::GpPractice => "GP practice",
        Layer::ResilienceGroup => "Resilience group",
        Layer::Pcn => "Primary Care Network",
        Layer::SubIcb => "Sub-ICB location",
        Layer::Place => "Place",
        Layer::Icb => "Integrated Care Board",
    }
}

/// What a provenance means for whoever relies on it.
fn meaning(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Official => "Published by the body itself.",
        Provenance::Derived => "Follows from official data by a stated rule.",
        Provenance::Modelled => {
            "Estimated by a model of where patients live; nobody has agreed to it."
        }
        Provenance::Indicative => {
            "Drawn from open statistics to give an idea; not an official map."
        }
    }
}

/// The last day before another.
fn last_day(to: Date) -> String {
    format::date(to.yesterday().unwrap_or(to))
}
