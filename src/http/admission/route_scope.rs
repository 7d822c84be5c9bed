//! The scope of an API key that each route requires.

use crate::ops::keys::Scope;

/// Returns the scope of a route template, or `None` if the route never requires a key.
pub(in crate::http) fn scope_of_route(template: &str) -> Option<Scope> {
    let prefixes = ["/api/v1", "/mapit"].into_iter();
    let mut nouns = prefixes.filter_map(|prefix| template.strip_prefix(prefix));
    let noun = nouns.next().unwrap_or(template);
    match noun.trim_start_matches('/').split('/').next()? {
        "batch" => Some(Scope::Batch),
        "locate" => Some(Scope::Locate),
        "postcodes"
        | "outcodes"
        | "random"
        | "terminated_postcodes"
        | "postcode"
        | "point"
        | "nearest" => Some(Scope::Postcodes),
        "area" if template.ends_with("/example_postcode") => Some(Scope::Postcodes),
        "areas" | "practices" | "groups" if template.ends_with("/postcodes") => {
            Some(Scope::Postcodes)
        }
        "practices" => Some(Scope::Practices),
        "areas" | "area" | "code" | "generations" | "changes" => Some(Scope::Areas),
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
