//! A cache of the pages that are the same for all clients: rendered once for each dataset and date,
//! and compressed once for each content coding.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;
use maud::Markup;

use super::super::paced::SharedBody;
use super::{as_html, with_encoding};
use crate::domain::today_in_london;
use crate::index::Index;
use crate::tiles::{EncodedBody, Encoding};

/// A page that is cached.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum Shared {
    Home,
    Docs,
    Batch,
}

/// The cached pages of the current dataset. Clones share one cache.
#[derive(Clone, Default)]
pub(in crate::http) struct SharedPages([Arc<Mutex<Option<Kept>>>; 3]);

struct Kept {
    digest: String,
    day: Date,
    made: Arc<EncodedBody>,
}

impl SharedPages {
    /// Returns the response with a page. Blocks while another thread renders the same page.
    pub(in crate::http) fn response(
        &self,
        which: Shared,
        index: &Index,
        encoding: Encoding,
        render: impl FnOnce() -> Markup,
    ) -> Response {
        let made = self.made(which, index, today_in_london(), render);
        let body = made.encoded(encoding);
        let mut response = with_encoding(as_html(StatusCode::OK, body), encoding);
        response.extensions_mut().insert(SharedBody);
        response
    }

    fn made(
        &self,
        which: Shared,
        index: &Index,
        day: Date,
        render: impl FnOnce() -> Markup,
    ) -> Arc<EncodedBody> {
        let mut kept = self.0[which as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &*kept
            && kept.day == day
            && kept.digest == index.digest()
        {
            return Arc::clone(&kept.made);
        }
        let made = Arc::new(EncodedBody::new(render().into_string().into_bytes()));
        *kept = Some(Kept {
            digest: index.digest().to_string(),
            day,
            made: Arc::clone(&made),
        });
        made
    }
}
