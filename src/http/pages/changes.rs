//! `/changes`: what changes next.

use axum::response::Response;

use super::super::problem::Problem;
use super::super::request_context::DatasetParams;
use super::page_request::PageRequest;
use crate::web::directory;

/// `/changes`: the page.
pub(in super::super) async fn changes(
    PageRequest { page, .. }: PageRequest<DatasetParams>,
) -> Result<Response, Problem> {
    page.render(|context| Ok(directory::changes(context))).await
}
