//! A request for a page of the directory (areas, practices, groups), and its response.

use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use maud::Markup;

use super::super::App;
use super::super::conditional::{cacheable, uncached};
use super::super::input::filled_in_fields;
use super::super::problem::Problem;
use super::super::snapshot::Snapshot;
use super::redirect;
use crate::question::Fields;
use crate::web::directory::{ITEMS_PER_PAGE, PageContext, PageSlice};

/// A parsed request for a page: the dataset and date, and the parameters of the page.
pub(super) struct Visit {
    pub(super) snapshot: Snapshot,
    pub(super) fields: Fields,
    headers: HeaderMap,
}

impl Visit {
    /// Parses a request. `allowed` are all parameters of the page, `as_of` and `dataset` included.
    /// Empty parameters are ignored, because forms send them for fields that were not filled in.
    pub(super) fn new(
        app: &App,
        uri: &Uri,
        headers: HeaderMap,
        allowed: &[&'static str],
    ) -> Result<Visit, Problem> {
        let fields = filled_in_fields(uri, allowed)?;
        let snapshot = Snapshot::of(app, &fields)?;
        Ok(Visit {
            snapshot,
            fields,
            headers,
        })
    }

    /// Renders the page on a blocking thread, because some pages scan every postcode.
    pub(super) async fn page(
        self,
        make: impl FnOnce(&Visit, &PageContext<'_>) -> Result<Markup, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let answer = move || {
            let index = self.snapshot.index();
            let setting = PageContext {
                index,
                as_of: self.snapshot.as_of,
                has_date: self.fields.get("as_of").is_some(),
                version: self.snapshot.version(),
                query: &self.snapshot.query,
            };
            let page = make(&self, &setting)?;
            let body = page.into_string().into_bytes();
            Ok(match self.fields.get("after") {
                // The URL contains a postcode.
                Some(_) => uncached(super::HTML, body),
                None => cacheable(&self.headers, super::HTML, body),
            })
        };
        let made = tokio::task::spawn_blocking(answer).await;
        made.map_err(|_| Problem::internal("rendering a page panicked"))?
    }

    /// A redirect to `path`, with the same dataset and date.
    pub(super) fn redirect(&self, path: &str) -> Response {
        match self.snapshot.query.as_str() {
            "" => redirect(path),
            query => redirect(&format!("{path}?{query}")),
        }
    }

    /// Returns which of `total` items are on the requested page.
    ///
    /// # Errors
    /// When there is no such page.
    pub(super) fn part(&self, total: usize) -> Result<PageSlice, Problem> {
        let page = self.fields.get("page").map_or(Some(1), |text| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_plain)
        });
        let pages = total.div_ceil(ITEMS_PER_PAGE).max(1);
        page.and_then(|page| PageSlice::new(page, total))
            .ok_or_else(|| {
                let detail = format!("page must be a whole number from 1 to {pages}");
                Problem::bad_request("malformed", detail)
            })
    }
}
