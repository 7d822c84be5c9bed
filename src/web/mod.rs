//! The pages: HTML first, script second. Templates, styles and scripts are compiled into the program.

mod api;
pub(crate) mod assets;
mod embed;
mod frame;
mod list;
mod map;
#[allow(dead_code, unused_imports, reason = "for the pages to come")]
mod nhsuk;
pub(crate) mod ogc;
mod page;
mod words;

pub(crate) use api::openapi;
pub(crate) use embed::{EmbedPage, FRAME_HEIGHT, SITE_PATH, Shown, SitePage, embed, iframe, site};
pub(crate) use list::{ListFault, ListPage, list};
pub(crate) use page::{Fault, Home, Outcome, home, none, privacy};
pub(crate) use words::distance;
