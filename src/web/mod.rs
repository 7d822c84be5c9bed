//! The pages: HTML first, script second. Templates, styles and scripts are compiled into the program.

mod answer;
mod api;
pub(crate) mod assets;
mod embed;
mod frame;
mod home;
mod list;
mod nhsuk;
pub(crate) mod ogc;
mod privacy;
pub(crate) mod things;
mod words;

pub(crate) use answer::map_of;
pub(crate) use api::openapi;
pub(crate) use embed::{EmbedPage, FRAME_HEIGHT, SITE_PATH, Shown, SitePage, embed, iframe, site};
pub(crate) use home::{Fault, FormField, Home, Outcome, home};
pub(crate) use list::{ListFault, ListPage, list};
pub(crate) use privacy::{none, privacy};
pub(crate) use words::distance;
