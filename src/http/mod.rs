//! The HTTP service. No other module deals with HTTP requests, responses or status codes. Handlers
//! extract parameters, query the index and build the response.

pub mod admin;
mod admission;
mod archive;
mod areas;
mod base_url;
mod basemap;
mod batch;
mod cached_response;
mod changes;
mod compat;
mod conditional;
mod drain;
mod embed;
mod extract;
mod limits;
mod locate;
mod mapit;
mod maps;
mod metadata;
mod metrics;
mod middleware;
mod negotiate;
mod ogc;
mod openapi;
mod paced_body;
mod pages;
mod postcodes;
mod practices;
mod problem;
mod query_params;
mod ranges;
mod request_context;
mod request_id;
mod request_metrics;
mod security_headers;
mod server;
mod source_age;
mod status;
mod tile_path;
mod tiles;
mod widget;

use std::sync::Arc;

use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use self::admission::AdmissionControl;
use crate::ops::dataset_store::{DatasetStore, LoadedDatasets};
use batch::BatchJobs;
use catchment_core::index::Index;
use catchment_tiles::basemap::Basemap;
use compat::OutcodeCache;
use middleware::{GuardLayer, RoutePolicy};
use pages::page_cache::PageCache;
use problem::Problem;
use source_age::SourceAgeLimits;
use widget::WidgetCache;

pub use crate::web::AccessibilityDetails;
pub use admission::{AccessConfig, InvalidIpNetwork, IpNetwork, IpRateLimit};
pub(crate) use areas::area_detail;
#[cfg(feature = "mcp")]
pub(crate) use areas::{areas_body, find_layer, require_layer, unknown_area};
pub use base_url::{InvalidPublicUrl, PublicUrl};
pub(crate) use batch::AUDIT_TARGET;
pub use batch::BatchLimits;
pub use compat::CompatLimits;
pub use embed::{EmbedOrigin, FrameAncestors, InvalidEmbedOrigin};
#[cfg(feature = "mcp")]
pub(crate) use extract::param_text;
pub use limits::ServerLimits;
pub(crate) use practices::practice_detail;
#[cfg(feature = "mcp")]
pub(crate) use practices::{practices_body, unknown_practice};
pub use server::{Listener, serve};
pub use source_age::{InvalidSourceAgeMax, SourceAgeMax};
pub(crate) use widget::{default_layer, ensure_drawable, widget_map_body};

/// The state that handlers share.
#[derive(Clone)]
pub struct App {
    dataset_store: Arc<DatasetStore>,
    batch_jobs: BatchJobs,
    widget_cache: WidgetCache,
    /// The cache of pages that are the same for all clients.
    pages: PageCache,
    frame_ancestors: FrameAncestors,
    /// The public URL of the service, if the operator sets it.
    public_url: Option<PublicUrl>,
    accessibility: Arc<AccessibilityDetails>,
    source_ages: SourceAgeLimits,
    admission_control: Arc<AdmissionControl>,
    /// Permits to render static maps.
    map_permits: Arc<Semaphore>,
    /// Permits to encode tiles.
    tile_permits: Arc<Semaphore>,
    /// The only permit to build an archive of all tiles.
    archive_permit: Arc<Semaphore>,
    /// The background map under the areas on interactive maps, if the operator has configured a
    /// basemap.
    basemap: Option<Arc<Basemap>>,
    /// The limits of the routes of postcodes.io; `None` if these routes and those of MapIt are
    /// turned off.
    compat: Option<CompatLimits>,
    outcode_cache: Arc<OutcodeCache>,
}

impl App {
    /// Creates the state of a service that answers from the given datasets.
    pub fn new(dataset_store: Arc<DatasetStore>) -> App {
        let batch_jobs = BatchJobs::new(BatchLimits::default());
        let admission_control = Arc::new(AdmissionControl::new(
            AccessConfig::default(),
            ServerLimits::default(),
        ));
        App {
            dataset_store,
            batch_jobs,
            admission_control,
            widget_cache: WidgetCache::default(),
            pages: PageCache::default(),
            map_permits: Arc::new(Semaphore::new(maps::CONCURRENT_MAPS_MAX)),
            tile_permits: Arc::new(Semaphore::new(admission::cpu_count())),
            archive_permit: Arc::new(Semaphore::new(1)),
            frame_ancestors: FrameAncestors::any(),
            public_url: None,
            accessibility: Arc::default(),
            source_ages: SourceAgeLimits::default(),
            basemap: None,
            compat: Some(CompatLimits::default()),
            outcode_cache: Arc::default(),
        }
    }

    /// Sets the access settings and the limits of the server.
    pub fn with_access(self, access: AccessConfig, limits: &ServerLimits) -> App {
        let admission_control = Arc::new(AdmissionControl::new(access, limits.clone()));
        App {
            admission_control,
            ..self
        }
    }

    /// Sets the limits of batches.
    pub fn with_batch_limits(self, limits: BatchLimits) -> App {
        let batch_jobs = BatchJobs::new(limits);
        App { batch_jobs, ..self }
    }

    /// Allows only these sites to show maps of the service in a frame.
    pub fn with_frame_ancestors(self, frame_ancestors: FrameAncestors) -> App {
        App {
            frame_ancestors,
            ..self
        }
    }

    /// Sets the public URL of the service. Without a public URL, links contain the host that a
    /// trusted proxy sends or, if there is no trusted proxy, no host.
    pub fn with_public_url(self, public_url: Option<PublicUrl>) -> App {
        App { public_url, ..self }
    }

    /// Sets the details in the accessibility statement about the organisation that runs the
    /// service.
    pub fn with_accessibility(self, details: AccessibilityDetails) -> App {
        let accessibility = Arc::new(details);
        App {
            accessibility,
            ..self
        }
    }

    /// Sets the limits on the age of sources.
    pub fn with_source_age_max(self, limits: Vec<SourceAgeMax>) -> App {
        let source_ages = SourceAgeLimits::new(limits);
        App {
            source_ages,
            ..self
        }
    }

    /// Sets the basemap under the areas on interactive maps.
    pub fn with_basemap(self, basemap: Option<Basemap>) -> App {
        let basemap = basemap.map(Arc::new);
        App { basemap, ..self }
    }

    /// Sets the limits of the routes of postcodes.io; `None` turns these routes and those of MapIt
    /// off.
    pub fn with_compat(self, compat: Option<CompatLimits>) -> App {
        App { compat, ..self }
    }

    fn guard(&self, policy: RoutePolicy) -> GuardLayer {
        GuardLayer::new(&self.admission_control, policy)
    }

    /// Returns the current datasets. Each request calls this function only once, so that its
    /// response is based on a single state of the datasets.
    fn loaded_datasets(&self) -> Arc<LoadedDatasets> {
        self.dataset_store.datasets()
    }
}

/// Returns the name and version of a dataset.
fn dataset_summary(index: &Index) -> Value {
    json!({ "name": index.manifest().name, "version": index.manifest().version })
}

/// Returns all routes of the service.
///
/// To add the routes to your own app, use `Router::fallback_service` or `Router::merge`, and serve
/// the app with [`serve`]; see `examples/mount_router.rs`. Do not use `Router::nest`: pages
/// link to paths from the root, and the classes of requests and the scopes of API keys depend on
/// the whole path of a route, so a nested route would not require a key.
pub fn router(app: App) -> Router {
    let api = Router::new()
        .route("/api/v1/locate", get(locate::get).post(locate::post))
        .route("/api/v1/postcodes", get(postcodes::search))
        .route("/api/v1/postcodes/{postcode}", get(postcodes::entry))
        .route("/api/v1/practices", get(practices::list))
        .route("/api/v1/practices/{ods_code}", get(practices::practice))
        .route("/api/v1/areas", get(areas::layers))
        .route("/api/v1/areas/{layer}", get(areas::layer))
        .route("/api/v1/areas/{layer}/{id}", get(areas::area))
        .route(
            "/api/v1/areas/{layer}/{id}/postcodes",
            get(postcodes::area_postcodes),
        )
        .route("/api/v1/changes", get(changes::changes))
        .route("/api/v1/dataset", get(status::dataset))
        .route("/ogc", get(ogc::landing))
        .route("/ogc/", get(ogc::landing))
        .route("/ogc/conformance", get(ogc::conformance))
        .route("/ogc/api", get(ogc::api))
        .route("/ogc/collections", get(ogc::collections))
        .route("/ogc/collections/{collection}", get(ogc::collection))
        .route("/ogc/collections/{collection}/items", get(ogc::items))
        .route(
            "/ogc/collections/{collection}/items/{feature}",
            get(ogc::item),
        )
        .route(
            "/ogc/collections/{collection}/queryables",
            get(ogc::queryables),
        )
        .route(
            "/ogc/collections/{collection}/tiles",
            get(ogc::tilesets_of_collection),
        )
        .route(
            "/ogc/collections/{collection}/tiles/{tileMatrixSetId}",
            get(ogc::tileset_of_collection),
        )
        .route(
            "/ogc/collections/{collection}/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}",
            get(ogc::tile_of_collection),
        )
        .route("/ogc/tiles", get(ogc::tilesets))
        .route("/ogc/tiles/{tileMatrixSetId}", get(ogc::tileset))
        .route(
            "/ogc/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}",
            get(ogc::tile),
        )
        .route("/ogc/tileMatrixSets", get(ogc::tile_matrix_sets))
        .route("/ogc/tileMatrixSets/{tileMatrixSetId}", get(ogc::tile_matrix_set))
        .route("/dataset.jsonld", get(metadata::dcat_record))
        .route("/datasets.atom", get(metadata::atom_feed))
        .route("/openapi.json", get(openapi::document))
        .route("/tiles/{name}", get(tiles::document))
        .route("/tiles/{layers}/{z}/{x}/{y}", get(tiles::tile))
        .route(
            "/tiles/{edition}/{layers}/{z}/{x}/{y}",
            get(tiles::edition_tile),
        )
        .route("/tiles/basemap/{edition}/{z}/{x}/{y}", get(basemap::tile))
        .route("/widget.js", get(widget::script))
        .route("/embed.js", get(widget::frame_script))
        .route("/widget/{layer}", get(widget::layer))
        .route("/widget/{layer}/{id}", get(widget::area))
        .route("/oembed", get(embed::oembed))
        .route("/maps/{image}", get(maps::layer))
        .route("/maps/{layer}/{image}", get(maps::area))
        // The fallback is set before the layer. If it were the fallback of the outer router, it
        // would be outside the layer and would reject preflight requests.
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(app.guard(middleware::API_ROUTES));
    let batch_api = Router::new()
        .route("/api/v1/batch", post(batch::post))
        .route("/api/v1/batch/{ticket}", get(batch::download))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(app.guard(middleware::API_ROUTES));
    let compat = match &app.compat {
        Some(_) => compat_routes(),
        None => Router::new(),
    };
    let compat = compat
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(app.guard(middleware::API_ROUTES))
        .layer(map_response(compat::problem_to_client_error));
    let mapit = match &app.compat {
        Some(_) => mapit_routes(),
        None => Router::new(),
    };
    let mapit = mapit
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(app.guard(middleware::API_ROUTES))
        .layer(map_response(mapit::problem_to_mapit_error));
    let pages = if cfg!(feature = "web") {
        page_routes()
    } else {
        Router::new().route("/", get(pages::pages_disabled))
    };
    let pages = pages
        .route(
            "/health/live",
            get(async || Json(json!({ "status": "live" }))),
        )
        .route("/health/ready", get(status::ready))
        .route("/robots.txt", get(pages::robots))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(
            app.clone(),
            pages::error_page::problem_to_html,
        ))
        .layer(app.guard(middleware::PAGE_ROUTES));
    let batch_pages = if cfg!(feature = "web") {
        Router::new().route("/batch", get(batch::form::page).post(batch::form::post))
    } else {
        Router::new()
    };
    let batch_pages = batch_pages
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(
            app.clone(),
            pages::error_page::problem_to_html,
        ))
        .layer(app.guard(middleware::PAGE_ROUTES));
    Router::new()
        .merge(api)
        .merge(batch_api)
        .merge(compat)
        .merge(mapit)
        .merge(batch_pages)
        .merge(pages)
        .with_state(app)
}

/// Returns the routes of postcodes.io.
fn compat_routes() -> Router<App> {
    Router::new()
        .route(
            "/postcodes",
            get(compat::postcodes::search).post(compat::bulk::post),
        )
        .route("/postcodes/{postcode}", get(compat::postcodes::postcode))
        .route(
            "/postcodes/{postcode}/validate",
            get(compat::postcodes::validate),
        )
        .route(
            "/postcodes/{postcode}/autocomplete",
            get(compat::postcodes::autocomplete),
        )
        .route(
            "/postcodes/{postcode}/nearest",
            get(compat::postcodes::nearest),
        )
        .route(
            "/postcodes/lon/{longitude}/lat/{latitude}",
            get(compat::postcodes::at_lon_lat),
        )
        .route(
            "/postcodes/lat/{latitude}/lon/{longitude}",
            get(compat::postcodes::at_lat_lon),
        )
        .route("/random/postcodes", get(compat::postcodes::random))
        .route("/outcodes", get(compat::outcodes::search))
        .route("/outcodes/{outcode}", get(compat::outcodes::outcode))
        .route(
            "/outcodes/{outcode}/nearest",
            get(compat::outcodes::nearest),
        )
        .route(
            "/terminated_postcodes/{postcode}",
            get(compat::postcodes::terminated),
        )
        .route("/ping", get(compat::postcodes::ping))
}

/// Returns the routes of MapIt. They have a prefix, because pages have paths such as
/// `/areas/{layer}`, too.
fn mapit_routes() -> Router<App> {
    Router::new()
        .route(
            "/mapit/postcode/{postcode}",
            get(mapit::locations::postcode),
        )
        .route(
            "/mapit/postcode/partial/{partial}",
            get(mapit::locations::partial_postcode),
        )
        .route("/mapit/point/{srid}/{point}", get(mapit::locations::point))
        .route(
            "/mapit/nearest/{srid}/{point}",
            get(mapit::locations::nearest),
        )
        .route("/mapit/area/{id}", get(mapit::areas::area))
        .route("/mapit/area/{id}/geometry", get(mapit::areas::geometry))
        .route(
            "/mapit/area/{id}/example_postcode",
            get(mapit::areas::example_postcode),
        )
        .route("/mapit/area/{id}/{relation}", get(mapit::areas::related))
        .route("/mapit/areas/{areas}", get(mapit::areas::areas))
        .route("/mapit/code/{scheme}/{code}", get(mapit::areas::by_code))
        .route("/mapit/generations", get(mapit::generations::list))
}

/// Returns the routes of the pages, except the batch page. The pages require the feature `web`.
fn page_routes() -> Router<App> {
    Router::new()
        .route("/", get(pages::home).post(pages::post_home))
        .route("/privacy", get(pages::privacy))
        .route("/sources", get(pages::sources))
        .route("/accessibility", get(pages::accessibility))
        .route("/areas", get(pages::areas::layers))
        .route("/areas/{layer}", get(pages::areas::layer))
        .route("/areas/{layer}/{id}", get(pages::areas::area))
        .route(
            "/areas/{layer}/{id}/postcodes",
            get(pages::areas::postcodes),
        )
        .route("/practices", get(pages::practices::list))
        .route("/practices/{ods_code}", get(pages::practices::practice))
        .route(
            "/practices/{ods_code}/postcodes",
            get(pages::practices::postcodes),
        )
        .route("/partnerships", get(pages::partnerships::list))
        .route("/partnerships/{id}", get(pages::partnerships::partnership))
        .route("/groups", get(pages::groups::list))
        .route("/groups/{id}", get(pages::groups::group))
        .route("/groups/{id}/postcodes", get(pages::groups::postcodes))
        .route("/compare", get(pages::compare::compare))
        .route("/changes", get(pages::changes::changes))
        .route("/docs", get(openapi::docs_page))
        .route("/embed", get(embed::page))
        .route("/put-this-map-on-your-site", get(embed::code_page))
        .route("/assets/{name}", get(pages::asset))
}
