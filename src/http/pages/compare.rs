//! `/compare`: the changes to a layer between two dates.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use jiff::civil::Date;

use super::super::App;
use super::super::areas::unknown_layer;
use super::super::extract::parse_segment;
use super::super::problem::Problem;
use super::page_request::PageRequest;
use crate::diff::compare_dates;
use crate::domain::{Layer, date_from_iso};
use crate::index::Index;
use crate::request::RequestParams;
use crate::web::directory::{self, ComparePage, CompareState};

const PARAMS: &[&str] = &["layer", "from", "to", "dataset"];

/// The maximum number of change dates that the page lists. The page lists the latest dates.
const DAYS_MAX: usize = 20;

/// `/compare`: the page.
pub(in super::super) async fn compare(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page_request = PageRequest::new(&app, &uri, headers, PARAMS)?;
    let (from, to) = (
        date_param(&page_request.params, "from")?,
        date_param(&page_request.params, "to")?,
    );
    let index = page_request.snapshot.index();
    let layer: Layer = match page_request.params.get("layer") {
        Some(name) => parse_segment(name, unknown_layer)?,
        None => index.layers().next().ok_or_else(unknown_layer)?,
    };
    let first_data = index.first_data(layer).ok_or_else(unknown_layer)?;
    let page = page_request.render_page(move |_, context| {
        let days = context.index.change_dates_of_layer(layer);
        let days: Vec<Date> = days.into_iter().rev().take(DAYS_MAX).collect();
        let page = ComparePage {
            layer,
            from,
            to,
            state: compare_state(context.index, layer, first_data, from, to),
            change_dates: &days,
        };
        Ok(directory::compare(context, &page))
    });
    page.await
}

fn compare_state(
    index: &Index,
    layer: Layer,
    first_data: Date,
    from: Option<Date>,
    to: Option<Date>,
) -> CompareState {
    match (from, to) {
        (Some(from), Some(to)) if to <= from => CompareState::DatesReversed,
        (Some(from), Some(_)) if from < first_data => CompareState::NoDataForDate(first_data),
        (Some(from), Some(to)) => CompareState::Changes(compare_dates(index, layer, from, to)),
        _ => CompareState::Empty,
    }
}

fn date_param(params: &RequestParams, name: &'static str) -> Result<Option<Date>, Problem> {
    let day = params.get(name).map(date_from_iso).transpose();
    day.map_err(|error| Problem::bad_request("invalid_date", format!("{name} is {error}")))
}
