//! Adds the routes of Catchment to your own axum app, and serves the app on a free port.
//!
//! Run it with `cargo run --example mount_router`, and open the URL that it prints.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use catchment::dataset::DatasetSource;
use catchment::http::{self, App, ServerLimits};
use catchment::ops::dataset_store::DatasetStore;
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The first dataset is the default. Requests select the other datasets by version.
    let store = Arc::new(DatasetStore::load(vec![DatasetSource::Embedded])?);

    // Requests that do not match any of your routes go to Catchment. Do not use `nest`, because
    // pages link to paths from the root, and limits and API keys depend on the whole path of a
    // route.
    let app = Router::new()
        .route("/hello", get(async || "a route of your own\n"))
        .fallback_service(http::router(App::new(store)));

    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}/ (press Ctrl+C to stop)");

    // `axum::serve` also works, but it has no timeouts. Moreover, `axum::serve` does not pass on
    // the addresses of clients, so all clients would share the limits of one client.
    let limits = ServerLimits {
        // No delay is needed, because there is no load balancer that must first see `/health/ready`
        // fail.
        shutdown_delay: Duration::ZERO,
        ..ServerLimits::default()
    };
    let stop = async { ctrl_c().await.expect("a handler for Ctrl+C") };
    http::serve(listener, app, limits, stop).await?;
    Ok(())
}
