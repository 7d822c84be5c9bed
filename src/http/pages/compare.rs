//! `/compare`: the changes to a layer between two dates.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use jiff::civil::Date;

use super::super::App;
use super::super::areas::unknown_layer;
use super::super::input::segment;
use super::super::problem::Problem;
use super::visit::Visit;
use crate::diff::between;
use crate::domain::{Layer, date_from_iso};
use crate::index::Index;
use crate::question::Fields;
use crate::web::directory::{self, ComparePage, CompareState};

const FIELDS: &[&str] = &["layer", "from", "to", "dataset"];

/// The most dates of change that the page lists; it lists the latest.
const DAYS_MAX: usize = 20;

/// `/compare`.
pub(in super::super) async fn compare(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = Visit::new(&app, &uri, headers, FIELDS)?;
    let (from, to) = (day(&visit.fields, "from")?, day(&visit.fields, "to")?);
    let index = visit.snapshot.index();
    let layer: Layer = match visit.fields.get("layer") {
        Some(name) => segment(name, unknown_layer)?,
        None => index.layers().next().ok_or_else(unknown_layer)?,
    };
    let first_data = index.first_data(layer).ok_or_else(unknown_layer)?;
    let page = visit.page(move |_, setting| {
        let days = setting.index.days_of_change(layer);
        let days: Vec<Date> = days.into_iter().rev().take(DAYS_MAX).collect();
        let page = ComparePage {
            layer,
            from,
            to,
            state: outcome(setting.index, layer, first_data, from, to),
            change_dates: &days,
        };
        Ok(directory::compare(setting, &page))
    });
    page.await
}

fn outcome(
    index: &Index,
    layer: Layer,
    first_data: Date,
    from: Option<Date>,
    to: Option<Date>,
) -> CompareState {
    match (from, to) {
        (Some(from), Some(to)) if to <= from => CompareState::DatesReversed,
        (Some(from), Some(_)) if from < first_data => CompareState::NoDataForDate(first_data),
        (Some(from), Some(to)) => CompareState::Changes(between(index, layer, from, to)),
        _ => CompareState::Empty,
    }
}

fn day(fields: &Fields, name: &'static str) -> Result<Option<Date>, Problem> {
    let day = fields.get(name).map(date_from_iso).transpose();
    day.map_err(|fault| Problem::bad_request("invalid_date", format!("{name} is {fault}")))
}
