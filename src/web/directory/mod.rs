//! The directory: pages of areas, practices and groups, and the comparison of two dates.
//!
//! Text and tables contain all information. Maps only repeat a part of this information.

mod area;
mod changes;
mod compare;
mod components;
mod error_page;
mod facts;
mod group;
mod partnership;
mod postcodes;
mod practice;

use jiff::civil::Date;
use maud::{Markup, html};
use serde_json::Value;

use super::format;
use super::layout::{PageLayout, layout};
use super::links::{display_name, layer_noun, practice_path, with_query};
use super::nhsuk::Link;
use catchment_core::domain::{Area, Layer, LayerRole, OdsCode, Provenance};
use catchment_core::index::Index;

pub(crate) use super::links::{area_path, layer_path};
pub(crate) use area::{AreaPage, AreaSearch, LayerPage, area, layer, layers};
pub(crate) use changes::changes;
pub(crate) use compare::{ComparePage, CompareState, compare};
pub(crate) use components::{ITEMS_PER_PAGE, PageSlice};
pub(crate) use error_page::{ErrorPage, error_page};
pub(super) use facts::announcement_list;
pub(crate) use group::{GroupPage, group, groups};
pub(crate) use partnership::{PartnershipPage, partnership, partnerships};
pub(crate) use postcodes::{PostcodesPage, postcodes};
pub(crate) use practice::{
    PracticePage, PracticesPage, neighbouring_practice, practice, practices,
};

/// The dataset and the date of a page. The links on the page preserve them.
pub(crate) struct PageContext<'a> {
    pub(crate) index: &'a Index,
    pub(crate) as_of: Date,
    /// Whether the request specified the date. Otherwise, the date is today.
    pub(crate) has_date: bool,
    /// The version of the dataset, if the request specified a version.
    pub(crate) version: Option<&'a str>,
    /// The date and version of the request as a query string without `?`; empty if the request
    /// specified neither a date nor a version.
    pub(crate) query: &'a str,
    /// The base URL of the service, without a trailing slash; empty if it is not known.
    pub(crate) base: &'a str,
}

impl PageContext<'_> {
    /// Returns a path of this service with the date and dataset of the page.
    fn link(&self, path: &str) -> String {
        let separator = if path.contains('?') { "&" } else { "?" };
        match self.query {
            "" => path.to_string(),
            query => format!("{path}{separator}{query}"),
        }
    }

    /// Returns the absolute URL of a path of this service or, if the base URL is not known, a URL that
    /// is relative to the host.
    fn absolute_url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Returns a path of this service with the dataset of the page but not its date.
    fn link_without_date(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let version = self.version.map(|version| ("dataset", version));
        let parameters: Vec<(&str, &str)> = parameters.iter().copied().chain(version).collect();
        with_query(path, &parameters)
    }

    /// Renders a link to an area's page, or only the name if its layer has no data for the date.
    fn area_link(&self, area: &Area) -> Markup {
        if !self.has_data(area.layer) {
            return html! { (display_name(area)) };
        }
        html! { a href=(self.link(&area_path(self.index, area.layer, &area.id))) { (display_name(area)) } }
    }

    /// Returns whether a layer has data for the date. The layer of practices has data for every
    /// date.
    fn has_data(&self, layer: Layer) -> bool {
        let first_data = self.index.first_data(layer);
        self.index.role(layer) == Some(LayerRole::PracticeCatchment)
            || first_data.is_some_and(|first| first <= self.as_of)
    }

    /// Renders a link to an area with its name on the page's date, or with its last name if it does not
    /// exist on the page's date. If the area is not in the dataset, renders only the id.
    fn area_link_by_id(&self, layer: Layer, id: &str) -> Markup {
        match self.index.area_or_last_version(layer, id, self.as_of) {
            Some(area) => self.area_link(area),
            None => html! { (id) },
        }
    }

    /// Renders a link to a practice's page, or only the code if the practice is not in the dataset.
    fn practice_link(&self, code: OdsCode) -> Markup {
        match self.index.practice(code) {
            Some(practice) => {
                html! { a href=(self.link(&practice_path(code))) { (practice.name) } " (" (code) ")" }
            }
            None => match self.index.neighbouring_practice(code) {
                Some(found) => {
                    html! { a href=(self.link(&practice_path(code))) { (found.practice.name) } " (" (code) ")" }
                }
                None => html! { (code) },
            },
        }
    }

    /// Renders a statement about the accuracy of a layer's areas, if the dataset contains one.
    fn layer_accuracy(&self, layer: Layer) -> Markup {
        let entry = self.index.manifest().layer(layer);
        let accuracy = entry.and_then(|entry| entry.accuracy.as_deref());
        html! { @if let Some(accuracy) = accuracy { p { (accuracy) } } }
    }

    /// Returns the title of a layer in the dataset.
    fn layer_title(&self, layer: Layer) -> &str {
        self.index.layer_title(layer)
    }

    /// Renders a page for one date, with a line that states the date and dataset. `breadcrumb`
    /// contains the URL and the text of each link.
    fn page(&self, title: &str, breadcrumb: &[(String, String)], content: &Markup) -> Markup {
        self.described_page(title, breadcrumb, content, None)
    }

    /// Renders a page for one date, with a description of its subject in the vocabulary of
    /// schema.org. Search engines list only pages without parameters, so other pages have no
    /// description.
    fn described_page(
        &self,
        title: &str,
        breadcrumb: &[(String, String)],
        content: &Markup,
        structured_data: Option<Value>,
    ) -> Markup {
        let content = html! { (content) (components::date_line(self)) };
        let structured_data = structured_data.filter(|_| self.query.is_empty());
        self.layout(title, breadcrumb, content, structured_data)
    }

    /// Renders a page that is not for one date, such as the comparison of two dates.
    fn undated_page(
        &self,
        title: &str,
        breadcrumb: &[(String, String)],
        content: Markup,
    ) -> Markup {
        self.layout(title, breadcrumb, content, None)
    }

    fn layout(
        &self,
        title: &str,
        breadcrumb: &[(String, String)],
        content: Markup,
        structured_data: Option<Value>,
    ) -> Markup {
        let breadcrumb: Vec<Link<'_>> = breadcrumb
            .iter()
            .map(|(href, text)| Link { href, text })
            .collect();
        let page = PageLayout {
            title,
            section: Some("/areas"),
            breadcrumb: &breadcrumb,
            is_indexed: self.query.is_empty(),
            structured_data,
            content,
            ..PageLayout::default()
        };
        layout(self.index, &page)
    }
}

/// Returns the breadcrumb of pages below `/areas`.
fn areas_breadcrumb(context: &PageContext<'_>) -> Vec<(String, String)> {
    vec![
        ("/".into(), "Look up".into()),
        (context.link("/areas"), "Areas".into()),
    ]
}

/// Returns the explanation of a provenance for people who rely on the data.
fn provenance_text(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Official => "From official boundaries.",
        Provenance::Derived => "Worked out from official data by a published rule.",
        Provenance::Modelled => {
            "Estimated with a model of where patients live. It is not an agreed boundary."
        }
        Provenance::Indicative => "Drawn from open statistics. It is not an official map.",
    }
}

/// Formats the last day of a period that ends before `to`.
fn last_day(to: Date) -> String {
    format::date(to.yesterday().unwrap_or(to))
}
