//! The pages: HTML first, script second.
//!
//! - [`nhsuk`] has the components of the NHS design system, [`layout`] what stands around every page.
//! - A page is a file here: what it says, of components. Handlers are in `http`.
//! - `*.scss`, `*.css` and `*.js` are built by `build.rs`, which names each; [`assets`] hands them out. What
//!   the pages load comes from here alone.

pub(crate) mod assets;
mod batch;
pub(crate) mod directory;
mod embed;
mod format;
mod interactive_map;
mod layout;
mod lookup;
mod lookup_result;
mod nhsuk;
pub(crate) mod ogc;
mod openapi;
mod privacy;

pub(crate) use batch::{ListFault, ListPage, list};
pub(crate) use directory::path_segment;
pub(crate) use embed::{EmbedPage, FRAME_HEIGHT, SITE_PATH, Shown, SitePage, embed, iframe, site};
pub(crate) use format::distance;
pub(crate) use lookup::{Asked, Fault, FormField, Home, Outcome, home};
pub(crate) use lookup_result::map_of;
pub(crate) use openapi::openapi;
pub(crate) use privacy::{none, privacy};
