//! `catchment serve`.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::ValueEnum;
use tokio::net::TcpListener;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::DataArgument;
use crate::http::{self, App, Limits};

#[derive(Debug, clap::Args)]
pub(super) struct ServeArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
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
    let index = arguments.data.load()?;
    tracing::info!(
        dataset = index.manifest().name,
        version = index.manifest().version,
        postcodes = index.postcodes().len(),
        practices = index.practices().len(),
        "loaded"
    );
    let router = http::router(App::new(index));
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(arguments.listen)
            .await
            .with_context(|| format!("listening on {}", arguments.listen))?;
        let address = listener.local_addr()?;
        eprintln!("http://{address}/ answers; press Ctrl+C to stop");
        http::serve(listener, router, Limits::default(), asked_to_stop()).await?;
        anyhow::Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
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
async fn asked_to_stop() {
    let mut signals = Signals::new();
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
