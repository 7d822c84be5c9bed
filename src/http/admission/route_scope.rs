//! The scope of an API key that each route requires.

use crate::ops::keys::Scope;

/// Returns the scope of a route template, or `None` if the route never requires a key.
pub(in crate::http) fn scope_of_route(template: &str) -> Option<Scope> {
    let noun = template.strip_prefix("/api/v1").unwrap_or(template);
    match noun.trim_start_matches('/').split('/').next()? {
        "batch" => Some(Scope::Batch),
        "locate" => Some(Scope::Locate),
        "postcodes" | "outcodes" | "random" | "terminated_postcodes" => Some(Scope::Postcodes),
        "areas" | "practices" | "groups" if template.ends_with("/postcodes") => {
            Some(Scope::Postcodes)
        }
        "practices" => Some(Scope::Practices),
        "areas" | "changes" => Some(Scope::Areas),
        "ogc" => Some(Scope::Ogc),
        "tiles" => Some(Scope::Tiles),
        "maps" | "widget" => Some(Scope::Maps),
        "" | "groups" | "partnerships" | "compare" | "embed" | "put-this-map-on-your-site" => {
            Some(Scope::Pages)
        }
        // Health checks, `/ping`, API documents, the dataset's version and assets never require a key.
        _ => None,
    }
}
