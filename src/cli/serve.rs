//! `catchment serve`.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use clap::ValueEnum;
use tokio::net::TcpListener;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::dataset::{Files, MANIFEST};
use crate::http::{self, App, BatchLimits, EmbedOrigin, FrameAncestors, Limits, admin};
use crate::releases::Live;

#[derive(Debug, clap::Args)]
pub(super) struct ServeArguments {
    /// A dataset's folder; by default the dataset compiled into the program. Given more than once,
    /// the first answers, and the others when they are asked for by ?dataset=VERSION.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the operator may POST /reload and GET /metrics; nowhere by default. Keep it from others.
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<SocketAddr>,
    /// Reload when a dataset's manifest changes; looked at every two seconds.
    #[arg(long)]
    watch: bool,
    /// A site that may hold our map in a frame, such as `https://www.example.nhs.uk` or `https://*.nhs.uk`.
    /// Given more than once, each; not given, any site.
    #[arg(long, value_name = "ORIGIN")]
    embed_origin: Vec<EmbedOrigin>,
    /// The longest list that is answered, in bytes as it is sent.
    #[arg(long, value_name = "BYTES", default_value_t = BatchLimits::default().bytes)]
    batch_bytes: u64,
    /// How many lists are answered at a time, 0 for none; others are asked to come again.
    #[arg(long, value_name = "N", default_value_t = BatchLimits::default().lists)]
    batch_lists: usize,
    /// How many threads work on a list; by default half as many as there are processors.
    #[arg(long, value_name = "N")]
    batch_threads: Option<NonZeroUsize>,
    /// A list that stands still for so long is given up: fewer than 1,000 bytes a second, in and out.
    #[arg(long, value_name = "SECONDS", default_value_t = BatchLimits::default().stalled_after.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    batch_stall: u64,
    /// How log lines look. They hold routes, statuses and times, never what was asked.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// How much is logged.
    #[arg(
        long,
        value_name = "error|warn|info|debug|trace",
        default_value = "info"
    )]
    log_level: Level,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub(super) fn serve(arguments: &ServeArguments) -> Result<ExitCode> {
    start_log(arguments);
    let live = Arc::new(Live::start(sources(arguments))?);
    for index in live.releases().all() {
        tracing::info!(
            dataset = index.manifest().name,
            version = index.manifest().version,
            postcodes = index.postcodes().len(),
            practices = index.practices().len(),
            "loaded"
        );
    }
    let app = App::new(Arc::clone(&live))
        .with_batch_limits(arguments.batch_limits())
        .with_frame_ancestors(FrameAncestors::of(&arguments.embed_origin));
    let router = http::router(app);
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(arguments.listen)
            .await
            .with_context(|| format!("listening on {}", arguments.listen))?;
        let address = listener.local_addr()?;
        // Before anybody is told that the service is there: until then a signal ends the program.
        let stop = asked_to_stop(Signals::new());
        let hangups = Hangups::new();
        eprintln!("http://{address}/ answers; press Ctrl+C to stop");
        if let Some(address) = arguments.admin_listen {
            serve_operator(address, &live).await?;
        }
        tokio::spawn(reload_on_hangup(hangups, Arc::clone(&live)));
        if arguments.watch {
            tokio::spawn(reload_on_change(Arc::clone(&live)));
        }
        http::serve(listener, router, Limits::default(), stop).await?;
        anyhow::Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

impl ServeArguments {
    fn batch_limits(&self) -> BatchLimits {
        let usual = BatchLimits::default();
        BatchLimits {
            bytes: self.batch_bytes,
            lists: self.batch_lists,
            threads: self.batch_threads.unwrap_or(usual.threads),
            stalled_after: Duration::from_secs(self.batch_stall),
        }
    }
}

fn sources(arguments: &ServeArguments) -> Vec<Files> {
    match arguments.data.as_slice() {
        [] => vec![Files::Embedded],
        folders => folders.iter().cloned().map(Files::Folder).collect(),
    }
}

/// The operator's listener; it ends with the program.
async fn serve_operator(address: SocketAddr, live: &Arc<Live>) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address} for the operator"))?;
    eprintln!("http://{}/reload is the operator's", listener.local_addr()?);
    let router = admin::router(Arc::clone(live));
    tokio::spawn(http::serve(
        listener,
        router,
        Limits::default(),
        std::future::pending(),
    ));
    Ok(())
}

/// Reloads at every SIGHUP.
async fn reload_on_hangup(mut hangups: Hangups, live: Arc<Live>) {
    while hangups.next().await.is_some() {
        // It is logged, and the next hang-up tries again.
        let _ = admin::reloaded(Arc::clone(&live)).await;
    }
}

/// SIGHUP, listened for from when this is made.
#[cfg(unix)]
struct Hangups(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangups {
    fn new() -> Hangups {
        use tokio::signal::unix::{SignalKind, signal};
        Hangups(signal(SignalKind::hangup()).expect("SIGHUP can be listened for"))
    }

    async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

/// There is none.
#[cfg(not(unix))]
struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    fn new() -> Hangups {
        Hangups
    }

    async fn next(&mut self) -> Option<()> {
        None
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Reloads when a manifest is another file than it was: a dataset is replaced whole, its manifest
/// with it.
async fn reload_on_change(live: Arc<Live>) {
    let mut seen = manifests(&live);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = manifests(&live);
        if now != seen {
            let _ = admin::reloaded(Arc::clone(&live)).await;
            seen = now;
        }
    }
}

/// When each dataset's manifest was last written; `None` where it is not there.
fn manifests(live: &Live) -> Vec<Option<SystemTime>> {
    let written = |folder: PathBuf| {
        folder
            .join(MANIFEST)
            .metadata()
            .and_then(|it| it.modified())
    };
    live.folders()
        .into_iter()
        .map(|folder| written(folder).ok())
        .collect()
}

/// Our own lines alone: other crates' might quote a request.
fn start_log(arguments: &ServeArguments) {
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), arguments.log_level);
    let lines = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(ours);
    match arguments.log_format {
        LogFormat::Text => registry.with(lines).init(),
        LogFormat::Json => registry.with(lines.json()).init(),
    }
}

/// Done at the first signal to stop; the second one ends the program at once.
async fn asked_to_stop(mut signals: Signals) {
    signals.next().await;
    tokio::spawn(async move {
        signals.next().await;
        std::process::exit(130);
    });
}

/// SIGINT and SIGTERM, listened for once and for all: none is lost between two waits.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Signals {
        use tokio::signal::unix::{SignalKind, signal};
        Signals {
            interrupt: signal(SignalKind::interrupt()).expect("SIGINT can be listened for"),
            terminate: signal(SignalKind::terminate()).expect("SIGTERM can be listened for"),
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ctrl+C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Signals {
        Signals
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
