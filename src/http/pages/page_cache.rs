//! A cache of the pages that are the same for all clients. A page is rendered once for each dataset
//! and date, and compressed once for each content coding.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;
use maud::Markup;

use super::super::paced_body::SharedBody;
use super::{as_html, with_encoding};
use catchment_core::domain::today_in_london;
use catchment_core::index::Index;
use catchment_tiles::{ContentEncoding, EncodedBody};

/// A page that can be cached.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum CachedPage {
    Home,
    Docs,
    Batch,
}

/// The cached pages of the current dataset. Clones share one cache.
#[derive(Clone, Default)]
pub(in crate::http) struct PageCache([Arc<Mutex<Option<CachedRender>>>; 3]);

struct CachedRender {
    digest: String,
    day: Date,
    body: Arc<EncodedBody>,
}

impl PageCache {
    /// Returns the response with a page. If the page is not cached, it is rendered. The function
    /// blocks while another thread renders the same page.
    pub(in crate::http) fn response(
        &self,
        page: CachedPage,
        index: &Index,
        encoding: ContentEncoding,
        render: impl FnOnce() -> Markup,
    ) -> Response {
        let encoded_body = self.get_or_render(page, index, today_in_london(), render);
        let body = encoded_body.encoded(encoding);
        let mut response = with_encoding(as_html(StatusCode::OK, body), encoding);
        response.extensions_mut().insert(SharedBody);
        response
    }

    fn get_or_render(
        &self,
        page: CachedPage,
        index: &Index,
        day: Date,
        render: impl FnOnce() -> Markup,
    ) -> Arc<EncodedBody> {
        let mut slot = self.0[page as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = &*slot
            && cached.day == day
            && cached.digest == index.digest()
        {
            return Arc::clone(&cached.body);
        }
        let body = Arc::new(EncodedBody::new(render().into_string().into_bytes()));
        *slot = Some(CachedRender {
            digest: index.digest().to_string(),
            day,
            body: Arc::clone(&body),
        });
        body
    }
}
