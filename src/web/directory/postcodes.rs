//! The postcodes of an area, page by page.

use maud::{Markup, html};

use super::super::nhsuk::{self, Pagination, inset_text};
use super::area::above_area;
use super::components::{heading, not_of_the_day, table, tag, with_query};
use super::{Setting, called, components, format, path_of};
use crate::domain::{Area, Basis, PostcodeStatus};
use crate::index::{CoveredPostcode, OutcodeIn, Which};

/// Some of an area's postcodes.
pub(crate) struct PostcodesPage<'i> {
    pub(crate) area: &'i Area,
    pub(crate) which: Which,
    pub(crate) outcodes: Vec<OutcodeIn>,
    pub(crate) postcodes: Vec<CoveredPostcode>,
    pub(crate) has_more: bool,
    /// Whether it is the first page.
    pub(crate) is_first: bool,
}

/// `/areas/{layer}/{id}/postcodes`.
pub(crate) fn postcodes(setting: &Setting<'_>, page: &PostcodesPage<'_>) -> Markup {
    let area = page.area;
    let own = path_of(area.layer, &area.id);
    let path = format!("{own}/postcodes");
    let to = |after: Option<String>| {
        let after = after.as_deref().map(|after| ("after", after));
        let status = (page.which == Which::All).then_some(("status", "all"));
        let pairs: Vec<(&str, &str)> = after.into_iter().chain(status).collect();
        setting.link(&with_query(&path, &pairs))
    };
    let count: usize = page.outcodes.iter().map(|it| it.postcodes).sum();
    let title = format!("Postcodes of {}", called(area));
    let mut trail = above_area(setting, area.layer);
    trail.push((setting.link(&own), called(area)));
    let is_all = page.which == Which::All;
    let rows = page.postcodes.iter().map(|it| postcode_row(it, is_all));
    let rows: Vec<Vec<Markup>> = rows.collect();
    let columns: &[&str] = match is_all {
        true => &["Postcode", "Decided by", "Status"],
        false => &["Postcode", "Decided by"],
    };
    let next = page.postcodes.last().filter(|_| page.has_more);
    let content = html! {
        (heading(&called(area), "Postcodes"))
        (not_of_the_day(setting, area))
        p {
            (format::count(count)) @if page.which == Which::Live { " postcodes in use lie in it. " } @else { " postcodes, in use or not, lie in it. " }
            @match page.which {
                Which::Live => { a href=(setting.link(&with_query(&path, &[("status", "all")]))) { "Show those out of use too" } }
                Which::All => { a href=(setting.link(&path)) { "Show those in use alone" } }
            }
        }
        (inset_text(&html! { p { "A postcode is several addresses: near a border some of them may lie in another area." } }))
        @if page.outcodes.len() > 1 {
            h2.nhsuk-heading-s { "Go to" }
            ul.nhsuk-list.outcodes { @for (at, outcode) in page.outcodes.iter().enumerate() {
                li { a href=(to(at.checked_sub(1).map(|at| page.outcodes[at].last.to_string()))) { (outcode.outcode) } " (" (format::count(outcode.postcodes)) ")" }
            } }
        }
        @if !rows.is_empty() { (table("In order of postcode", columns, rows)) }
        (nhsuk::pagination(&Pagination {
            previous: (!page.is_first).then(|| (to(None), "First page".into())),
            next: next.map(|last| (to(Some(last.entry.postcode.to_string())), "Next page".into())),
        }))
        p { a href=(setting.link(&format!("/api/v1/areas/{}/{}/postcodes", area.layer, components::encoded(&area.id)))) { "The same as JSON" } }
    };
    setting.page(&title, &trail, &content)
}

fn postcode_row(covered: &CoveredPostcode, with_status: bool) -> Vec<Markup> {
    let status = match covered.status {
        PostcodeStatus::Live => tag("In use", "green"),
        PostcodeStatus::Terminated => tag("Out of use", "grey"),
        PostcodeStatus::NotYetIntroduced => tag("Not yet in use", "blue"),
    };
    let basis = match covered.basis {
        Basis::Directory => "its statistical area",
        Basis::Boundary => "the boundary around it",
        Basis::Nearest => "the nearest boundary, off the coast",
        Basis::Membership => "a member that it lies in",
    };
    let mut row = vec![html! { (covered.entry.postcode) }, html! { (basis) }];
    row.extend(with_status.then_some(status));
    row
}
