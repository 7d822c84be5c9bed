//! The service. Only this module knows JSON and status codes; a handler extracts, asks the index and
//! shapes the answer.

pub mod admin;
mod areas;
pub(crate) mod batch;
pub(crate) mod body;
mod conditional;
mod directory;
mod embed;
mod input;
pub(crate) mod json;
pub(crate) mod locate;
mod negotiate;
mod ogc;
mod openapi;
mod origin;
mod pages;
mod postcodes;
mod practices;
mod prepared;
pub(crate) mod problem;
mod protect;
mod server;
mod snapshot;
mod tiles;
mod widget;

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;

use crate::index::Index;
use crate::releases::{Live, Releases};
use batch::Lists;
use problem::Problem;
use widget::Pictures;

pub use batch::BatchLimits;
pub use embed::{EmbedOrigin, FrameAncestors, InvalidEmbedOrigin};
pub use server::{Limits, serve};

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    live: Arc<Live>,
    lists: Lists,
    pictures: Pictures,
    frame_ancestors: FrameAncestors,
}

impl App {
    /// A service that answers from these datasets.
    pub fn new(live: Arc<Live>) -> App {
        let lists = Lists::new(BatchLimits::default());
        App {
            live,
            lists,
            pictures: Pictures::default(),
            frame_ancestors: FrameAncestors::any(),
        }
    }

    /// Allows lists so much.
    pub fn with_batch_limits(self, limits: BatchLimits) -> App {
        let lists = Lists::new(limits);
        App { lists, ..self }
    }

    /// Lets these sites alone hold its map in a frame.
    pub fn with_frame_ancestors(self, frame_ancestors: FrameAncestors) -> App {
        App {
            frame_ancestors,
            ..self
        }
    }

    /// The datasets as they are now; taken once for a whole request.
    fn releases(&self) -> Arc<Releases> {
        self.live.releases()
    }
}

/// A dataset in a few words.
fn described(index: &Index) -> Value {
    json!({ "name": index.manifest().name, "version": index.manifest().version })
}

/// Every route of the service.
pub fn router(app: App) -> Router {
    let api = Router::new()
        .route("/api/v1/locate", get(locate::get).post(locate::post))
        .route("/api/v1/postcodes", get(postcodes::search))
        .route("/api/v1/postcodes/{postcode}", get(postcodes::one))
        .route("/api/v1/practices", get(practices::list))
        .route("/api/v1/practices/{ods_code}", get(practices::one))
        .route("/api/v1/areas", get(areas::layers))
        .route("/api/v1/areas/{layer}", get(areas::layer))
        .route("/api/v1/areas/{layer}/{id}", get(areas::one))
        .route(
            "/api/v1/areas/{layer}/{id}/postcodes",
            get(postcodes::of_area),
        )
        .route("/api/v1/dataset", get(directory::dataset))
        .route("/ogc", get(ogc::landing))
        .route("/ogc/", get(ogc::landing))
        .route("/ogc/conformance", get(ogc::conformance))
        .route("/ogc/api", get(ogc::api))
        .route("/ogc/collections", get(ogc::collections))
        .route("/ogc/collections/{collection}", get(ogc::one))
        .route("/ogc/collections/{collection}/items", get(ogc::items))
        .route(
            "/ogc/collections/{collection}/items/{feature}",
            get(ogc::item),
        )
        .route("/openapi.json", get(openapi::document))
        .route("/tiles/{name}", get(tiles::description))
        .route("/tiles/{layers}/{z}/{x}/{y}", get(tiles::tile))
        .route(
            "/tiles/{edition}/{layers}/{z}/{x}/{y}",
            get(tiles::tile_of_edition),
        )
        .route("/widget.js", get(widget::script))
        .route("/embed.js", get(widget::frame_script))
        .route("/widget/{layer}", get(widget::layer))
        .route("/widget/{layer}/{id}", get(widget::area))
        .route("/oembed", get(embed::oembed))
        // Before the layer: the outer router's would be set over it, and refuse a preflight.
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        // One layer, not two: each that a router is given costs every request a box.
        .layer((protect::any_origin(), middleware::from_fn(protect::in_time)));
    let lists = Router::new()
        .route("/api/v1/batch", post(batch::post))
        .route("/api/v1/batch/{ticket}", get(batch::take))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(protect::any_origin());
    let pages = Router::new()
        .route("/", get(pages::home).post(pages::answer))
        .route("/privacy", get(pages::privacy))
        .route("/docs", get(openapi::page))
        .route("/embed", get(embed::page))
        .route("/put-this-map-on-your-site", get(embed::site))
        .route("/assets/{name}", get(pages::asset))
        .route(
            "/health/live",
            get(async || Json(json!({ "status": "live" }))),
        )
        .route("/health/ready", get(directory::ready))
        .layer(middleware::from_fn(protect::in_time));
    Router::new()
        .merge(api)
        .merge(lists)
        .merge(pages)
        .route("/batch", get(batch::form::page).post(batch::form::answer))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer((
            middleware::from_fn(protect::log_and_guard),
            CatchPanicLayer::custom(protect::panicked),
        ))
        .with_state(app)
}
