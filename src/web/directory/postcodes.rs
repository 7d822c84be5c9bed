//! The page that lists the postcodes of an area.

use maud::{Markup, html};

use super::super::links::path_segment;
use super::super::nhsuk::{self, Pagination, inset_text};
use super::area::layer_breadcrumb;
use super::components::{heading, outdated_notice, table, tag};
use super::{PageContext, area_path, display_name, format, with_query};
use catchment_core::domain::{Area, Basis, PostcodeStatus};
use catchment_core::index::{AreaPostcode, OutcodeCount, PostcodeFilter};

/// The content of the page.
pub(crate) struct PostcodesPage<'i> {
    pub(crate) area: &'i Area,
    /// Whether the page lists only live postcodes, or all postcodes.
    pub(crate) filter: PostcodeFilter,
    pub(crate) outcodes: Vec<OutcodeCount>,
    pub(crate) postcodes: Vec<AreaPostcode>,
    pub(crate) has_more: bool,
    pub(crate) is_first: bool,
}

/// Renders `/areas/{layer}/{id}/postcodes`, and the same page for a practice or a group.
pub(crate) fn postcodes(context: &PageContext<'_>, page: &PostcodesPage<'_>) -> Markup {
    let area = page.area;
    let area_url = area_path(context.index, area.layer, &area.id);
    let path = format!("{area_url}/postcodes");
    let page_after = |after: Option<String>| {
        let after = after.as_deref().map(|after| ("after", after));
        let status = (page.filter == PostcodeFilter::All).then_some(("status", "all"));
        let pairs: Vec<(&str, &str)> = after.into_iter().chain(status).collect();
        context.link(&with_query(&path, &pairs))
    };
    let count: usize = page
        .outcodes
        .iter()
        .map(|outcode| outcode.postcode_count)
        .sum();
    let title = format!("Postcodes in {}", display_name(area));
    let mut breadcrumb = layer_breadcrumb(context, area.layer);
    breadcrumb.push((context.link(&area_url), display_name(area)));
    let has_status = page.filter == PostcodeFilter::All;
    let rows = page
        .postcodes
        .iter()
        .map(|postcode| postcode_row(postcode, has_status));
    let rows: Vec<Vec<Markup>> = rows.collect();
    let columns: &[&str] = if has_status {
        &["Postcode", "Based on", "Status"]
    } else {
        &["Postcode", "Based on"]
    };
    let next = page.postcodes.last().filter(|_| page.has_more);
    let content = html! {
        (heading(&display_name(area), "Postcodes"))
        (outdated_notice(context, area))
        p {
            "This area has " (format::count_with_noun(count, "postcode", "postcodes")) @if page.filter == PostcodeFilter::Live { " in use. " } @else { ", in use or not. " }
            @match page.filter {
                PostcodeFilter::Live => { a href=(context.link(&with_query(&path, &[("status", "all")]))) { "Include postcodes that are not known to be in use" } }
                PostcodeFilter::All => { a href=(context.link(&path)) { "Show only postcodes in use" } }
            }
        }
        (inset_text(&html! { p { "A postcode covers several addresses. Near a boundary, some of them may be in another area." } }))
        @if page.outcodes.len() > 1 {
            h2.nhsuk-heading-s { "Go to" }
            ul.nhsuk-list.outcodes { @for (index, outcode) in page.outcodes.iter().enumerate() {
                @let previous = index.checked_sub(1).map(|previous| page.outcodes[previous].last_postcode.to_string());
                li { a href=(page_after(previous)) { (outcode.outcode) } " (" (format::count(outcode.postcode_count)) ")" }
            } }
        }
        @if !rows.is_empty() { (table("Postcodes", columns, rows)) }
        (nhsuk::pagination(&Pagination {
            previous: (!page.is_first).then(|| (page_after(None), "First page".into())),
            next: next.map(|last| (page_after(Some(last.entry.postcode.to_string())), "Next page".into())),
        }))
        p { a href=(context.link(&format!("/api/v1/areas/{}/{}/postcodes", area.layer, path_segment(&area.id)))) { "This page as JSON" } }
    };
    context.page(&title, &breadcrumb, &content)
}

fn postcode_row(postcode: &AreaPostcode, has_status: bool) -> Vec<Markup> {
    let status = match postcode.status {
        PostcodeStatus::Live => tag("In use", "green"),
        PostcodeStatus::Terminated => tag("No longer in use", "grey"),
        PostcodeStatus::NotYetIntroduced => tag("Not yet in use", "blue"),
        PostcodeStatus::Unknown => tag("Not known", "yellow"),
    };
    let basis = match postcode.basis {
        Basis::Directory | Basis::StatisticalArea => "Its statistical area",
        Basis::Boundary => "The boundary of this area",
        Basis::Nearest => "The nearest boundary (off the coast)",
        Basis::Membership | Basis::Network => "A community in this group",
    };
    let mut row = vec![html! { (postcode.entry.postcode) }, html! { (basis) }];
    row.extend(has_status.then_some(status));
    row
}
