//! The HTML pages, which work without JavaScript.
//!
//! - [`nhsuk`] contains the components of the NHS design system, [`layout`] contains the layout of
//!   every page, and [`links`] contains the URLs of pages.
//! - Every other module is a page or a group of pages. The request handlers are in `http`.
//! - `build.rs` lists and builds the `*.scss`, `*.css` and `*.js` files, and [`assets`] serves the
//!   results. Pages load nothing from other hosts.

mod accessibility;
mod answer_summary;
pub(crate) mod assets;
mod batch;
mod batch_codes;
pub(crate) mod directory;
mod embed;
mod format;
mod interactive_map;
mod layout;
mod links;
mod lookup;
mod lookup_result;
mod nhsuk;
pub(crate) mod ogc;
mod openapi;
mod practice_text;
mod privacy;
mod sources;
mod words;

pub use accessibility::AccessibilityDetails;
pub(crate) use accessibility::{ROBOTS_TXT, accessibility};
pub(crate) use batch::{BatchFormError, BatchPage, COLUMNS_FIELD, batch};
pub(crate) use embed::{
    EmbedCodePage, EmbedPage, EmbeddedMap, FRAME_HEIGHT, embed, embed_code, iframe,
};
pub(crate) use format::{count_with_noun, distance};
pub(crate) use links::path_segment;
pub(crate) use lookup::{
    FormError, FormField, LookupPage, LookupState, TypedValues, example_code, lookup,
};
pub(crate) use lookup_result::{LookupResult, map_request};
pub(crate) use openapi::{ApiExample, ApiPage, openapi};
pub(crate) use privacy::{pages_disabled, privacy};
pub(crate) use sources::sources;
pub(crate) use words::{full_noun, group_noun, group_nouns};
