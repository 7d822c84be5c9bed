//! Tickets for batches: with a ticket, one request uploads a batch while another request downloads
//! the output.
//!
//! Browsers, and most HTTP libraries, do not read a response before they have sent the whole
//! request, so without tickets the service would have to buffer the output of a long batch. The
//! client generates a random ticket and uses it in both requests. A ticket can be used only once.
//! For each ticket, the service stores only the two ends of a channel.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::super::problem::Problem;
use super::BatchResponse;

/// A random number of 128 bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BatchTicket(u128);

impl FromStr for BatchTicket {
    type Err = Problem;

    fn from_str(text: &str) -> Result<BatchTicket, Problem> {
        let is_valid = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = u128::from_str_radix(text, 16).ok().filter(|_| is_valid);
        value.map(BatchTicket).ok_or_else(|| {
            Problem::bad_request(
                "invalid_ticket",
                "a ticket must be 32 random hexadecimal digits",
            )
        })
    }
}

/// The maximum time for which an upload and its download wait for each other. Either request may
/// arrive first.
const RENDEZVOUS_TIMEOUT: Duration = Duration::from_secs(20);

/// The download's half of a ticket. The download's half receives the response, and signals that the
/// ticket was claimed.
struct PendingDownload {
    response_rx: oneshot::Receiver<BatchResponse>,
    claimed_tx: oneshot::Sender<()>,
}

/// The registry of uploads that wait for their downloads.
pub(super) struct TicketRegistry {
    timeout: Duration,
    pending: Mutex<HashMap<BatchTicket, PendingDownload>>,
    changed: Notify,
}

/// The upload's half of a ticket. Dropping this half removes the ticket from the registry.
pub(super) struct UploadHalf {
    registry: Arc<TicketRegistry>,
    ticket: BatchTicket,
    response_tx: Option<oneshot::Sender<BatchResponse>>,
    claimed_rx: oneshot::Receiver<()>,
    is_claimed: bool,
}

impl TicketRegistry {
    /// Creates a registry. An upload and its download wait for each other for at most
    /// `stall_timeout` and at most [`RENDEZVOUS_TIMEOUT`].
    pub(super) fn new(stall_timeout: Duration) -> TicketRegistry {
        TicketRegistry {
            timeout: stall_timeout.min(RENDEZVOUS_TIMEOUT),
            pending: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Registers an upload with a ticket.
    ///
    /// # Errors
    /// If another upload has the same ticket.
    pub(super) fn register(
        self: &Arc<TicketRegistry>,
        ticket: BatchTicket,
    ) -> Result<UploadHalf, Problem> {
        let (response_tx, response_rx) = oneshot::channel();
        let (claimed_tx, claimed_rx) = oneshot::channel();
        match self.lock_pending().entry(ticket) {
            Entry::Occupied(_) => {
                let detail = "this ticket is already in use; generate a new one";
                return Err(Problem::conflict("ticket_in_use", detail));
            }
            Entry::Vacant(entry) => entry.insert(PendingDownload {
                response_rx,
                claimed_tx,
            }),
        };
        self.changed.notify_waiters();
        Ok(UploadHalf {
            registry: Arc::clone(self),
            ticket,
            response_tx: Some(response_tx),
            claimed_rx,
            is_claimed: false,
        })
    }

    /// Waits for the upload with this ticket, and for its response.
    ///
    /// # Errors
    /// If no upload with this ticket arrives in time, or if the upload fails before it has a
    /// response.
    pub(super) async fn claim(&self, ticket: BatchTicket) -> Result<BatchResponse, Problem> {
        let claim = tokio::time::timeout(self.timeout, self.wait_for(ticket));
        let download = claim.await.map_err(|_| no_upload())?;
        // If the upload has ended, `response_rx` fails below.
        let _ = download.claimed_tx.send(());
        download.response_rx.await.map_err(|_| no_upload())
    }

    async fn wait_for(&self, ticket: BatchTicket) -> PendingDownload {
        loop {
            let changed = self.changed.notified();
            if let Some(download) = self.lock_pending().remove(&ticket) {
                return download;
            }
            changed.await;
        }
    }

    fn lock_pending(&self) -> MutexGuard<'_, HashMap<BatchTicket, PendingDownload>> {
        self.pending
            .lock()
            .expect("no code panics while the registry is locked")
    }
}

impl UploadHalf {
    /// Waits for the download, and passes the response to the download.
    ///
    /// # Errors
    /// If no download arrives in time, or if the download has ended.
    pub(super) async fn deliver(mut self, response: BatchResponse) -> Result<(), Problem> {
        let claimed = tokio::time::timeout(self.registry.timeout, &mut self.claimed_rx).await;
        self.is_claimed = matches!(claimed, Ok(Ok(())));
        let response_tx = self.response_tx.take().expect("delivered only once");
        match response_tx.send(response) {
            Ok(()) if self.is_claimed => Ok(()),
            _ => Err(no_download_request()),
        }
    }
}

impl Drop for UploadHalf {
    fn drop(&mut self) {
        // A claimed ticket has already been removed, and the same ticket may have been registered
        // again since then.
        if !self.is_claimed {
            self.registry.lock_pending().remove(&self.ticket);
        }
    }
}

fn no_upload() -> Problem {
    let detail = "no output waits for this ticket: the batch was not uploaded, was rejected or was already downloaded; use a new ticket";
    Problem::unknown("unknown_ticket", detail)
}

fn no_download_request() -> Problem {
    let detail =
        "the output was not downloaded; request GET /api/v1/batch/{ticket} during the upload";
    Problem::conflict("not_downloaded", detail)
}
