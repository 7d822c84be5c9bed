//! The pages: HTML first, script second.
//!
//! - [`nhsuk`] has the components of the NHS design system, [`frame`] what stands around every page.
//! - A page is a file here: what it says, of components. Handlers are in `http`.
//! - `*.scss`, `*.css` and `*.js` are built by `build.rs`, which names each; [`assets`] hands them out. What
//!   the pages load comes from here alone.

mod answer;
mod api;
pub(crate) mod assets;
mod embed;
mod frame;
mod home;
mod list;
mod live_map;
mod nhsuk;
pub(crate) mod ogc;
mod privacy;
pub(crate) mod things;
mod words;

pub(crate) use answer::map_of;
pub(crate) use api::openapi;
pub(crate) use embed::{EmbedPage, FRAME_HEIGHT, SITE_PATH, Shown, SitePage, embed, iframe, site};
pub(crate) use home::{Asked, Fault, FormField, Home, Outcome, home};
pub(crate) use list::{ListFault, ListPage, list};
pub(crate) use privacy::{none, privacy};
pub(crate) use things::path_segment;
pub(crate) use words::distance;
