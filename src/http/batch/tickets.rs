//! A list that one request sends and another takes: browsers, and most HTTP libraries, read nothing
//! before they have sent everything, and the answers of a long list would have to wait somewhere.
//!
//! Whoever sends makes a ticket up and tells it to nobody but who takes. It serves once. All of it is
//! in memory: nothing is kept for a ticket but the two ends of a stream.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::super::problem::Problem;
use super::Ready;

/// 128 bits that nobody guesses, as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ticket(u128);

impl FromStr for Ticket {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Ticket, Problem> {
        let is_right = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_right);
        number.map(Ticket).ok_or_else(|| {
            Problem::bad_request("malformed", "a ticket is 32 random hexadecimal digits")
        })
    }
}

/// The one who takes may come first, and the other way round; neither waits longer.
const MEET_WITHIN: Duration = Duration::from_secs(20);

/// Answers, and by what it is told that somebody has come for them.
struct Offered {
    ready: oneshot::Receiver<Ready>,
    taken: oneshot::Sender<()>,
}

/// Those who have sent, until somebody takes.
pub(super) struct Tickets {
    meet_within: Duration,
    offered: Mutex<HashMap<Ticket, Offered>>,
    news: Notify,
}

/// Answers that wait for their taker; dropped, they are there no more.
pub(super) struct Offer {
    tickets: Arc<Tickets>,
    ticket: Ticket,
    ready: Option<oneshot::Sender<Ready>>,
    taken: oneshot::Receiver<()>,
    is_taken: bool,
}

impl Tickets {
    /// For lists that may stand still for so long.
    pub(super) fn new(stalled_after: Duration) -> Tickets {
        Tickets {
            meet_within: stalled_after.min(MEET_WITHIN),
            offered: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Announces answers under a ticket.
    pub(super) fn offer(self: &Arc<Tickets>, ticket: Ticket) -> Result<Offer, Problem> {
        let (give, ready) = oneshot::channel();
        let (taken, is_taken) = oneshot::channel();
        match self.offered().entry(ticket) {
            Entry::Occupied(_) => {
                let detail = "a list with this ticket is under way: make another up";
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

    /// The answers, as soon as there are some.
    pub(super) async fn take(&self, ticket: Ticket) -> Result<Ready, Problem> {
        let offered = tokio::time::timeout(self.meet_within, self.offered_as(ticket));
        let offered = offered.await.map_err(|_| no_answers())?;
        // Where the sender has gone there are no answers either.
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
        self.offered.lock().expect("nothing panics under it")
    }
}

impl Offer {
    /// Hands the answers over, when somebody has come for them.
    pub(super) async fn give(mut self, ready: Ready) -> Result<(), Problem> {
        let come = tokio::time::timeout(self.tickets.meet_within, &mut self.taken).await;
        self.is_taken = matches!(come, Ok(Ok(())));
        let give = self.ready.take().expect("it is given once");
        match give.send(ready) {
            Ok(()) if self.is_taken => Ok(()),
            _ => Err(nobody_came()),
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        // Who took it removed it: what stands there now is another's.
        if !self.is_taken {
            self.tickets.offered().remove(&self.ticket);
        }
    }
}

fn no_answers() -> Problem {
    let detail =
        "no list was sent with this ticket, or it was refused, or somebody has the answers";
    Problem::unknown("unknown_ticket", detail)
}

fn nobody_came() -> Problem {
    let detail = "nobody came for the answers: GET /api/v1/batch/{ticket} while the list is sent";
    Problem::conflict("not_downloaded", detail)
}
