//! The page, the scripts and the npm package of a static look-up.

use std::collections::BTreeMap;

use maud::{DOCTYPE, html};
use serde_json::{Value, json};

use crate::web::assets::{
    Asset, CATCHMENT_MODULE, ICON, SERVICE_WORKER, STATIC_PAGE_SCRIPT, STATIC_PAGE_STYLE,
    WIDGET_SCRIPT,
};
use catchment_core::index::Index;
use catchment_tiles::ContentEncoding;

/// The TypeScript types of `catchment.js`.
const TYPES: &str = include_str!("../../web/catchment.d.ts");
/// The content security policy of the page, which loads only files of its own site.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'";

/// Adds the files. `body` is the content of `index.json`.
pub(super) fn write(
    index: &Index,
    body: &Value,
    is_offline: bool,
    files: &mut BTreeMap<String, Vec<u8>>,
) {
    let scripts = [
        ("catchment.js", &CATCHMENT_MODULE),
        ("widget.js", &WIDGET_SCRIPT),
        ("page.js", &STATIC_PAGE_SCRIPT),
        ("page.css", &STATIC_PAGE_STYLE),
        ("icon.svg", &ICON),
    ];
    for (name, asset) in scripts {
        files.insert(name.into(), content_of(asset));
    }
    let manifest = index.manifest();
    let has_everything = body["everything"].is_string();
    let page = page(
        &manifest.title,
        &manifest.attribution,
        has_everything,
        is_offline,
    );
    files.insert("index.html".into(), page.into_bytes());
    files.insert("catchment.d.ts".into(), TYPES.into());
    files.insert("package.json".into(), package(&manifest.version));
    let web_manifest = web_manifest(&manifest.title);
    files.insert("manifest.webmanifest".into(), web_manifest);
    let worker = service_worker(body, files);
    files.insert("service-worker.js".into(), worker);
}

fn page(title: &str, attribution: &str, has_everything: bool, is_offline: bool) -> String {
    let offline = is_offline.then_some("");
    // To work without a connection, the page needs all answers. If the page has all answers, no
    // request depends on the postcode.
    let everything = (is_offline && has_everything).then_some("");
    let page = html! {
        (DOCTYPE)
        html lang="en-GB" data-offline=[offline] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="referrer" content="no-referrer";
                title { (title) }
                link rel="icon" href="icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="page.css";
                @if is_offline { link rel="manifest" href="manifest.webmanifest"; }
                script type="module" src="widget.js" {}
                script type="module" src="page.js" {}
            }
            body {
                main {
                    h1 { (title) }
                    catchment-map src="./" search everything=[everything] {
                        p id="waiting" { "Loading the map and the look-up…" }
                        noscript { p { "This page answers in your browser, so it needs JavaScript." } }
                    }
                    p id="problem" role="alert" hidden {}
                }
                footer {
                    p id="privacy" {}
                    p { (attribution) }
                }
            }
        }
    };
    page.into_string() + "\n"
}

fn package(version: &str) -> Vec<u8> {
    let program = env!("CARGO_PKG_VERSION");
    super::pretty(&json!({
        "name": "catchment-static",
        "description": format!("Looks up postcodes in the files of dataset {version}, without a \
                                service"),
        "version": program,
        "license": env!("CARGO_PKG_LICENSE"),
        "private": true,
        "type": "module",
        "types": "./catchment.d.ts",
        "exports": {
            ".": { "types": "./catchment.d.ts", "default": "./catchment.js" },
            "./widget.js": "./widget.js",
            "./index.json": "./index.json",
        },
        "engines": { "node": ">=20" },
        "sideEffects": ["./widget.js", "./page.js"],
    }))
}

fn web_manifest(title: &str) -> Vec<u8> {
    super::pretty(&json!({
        "name": title,
        "short_name": "Catchment",
        "lang": "en-GB",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": "#0b5c5c",
        "icons": [{ "src": "icon.svg", "type": "image/svg+xml", "sizes": "any", "purpose": "any" }],
    }))
}

/// Returns the service worker, which contains the list of files that it stores at the first visit.
/// The service worker changes whenever one of these files changes, so that browsers install the new
/// version.
fn service_worker(body: &Value, files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let hashed = |folder: &str| {
        body[folder]
            .as_str()
            .map(|hash| format!("{folder}/{hash}.bin"))
    };
    let default_map = body["maps"]["default"].as_str();
    let default_map = default_map.map(|layer| format!("widget/{layer}.json"));
    let fixed = [
        "catchment.js",
        "icon.svg",
        "index.html",
        "index.json",
        "manifest.webmanifest",
        "page.css",
        "page.js",
        "widget.js",
    ];
    let fixed = fixed.map(str::to_string).into_iter();
    let others = [hashed("practices"), hashed("everything"), default_map];
    let stored: Vec<String> = fixed
        .chain(others.into_iter().flatten())
        .filter(|path| files.contains_key(path))
        .collect();
    let content: Vec<u8> = stored.iter().flat_map(|path| files[path].clone()).collect();
    let stored = json!({ "version": super::hash(&content), "files": stored });
    let constant = format!("const COPY = {stored};\n").into_bytes();
    [constant, content_of(&SERVICE_WORKER)].concat()
}

fn content_of(asset: &Asset) -> Vec<u8> {
    asset.body.encoded(ContentEncoding::Identity).to_vec()
}
