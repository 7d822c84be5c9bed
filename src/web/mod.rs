//! The pages: HTML first, no script. Templates and styles are compiled into the program.

mod api;
mod map;
pub(crate) mod ogc;
mod page;
mod words;

pub(crate) use api::openapi;
pub(crate) use page::{Fault, Home, Outcome, home, privacy};
pub(crate) use words::distance;

/// The style sheet.
pub(crate) const STYLE: &str = include_str!("style.css");
/// The picture in the tab.
pub(crate) const ICON: &str = include_str!("icon.svg");
