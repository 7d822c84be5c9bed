//! `catchment serve`: options, start-up, reloads and shutdown of the service.

mod args;
mod listen;
mod logging;
mod reload;
mod signals;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};

pub(super) use self::args::ServeArguments;
use self::listen::{clamp_to_fd_limit, listen, serve_admin};
use self::logging::{print_ready, start_log};
use self::reload::{reload_keys_on_change, reload_on_change, reload_on_sighup};
use self::signals::{SighupStream, StopSignals, wait_for_stop_signal};
use crate::http::{self, App, FrameAncestors, admin};
use crate::ops::dataset_store::DatasetStore;
use crate::ops::log;

pub(super) fn serve(arguments: &ServeArguments) -> Result<ExitCode> {
    start_log(arguments.log_format, arguments.log_level)?;
    let access = arguments.access()?;
    let basemap = arguments.basemap()?;
    let uprns = arguments.uprn_table.clone();
    let store = DatasetStore::load_with_uprns(arguments.sources(), uprns)?;
    let store = Arc::new(store);
    if arguments.check_config {
        log::message("the settings, keys, basemap and datasets are valid");
        return Ok(ExitCode::SUCCESS);
    }
    for index in store.datasets().all() {
        tracing::info!(
            dataset = index.manifest().name,
            version = index.manifest().version,
            postcodes = index.postcodes().len(),
            practices = index.practices().len(),
            "loaded"
        );
    }
    let mut limits = arguments.limits();
    limits.connections = clamp_to_fd_limit(limits.connections);
    let keys = access.keys.clone();
    let app = App::new(Arc::clone(&store))
        .with_batch_limits(arguments.batch_limits())
        .with_access(access, &limits)
        .with_basemap(basemap)
        .with_compat(arguments.compat())
        .with_public_url(arguments.public_url.clone())
        .with_accessibility(arguments.accessibility())
        .with_source_age_max(arguments.source_age_max.clone())
        .with_frame_ancestors(FrameAncestors::from_origins(&arguments.embed_origin));
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(async {
        let listener = listen(arguments.listen)
            .with_context(|| format!("listening on {}", arguments.listen))?;
        let address = listener.local_addr()?;
        // Install the signal handlers before the address is printed. Without the handlers, a signal
        // would end the program at once.
        let stop_requested = wait_for_stop_signal(StopSignals::new());
        let sighups = SighupStream::new();
        print_ready(
            arguments.log_format,
            format_args!("listening on http://{address}/ (press Ctrl+C to stop)"),
        );
        if let Some(address) = &arguments.admin_listen {
            let router = admin::router(Arc::clone(&store), &app);
            let name = serve_admin(address, router).await?;
            tracing::info!(address = name, "admin listener started");
            print_ready(arguments.log_format, format_args!("admin listener on {name}"));
        }
        tokio::spawn(reload_on_sighup(sighups, Arc::clone(&store)));
        if arguments.watch {
            tokio::spawn(reload_on_change(Arc::clone(&store)));
        }
        if let Some(keys) = keys {
            tokio::spawn(reload_keys_on_change(keys));
        }
        if arguments.lacks_public_url() {
            tracing::warn!(
                "the public URL is not known, so links in TileJSON, OGC and oEmbed are relative; set it with --public-url"
            );
        }
        tracing::info!(%address, "listening");
        http::serve(listener, http::router(app), limits, stop_requested).await?;
        anyhow::Ok(())
    })?;
    // Do not wait for threads of aborted batches.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}
