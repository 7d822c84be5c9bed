//! The signals that stop the service or reload its datasets.

use std::time::Duration;

use crate::ops::log;

/// The maximum time for writing the last log lines before a forced exit.
const EXIT_FLUSH_TIMEOUT: Duration = Duration::from_millis(100);

/// Completes at the first stop signal. The second signal exits the program at once.
pub(super) async fn wait_for_stop_signal(mut signals: StopSignals) {
    signals.next().await;
    tokio::spawn(async move {
        signals.next().await;
        log::flush(EXIT_FLUSH_TIMEOUT);
        std::process::exit(130);
    });
}

/// Streams of SIGINT and SIGTERM. The streams stay open, so that no signal is lost between two
/// waits.
#[cfg(unix)]
pub(super) struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    pub(super) fn new() -> StopSignals {
        use tokio::signal::unix::{SignalKind, signal};
        StopSignals {
            interrupt: signal(SignalKind::interrupt()).expect("a SIGINT handler"),
            terminate: signal(SignalKind::terminate()).expect("a SIGTERM handler"),
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The stop signal on other platforms: Ctrl+C.
#[cfg(not(unix))]
pub(super) struct StopSignals;

#[cfg(not(unix))]
impl StopSignals {
    pub(super) fn new() -> StopSignals {
        StopSignals
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// A stream of the SIGHUP signals that arrive after its creation.
#[cfg(unix)]
pub(super) struct SighupStream(tokio::signal::unix::Signal);

#[cfg(unix)]
impl SighupStream {
    pub(super) fn new() -> SighupStream {
        use tokio::signal::unix::{SignalKind, signal};
        SighupStream(signal(SignalKind::hangup()).expect("a SIGHUP handler"))
    }

    pub(super) async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

/// An empty stream, because the platform has no SIGHUP.
#[cfg(not(unix))]
pub(super) struct SighupStream;

#[cfg(not(unix))]
impl SighupStream {
    pub(super) fn new() -> SighupStream {
        SighupStream
    }

    pub(super) async fn next(&mut self) -> Option<()> {
        None
    }
}
