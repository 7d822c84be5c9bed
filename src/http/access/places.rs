//! A semaphore that clients share fairly.
//!
//! Each client has at most a fixed number of permits. When no permit is free, requests wait in a
//! queue that is bounded in total and for each client. It is served round robin by client, so that
//! a client with many requests delays only its own. When the queue is full, the client with the
//! most waiting requests loses its latest one to a client with fewer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The client that a request is counted for: a keyed digest of an address or of the id of an API
/// key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(in crate::http) struct ClientId(pub(super) u64);

/// The number of permits, and of requests that may wait for one.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct PlaceLimits {
    /// Permits in total.
    pub(in crate::http) places: usize,
    /// Permits of one client.
    pub(in crate::http) places_per_client: usize,
    /// Waiting requests in total.
    pub(in crate::http) queue: usize,
    /// Waiting requests of one client.
    pub(in crate::http) queue_per_client: usize,
}

/// Why a request got no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Refusal {
    /// All permits are taken, and the queue is full.
    Full,
    /// The client has as many running and waiting requests as it may have.
    ClientFull,
}

/// A semaphore with a fair queue. Clones share the permits and the queue.
#[derive(Clone)]
pub(in crate::http) struct Places(Arc<Shared>);

struct Shared {
    limits: PlaceLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    queued: usize,
    next_number: u64,
    /// Clients that have a permit or wait for one.
    clients: HashMap<ClientId, Client>,
    /// Clients that wait; the next to be served is first.
    turn: VecDeque<ClientId>,
}

#[derive(Default)]
struct Client {
    taken: usize,
    queue: VecDeque<Queued>,
}

struct Queued {
    number: u64,
    grant: oneshot::Sender<Result<Place, Refusal>>,
}

impl Places {
    pub(in crate::http) fn new(limits: PlaceLimits) -> Places {
        Places(Arc::new(Shared {
            limits,
            state: Mutex::default(),
        }))
    }

    /// Returns the number of permits in use.
    pub(in crate::http) fn taken(&self) -> usize {
        self.0.state().taken
    }

    /// Returns the number of waiting requests.
    pub(in crate::http) fn queued(&self) -> usize {
        self.0.state().queued
    }

    /// Acquires a permit, or joins the queue.
    pub(in crate::http) fn enter(&self, client: ClientId) -> Result<Entry, Refusal> {
        let mut state = self.0.state();
        let limits = &self.0.limits;
        let (taken, queued) = state.counts(client);
        // While a permit is free, no request that may have it is waiting: see `grant_waiting`.
        if state.taken < limits.places && taken < limits.places_per_client {
            state.take(client);
            drop(state);
            return Ok(Entry::Place(Place::new(&self.0, client)));
        }
        if limits.places == 0 {
            return Err(Refusal::Full);
        }
        if queued >= limits.queue_per_client {
            let has_its_share = taken >= limits.places_per_client || queued > 0;
            return Err(match has_its_share {
                true => Refusal::ClientFull,
                false => Refusal::Full,
            });
        }
        let displaced = match state.queued >= limits.queue {
            true => Some(state.displace(queued + 1).ok_or(Refusal::Full)?),
            false => None,
        };
        let number = state.next_number;
        state.next_number += 1;
        let (grant, granted) = oneshot::channel();
        state.queue(client, Queued { number, grant });
        drop(state);
        if let Some(displaced) = displaced {
            // The displaced request may have been dropped meanwhile.
            let _ = displaced.grant.send(Err(Refusal::Full));
        }
        Ok(Entry::Queued(QueueEntry {
            shared: Arc::clone(&self.0),
            client,
            number,
            granted,
        }))
    }

    /// Acquires a permit beyond the total limit, for a request for which another one was evicted.
    pub(in crate::http) fn enter_beyond_limit(&self, client: ClientId) -> Place {
        self.0.state().take(client);
        Place::new(&self.0, client)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(self: &Arc<Shared>, client: ClientId) {
        let mut state = self.state();
        state.taken -= 1;
        state.change(client, |it| it.taken -= 1);
        drop(state);
        self.grant();
    }

    /// Grants the free permits to waiting requests.
    fn grant(self: &Arc<Shared>) {
        loop {
            let mut state = self.state();
            if state.taken >= self.limits.places {
                return;
            }
            let Some((client, queued)) = state.next(self.limits.places_per_client) else {
                return;
            };
            state.take(client);
            drop(state);
            // If the request was dropped, so is the permit, which is then granted to the next.
            let _ = queued.grant.send(Ok(Place::new(self, client)));
        }
    }
}

impl State {
    /// Returns the numbers of permits and of waiting requests of a client.
    fn counts(&self, client: ClientId) -> (usize, usize) {
        let client = self.clients.get(&client);
        client.map_or((0, 0), |it| (it.taken, it.queue.len()))
    }

    fn take(&mut self, client: ClientId) {
        self.taken += 1;
        self.clients.entry(client).or_default().taken += 1;
    }

    fn queue(&mut self, client: ClientId, queued: Queued) {
        self.queued += 1;
        let queue = &mut self.clients.entry(client).or_default().queue;
        queue.push_back(queued);
        if queue.len() == 1 {
            self.turn.push_back(client);
        }
    }

    /// Updates a client. A client that has no permits and no waiting requests is removed.
    fn change<T>(&mut self, client: ClientId, change: impl FnOnce(&mut Client) -> T) -> Option<T> {
        let known = self.clients.get_mut(&client)?;
        let changed = change(known);
        if known.taken == 0 && known.queue.is_empty() {
            self.clients.remove(&client);
        }
        Some(changed)
    }

    /// Removes a request from a client's queue.
    fn unqueue(
        &mut self,
        client: ClientId,
        which: impl FnOnce(&mut VecDeque<Queued>) -> Option<Queued>,
    ) -> Option<Queued> {
        let (queued, is_empty) = self.change(client, |it| {
            let queued = which(&mut it.queue);
            (queued, it.queue.is_empty())
        })?;
        let queued = queued?;
        if is_empty {
            self.turn.retain(|it| *it != client);
        }
        self.queued -= 1;
        Some(queued)
    }

    /// Removes the next request to be served: the first one of the next client that may have
    /// another permit.
    fn next(&mut self, places_per_client: usize) -> Option<(ClientId, Queued)> {
        let may_have_another = |client: &ClientId| {
            let client = self.clients.get(client);
            client.is_some_and(|it| it.taken < places_per_client)
        };
        let at = self.turn.iter().position(may_have_another)?;
        let client = self.turn.remove(at)?;
        self.turn.push_back(client);
        let queued = self.unqueue(client, VecDeque::pop_front)?;
        Some((client, queued))
    }

    /// Removes the latest request of the client with the most, if that client has more than
    /// `more_than`.
    fn displace(&mut self, more_than: usize) -> Option<Queued> {
        let lengths = self.turn.iter().map(|it| (self.counts(*it).1, *it));
        let (length, client) = lengths.max_by_key(|(length, _)| *length)?;
        match length > more_than {
            true => self.unqueue(client, VecDeque::pop_back),
            false => None,
        }
    }
}

/// A permit, or a position in the queue.
pub(in crate::http) enum Entry {
    Place(Place),
    Queued(QueueEntry),
}

impl Entry {
    /// Waits for the permit.
    ///
    /// # Errors
    /// If the request was displaced from the queue.
    pub(in crate::http) async fn place(self) -> Result<Place, Refusal> {
        match self {
            Entry::Place(place) => Ok(place),
            Entry::Queued(mut entry) => (&mut entry.granted).await.unwrap_or(Err(Refusal::Full)),
        }
    }
}

/// A position in the queue, left when this is dropped.
pub(in crate::http) struct QueueEntry {
    shared: Arc<Shared>,
    client: ClientId,
    number: u64,
    granted: oneshot::Receiver<Result<Place, Refusal>>,
}

impl Drop for QueueEntry {
    fn drop(&mut self) {
        let number = self.number;
        let mut state = self.shared.state();
        state.unqueue(self.client, |queue| {
            let at = queue.iter().position(|it| it.number == number)?;
            queue.remove(at)
        });
    }
}

/// A permit, released when this is dropped.
pub(in crate::http) struct Place {
    shared: Arc<Shared>,
    client: ClientId,
}

impl Place {
    fn new(shared: &Arc<Shared>, client: ClientId) -> Place {
        Place {
            shared: Arc::clone(shared),
            client,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.release(self.client);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const A: ClientId = ClientId(1);
    const B: ClientId = ClientId(2);
    const C: ClientId = ClientId(3);

    fn places(places: usize, per_client: usize, queue: usize, queue_per_client: usize) -> Places {
        Places::new(PlaceLimits {
            places,
            places_per_client: per_client,
            queue,
            queue_per_client,
        })
    }

    /// Acquires a free permit.
    #[track_caller]
    fn free(places: &Places, client: ClientId) -> Place {
        match places.enter(client) {
            Ok(Entry::Place(place)) => place,
            Ok(Entry::Queued(_)) => panic!("no permit is free"),
            Err(refusal) => panic!("it is refused: {refusal:?}"),
        }
    }

    #[track_caller]
    fn queued(places: &Places, client: ClientId) -> Entry {
        match places.enter(client) {
            Ok(Entry::Queued(entry)) => Entry::Queued(entry),
            Ok(Entry::Place(_)) => panic!("a permit is free"),
            Err(refusal) => panic!("it is refused: {refusal:?}"),
        }
    }

    fn refusal(places: &Places, client: ClientId) -> Option<Refusal> {
        places.enter(client).err()
    }

    /// Returns whether a permit was granted, which then stays taken.
    async fn is_served(entry: &mut Entry) -> bool {
        let Entry::Queued(entry) = entry else {
            return true;
        };
        match timeout(Duration::from_millis(1), &mut entry.granted).await {
            Ok(Ok(Ok(place))) => {
                std::mem::forget(place);
                true
            }
            _ => false,
        }
    }

    #[tokio::test]
    async fn a_client_has_its_share_and_others_have_the_rest() {
        let places = places(3, 2, 0, 0);
        let first = free(&places, A);
        let _second = free(&places, A);
        assert_eq!(refusal(&places, A), Some(Refusal::ClientFull));
        let _third = free(&places, B);
        assert_eq!(refusal(&places, C), Some(Refusal::Full));
        assert_eq!(places.taken(), 3);
        drop(first);
        let _fourth = free(&places, C);
    }

    #[tokio::test]
    async fn clients_that_wait_are_served_in_turn() {
        let places = places(1, 1, 10, 5);
        let place = free(&places, A);
        let mut of_a: Vec<Entry> = (0..3).map(|_| queued(&places, A)).collect();
        let mut of_b = queued(&places, B);
        assert_eq!((places.taken(), places.queued()), (1, 4));
        drop(place);
        assert!(is_served(&mut of_a[0]).await);
        // The permit that was granted is never released; the test releases one.
        places.0.release(A);
        assert!(is_served(&mut of_b).await);
        assert!(!is_served(&mut of_a[1]).await);
        places.0.release(B);
        assert!(is_served(&mut of_a[1]).await);
        places.0.release(A);
        assert!(is_served(&mut of_a[2]).await);
        places.0.release(A);
        assert_eq!((places.taken(), places.queued()), (0, 0));
        assert!(places.0.state().clients.is_empty());
    }

    #[tokio::test]
    async fn a_client_at_its_share_lets_others_pass() {
        let places = places(2, 1, 10, 5);
        let _of_a = free(&places, A);
        let of_b = free(&places, B);
        let mut more_of_a = queued(&places, A);
        let mut of_c = queued(&places, C);
        drop(of_b);
        assert!(is_served(&mut of_c).await);
        assert!(!is_served(&mut more_of_a).await);
    }

    #[tokio::test]
    async fn a_request_that_goes_leaves_the_queue_and_gives_its_place_back() {
        let places = places(1, 1, 10, 5);
        let place = free(&places, A);
        let gone = queued(&places, B);
        let mut waits = queued(&places, C);
        drop(gone);
        assert_eq!(places.queued(), 1);
        drop(place);
        assert!(is_served(&mut waits).await);
        // Granted, and dropped before it was polled.
        let unseen = queued(&places, B);
        places.0.release(C);
        assert_eq!(places.taken(), 1);
        drop(unseen);
        assert_eq!(places.taken(), 0);
    }

    #[tokio::test]
    async fn where_the_queue_is_full_the_longest_loses_to_a_shorter_one() {
        let places = places(1, 1, 4, 4);
        let _place = free(&places, A);
        let mut of_a: Vec<Entry> = (0..4).map(|_| queued(&places, A)).collect();
        assert_eq!(refusal(&places, A), Some(Refusal::ClientFull));
        let _of_b = queued(&places, B);
        let _also_of_b = queued(&places, B);
        assert_eq!(places.queued(), 4);
        for lost in of_a.drain(2..) {
            assert!(matches!(lost.place().await, Err(Refusal::Full)));
        }
        // A and B have two each: the first request of C displaces one, its second does not.
        let _of_c = queued(&places, C);
        assert_eq!(refusal(&places, C), Some(Refusal::Full));
    }

    #[tokio::test]
    async fn without_places_everybody_is_refused() {
        let places = places(0, 0, 10, 10);
        assert_eq!(refusal(&places, A), Some(Refusal::Full));
    }
}
