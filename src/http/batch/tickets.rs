//! Tickets: one request uploads a batch while another downloads the output.
//!
//! Browsers, and most HTTP libraries, do not read a response before they have sent the whole
//! request, so the output of a long batch would have to be buffered. The client generates a random
//! ticket and uses it in both requests. A ticket works once. The only state is the two ends of a
//! channel.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::super::problem::Problem;
use super::Ready;

/// A random number of 128 bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ticket(u128);

impl FromStr for Ticket {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Ticket, Problem> {
        let is_right = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_right);
        number.map(Ticket).ok_or_else(|| {
            Problem::bad_request("malformed", "a ticket must be 32 random hexadecimal digits")
        })
    }
}

/// The longest time that an upload and its download wait for each other. Either may come first.
const MEET_WITHIN: Duration = Duration::from_secs(20);

/// The download's half of a ticket: receives the response, and signals that it was claimed.
struct Offered {
    ready: oneshot::Receiver<Ready>,
    taken: oneshot::Sender<()>,
}

/// The uploads that wait for their download.
pub(super) struct Tickets {
    meet_within: Duration,
    offered: Mutex<HashMap<Ticket, Offered>>,
    news: Notify,
}

/// The upload's half of a ticket. Dropping it removes the ticket from the registry.
pub(super) struct Offer {
    tickets: Arc<Tickets>,
    ticket: Ticket,
    ready: Option<oneshot::Sender<Ready>>,
    taken: oneshot::Receiver<()>,
    is_taken: bool,
}

impl Tickets {
    /// Creates a registry. The rendezvous timeout is no longer than `stalled_after`.
    pub(super) fn new(stalled_after: Duration) -> Tickets {
        Tickets {
            meet_within: stalled_after.min(MEET_WITHIN),
            offered: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Registers an upload with a ticket.
    ///
    /// # Errors
    /// When another upload has the same ticket.
    pub(super) fn offer(self: &Arc<Tickets>, ticket: Ticket) -> Result<Offer, Problem> {
        let (give, ready) = oneshot::channel();
        let (taken, is_taken) = oneshot::channel();
        match self.offered().entry(ticket) {
            Entry::Occupied(_) => {
                let detail = "this ticket is already in use; generate a new one";
                return Err(Problem::conflict("ticket_in_use", detail));
            }
            Entry::Vacant(place) => place.insert(Offered { ready, taken }),
        };
        self.news.notify_waiters();
        Ok(Offer {
            tickets: Arc::clone(self),
            ticket,
            ready: Some(give),
            taken: is_taken,
            is_taken: false,
        })
    }

    /// Waits for the upload with this ticket, and for its response.
    ///
    /// # Errors
    /// When there is no such upload in time, or it fails before it has a response.
    pub(super) async fn take(&self, ticket: Ticket) -> Result<Ready, Problem> {
        let offered = tokio::time::timeout(self.meet_within, self.offered_as(ticket));
        let offered = offered.await.map_err(|_| no_answers())?;
        // If the upload is gone, `response_rx` fails below.
        let _ = offered.taken.send(());
        offered.ready.await.map_err(|_| no_answers())
    }

    async fn offered_as(&self, ticket: Ticket) -> Offered {
        loop {
            let news = self.news.notified();
            if let Some(offered) = self.offered().remove(&ticket) {
                return offered;
            }
            news.await;
        }
    }

    fn offered(&self) -> MutexGuard<'_, HashMap<Ticket, Offered>> {
        self.offered
            .lock()
            .expect("nothing panics while it is locked")
    }
}

impl Offer {
    /// Waits for the download, and passes the response to it.
    ///
    /// # Errors
    /// When there is no download in time, or it ended.
    pub(super) async fn give(mut self, ready: Ready) -> Result<(), Problem> {
        let come = tokio::time::timeout(self.tickets.meet_within, &mut self.taken).await;
        self.is_taken = matches!(come, Ok(Ok(())));
        let give = self.ready.take().expect("it is delivered once");
        match give.send(ready) {
            Ok(()) if self.is_taken => Ok(()),
            _ => Err(nobody_came()),
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        // A claimed ticket has been removed; the same ticket may since have been registered again.
        if !self.is_taken {
            self.tickets.offered().remove(&self.ticket);
        }
    }
}

fn no_answers() -> Problem {
    let detail = "no batch was uploaded with this ticket, or it was rejected, or its output was already downloaded";
    Problem::unknown("unknown_ticket", detail)
}

fn nobody_came() -> Problem {
    let detail =
        "the output was not downloaded; request GET /api/v1/batch/{ticket} during the upload";
    Problem::conflict("not_downloaded", detail)
}
