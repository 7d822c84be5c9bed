//! The pages: HTML first, script second. Templates, styles and scripts are compiled into the program.

mod api;
mod embed;
mod list;
mod map;
pub(crate) mod ogc;
mod page;
mod words;

pub(crate) use api::openapi;
pub(crate) use embed::{EmbedPage, FRAME_HEIGHT, SITE_PATH, Shown, SitePage, embed, iframe, site};
pub(crate) use list::{ListFault, ListPage, list};
pub(crate) use page::{Fault, Home, Outcome, home, privacy};
pub(crate) use words::distance;

/// The style sheet.
pub(crate) const STYLE: &str = include_str!("style.css");
/// The script of the page of lists.
pub(crate) const LIST_SCRIPT: &str = include_str!("list.js");
/// The element for other sites.
pub(crate) const WIDGET_SCRIPT: &str = include_str!("widget.js");
/// The script of the frame for other sites, at both its ends.
pub(crate) const EMBED_SCRIPT: &str = include_str!("embed.js");
/// The style sheet of what stands in the frame.
pub(crate) const EMBED_STYLE: &str = include_str!("embed.css");
/// The script of the page for other sites' editors.
pub(crate) const SITE_SCRIPT: &str = include_str!("site.js");
/// The picture in the tab.
pub(crate) const ICON: &str = include_str!("icon.svg");
