//! A semaphore that shares its permits fairly between clients.
//!
//! Each client has at most a fixed number of permits. When no permit is free, requests wait in a
//! queue that is bounded in total and for each client. The queue is served round robin by client,
//! so that a client with many requests delays only its own requests. When the queue is full, a
//! request from a client with few waiting requests displaces the latest request from the client
//! with the most waiting requests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The id of the client for which a request is counted: a keyed digest of an address or of the id
/// of an API key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(in crate::http) struct ClientId(pub(super) u64);

/// The number of permits, and the number of requests that may wait for a permit.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct SemaphoreLimits {
    /// The number of permits in total.
    pub(in crate::http) permits: usize,
    /// The maximum number of permits of one client.
    pub(in crate::http) permits_per_client: usize,
    /// The maximum number of waiting requests in total.
    pub(in crate::http) queue_length: usize,
    /// The maximum number of waiting requests from one client.
    pub(in crate::http) queue_length_per_client: usize,
}

/// The reason why a request was not granted a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum AcquireError {
    /// All permits are in use, and the queue is full.
    Full,
    /// The client has reached its limits of running and waiting requests.
    ClientFull,
}

/// A semaphore with a fair queue. Clones share the permits and the queue.
#[derive(Clone)]
pub(in crate::http) struct FairSemaphore(Arc<SemaphoreInner>);

struct SemaphoreInner {
    limits: SemaphoreLimits,
    state: Mutex<SemaphoreState>,
}

#[derive(Default)]
struct SemaphoreState {
    acquired: usize,
    queued: usize,
    next_waiter_id: u64,
    /// Clients that have a permit or wait for a permit.
    clients: HashMap<ClientId, ClientState>,
    /// Clients that wait for a permit, in the order in which they will be served.
    waiting_clients: VecDeque<ClientId>,
}

#[derive(Default)]
struct ClientState {
    acquired: usize,
    waiters: VecDeque<Waiter>,
}

struct Waiter {
    id: u64,
    grant: oneshot::Sender<Result<ConcurrencyPermit, AcquireError>>,
}

impl FairSemaphore {
    pub(in crate::http) fn new(limits: SemaphoreLimits) -> FairSemaphore {
        FairSemaphore(Arc::new(SemaphoreInner {
            limits,
            state: Mutex::default(),
        }))
    }

    /// Returns the number of permits in use.
    pub(in crate::http) fn acquired(&self) -> usize {
        self.0.state().acquired
    }

    /// Returns the number of waiting requests.
    pub(in crate::http) fn queued(&self) -> usize {
        self.0.state().queued
    }

    /// Acquires a permit, or joins the queue.
    pub(in crate::http) fn acquire_or_queue(
        &self,
        client: ClientId,
    ) -> Result<PermitRequest, AcquireError> {
        let mut state = self.0.state();
        let limits = &self.0.limits;
        let (acquired, queued) = state.client_counts(client);
        // If a permit is free, no waiting request is allowed to use it; see `grant_waiting`.
        if state.acquired < limits.permits && acquired < limits.permits_per_client {
            state.acquire(client);
            drop(state);
            return Ok(PermitRequest::Granted(ConcurrencyPermit::new(
                &self.0, client,
            )));
        }
        if limits.permits == 0 {
            return Err(AcquireError::Full);
        }
        if queued >= limits.queue_length_per_client {
            let has_its_share = acquired >= limits.permits_per_client || queued > 0;
            return Err(if has_its_share {
                AcquireError::ClientFull
            } else {
                AcquireError::Full
            });
        }
        let displaced = if state.queued >= limits.queue_length {
            Some(
                state
                    .displace_from_longest_queue(queued + 1)
                    .ok_or(AcquireError::Full)?,
            )
        } else {
            None
        };
        let id = state.next_waiter_id;
        state.next_waiter_id += 1;
        let (grant, granted) = oneshot::channel();
        state.enqueue(client, Waiter { id, grant });
        drop(state);
        if let Some(displaced) = displaced {
            // The displaced request may already have been dropped.
            let _ = displaced.grant.send(Err(AcquireError::Full));
        }
        Ok(PermitRequest::Queued(QueuedRequest {
            semaphore: Arc::clone(&self.0),
            client,
            waiter_id: id,
            granted,
        }))
    }

    /// Acquires a permit for a request that replaces an evicted request, even if all permits are in
    /// use.
    pub(in crate::http) fn acquire_over_limit(&self, client: ClientId) -> ConcurrencyPermit {
        self.0.state().acquire(client);
        ConcurrencyPermit::new(&self.0, client)
    }
}

impl SemaphoreInner {
    fn state(&self) -> MutexGuard<'_, SemaphoreState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(self: &Arc<SemaphoreInner>, client: ClientId) {
        let mut state = self.state();
        state.acquired -= 1;
        state.update_client(client, |state| state.acquired -= 1);
        drop(state);
        self.grant_waiting();
    }

    /// Grants the free permits to waiting requests.
    fn grant_waiting(self: &Arc<SemaphoreInner>) {
        loop {
            let mut state = self.state();
            if state.acquired >= self.limits.permits {
                return;
            }
            let Some((client, waiter)) = state.next_waiter(self.limits.permits_per_client) else {
                return;
            };
            state.acquire(client);
            drop(state);
            // If the request was dropped, the permit is also dropped, and is granted to the next
            // request.
            let _ = waiter.grant.send(Ok(ConcurrencyPermit::new(self, client)));
        }
    }
}

impl SemaphoreState {
    /// Returns the number of permits and the number of waiting requests of a client.
    fn client_counts(&self, client: ClientId) -> (usize, usize) {
        let client = self.clients.get(&client);
        client.map_or((0, 0), |state| (state.acquired, state.waiters.len()))
    }

    fn acquire(&mut self, client: ClientId) {
        self.acquired += 1;
        self.clients.entry(client).or_default().acquired += 1;
    }

    fn enqueue(&mut self, client: ClientId, waiter: Waiter) {
        self.queued += 1;
        let waiters = &mut self.clients.entry(client).or_default().waiters;
        waiters.push_back(waiter);
        if waiters.len() == 1 {
            self.waiting_clients.push_back(client);
        }
    }

    /// Updates a client. A client that has no permits and no waiting requests is removed.
    fn update_client<T>(
        &mut self,
        client: ClientId,
        change: impl FnOnce(&mut ClientState) -> T,
    ) -> Option<T> {
        let client_state = self.clients.get_mut(&client)?;
        let result = change(client_state);
        if client_state.acquired == 0 && client_state.waiters.is_empty() {
            self.clients.remove(&client);
        }
        Some(result)
    }

    /// Removes a request from a client's queue.
    fn dequeue(
        &mut self,
        client: ClientId,
        select: impl FnOnce(&mut VecDeque<Waiter>) -> Option<Waiter>,
    ) -> Option<Waiter> {
        let (waiter, is_empty) = self.update_client(client, |state| {
            let waiter = select(&mut state.waiters);
            (waiter, state.waiters.is_empty())
        })?;
        let waiter = waiter?;
        if is_empty {
            self.waiting_clients.retain(|id| *id != client);
        }
        self.queued -= 1;
        Some(waiter)
    }

    /// Removes and returns the next request to be served: the first request of the next client that
    /// is below its limit of permits.
    fn next_waiter(&mut self, permits_per_client: usize) -> Option<(ClientId, Waiter)> {
        let may_have_another = |client: &ClientId| {
            let client = self.clients.get(client);
            client.is_some_and(|state| state.acquired < permits_per_client)
        };
        let index = self.waiting_clients.iter().position(may_have_another)?;
        let client = self.waiting_clients.remove(index)?;
        self.waiting_clients.push_back(client);
        let waiter = self.dequeue(client, VecDeque::pop_front)?;
        Some((client, waiter))
    }

    /// Removes and returns the latest waiting request from the client with the most waiting
    /// requests, if that client has more than `more_than` waiting requests.
    fn displace_from_longest_queue(&mut self, more_than: usize) -> Option<Waiter> {
        let lengths = self
            .waiting_clients
            .iter()
            .map(|id| (self.client_counts(*id).1, *id));
        let (length, client) = lengths.max_by_key(|(length, _)| *length)?;
        if length > more_than {
            self.dequeue(client, VecDeque::pop_back)
        } else {
            None
        }
    }
}

/// The result of a request for a permit: a permit, or a position in the queue.
pub(in crate::http) enum PermitRequest {
    Granted(ConcurrencyPermit),
    Queued(QueuedRequest),
}

impl PermitRequest {
    /// Waits for the permit.
    ///
    /// # Errors
    /// If the request was displaced from the queue.
    pub(in crate::http) async fn wait(self) -> Result<ConcurrencyPermit, AcquireError> {
        match self {
            PermitRequest::Granted(permit) => Ok(permit),
            PermitRequest::Queued(mut request) => (&mut request.granted)
                .await
                .unwrap_or(Err(AcquireError::Full)),
        }
    }
}

/// A request that waits in the queue. Dropping this value removes the request from the queue.
pub(in crate::http) struct QueuedRequest {
    semaphore: Arc<SemaphoreInner>,
    client: ClientId,
    waiter_id: u64,
    granted: oneshot::Receiver<Result<ConcurrencyPermit, AcquireError>>,
}

impl Drop for QueuedRequest {
    fn drop(&mut self) {
        let id = self.waiter_id;
        let mut state = self.semaphore.state();
        state.dequeue(self.client, |waiters| {
            let index = waiters.iter().position(|waiter| waiter.id == id)?;
            waiters.remove(index)
        });
    }
}

/// A permit, which is released when this value is dropped.
pub(in crate::http) struct ConcurrencyPermit {
    semaphore: Arc<SemaphoreInner>,
    client: ClientId,
}

impl ConcurrencyPermit {
    fn new(semaphore: &Arc<SemaphoreInner>, client: ClientId) -> ConcurrencyPermit {
        ConcurrencyPermit {
            semaphore: Arc::clone(semaphore),
            client,
        }
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.semaphore.release(self.client);
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

    fn new_semaphore(
        permits: usize,
        permits_per_client: usize,
        queue_length: usize,
        queue_length_per_client: usize,
    ) -> FairSemaphore {
        FairSemaphore::new(SemaphoreLimits {
            permits,
            permits_per_client,
            queue_length,
            queue_length_per_client,
        })
    }

    /// Acquires a free permit.
    #[track_caller]
    fn acquire_now(semaphore: &FairSemaphore, client: ClientId) -> ConcurrencyPermit {
        match semaphore.acquire_or_queue(client) {
            Ok(PermitRequest::Granted(permit)) => permit,
            Ok(PermitRequest::Queued(_)) => panic!("no permit is free"),
            Err(error) => panic!("the request was rejected: {error:?}"),
        }
    }

    #[track_caller]
    fn enqueue(semaphore: &FairSemaphore, client: ClientId) -> PermitRequest {
        match semaphore.acquire_or_queue(client) {
            Ok(PermitRequest::Queued(request)) => PermitRequest::Queued(request),
            Ok(PermitRequest::Granted(_)) => panic!("a permit is free"),
            Err(error) => panic!("the request was rejected: {error:?}"),
        }
    }

    fn acquire_error(semaphore: &FairSemaphore, client: ClientId) -> Option<AcquireError> {
        semaphore.acquire_or_queue(client).err()
    }

    /// Returns whether a permit was granted. A granted permit is not released.
    async fn is_granted(request: &mut PermitRequest) -> bool {
        let PermitRequest::Queued(request) = request else {
            return true;
        };
        match timeout(Duration::from_millis(1), &mut request.granted).await {
            Ok(Ok(Ok(permit))) => {
                std::mem::forget(permit);
                true
            }
            _ => false,
        }
    }

    #[tokio::test]
    async fn permits_are_limited_for_each_client_and_in_total() {
        let semaphore = new_semaphore(3, 2, 0, 0);
        let first = acquire_now(&semaphore, A);
        let _second = acquire_now(&semaphore, A);
        assert_eq!(acquire_error(&semaphore, A), Some(AcquireError::ClientFull));
        let _third = acquire_now(&semaphore, B);
        assert_eq!(acquire_error(&semaphore, C), Some(AcquireError::Full));
        assert_eq!(semaphore.acquired(), 3);
        drop(first);
        let _fourth = acquire_now(&semaphore, C);
    }

    #[tokio::test]
    async fn waiting_clients_are_served_round_robin() {
        let semaphore = new_semaphore(1, 1, 10, 5);
        let permit = acquire_now(&semaphore, A);
        let mut of_a: Vec<PermitRequest> = (0..3).map(|_| enqueue(&semaphore, A)).collect();
        let mut of_b = enqueue(&semaphore, B);
        assert_eq!((semaphore.acquired(), semaphore.queued()), (1, 4));
        drop(permit);
        assert!(is_granted(&mut of_a[0]).await);
        // `is_granted` does not release the permit, so the test releases it here.
        semaphore.0.release(A);
        assert!(is_granted(&mut of_b).await);
        assert!(!is_granted(&mut of_a[1]).await);
        semaphore.0.release(B);
        assert!(is_granted(&mut of_a[1]).await);
        semaphore.0.release(A);
        assert!(is_granted(&mut of_a[2]).await);
        semaphore.0.release(A);
        assert_eq!((semaphore.acquired(), semaphore.queued()), (0, 0));
        assert!(semaphore.0.state().clients.is_empty());
    }

    #[tokio::test]
    async fn client_at_its_limit_does_not_block_others() {
        let semaphore = new_semaphore(2, 1, 10, 5);
        let _of_a = acquire_now(&semaphore, A);
        let of_b = acquire_now(&semaphore, B);
        let mut more_of_a = enqueue(&semaphore, A);
        let mut of_c = enqueue(&semaphore, C);
        drop(of_b);
        assert!(is_granted(&mut of_c).await);
        assert!(!is_granted(&mut more_of_a).await);
    }

    #[tokio::test]
    async fn dropped_request_leaves_the_queue_and_returns_its_permit() {
        let semaphore = new_semaphore(1, 1, 10, 5);
        let permit = acquire_now(&semaphore, A);
        let dropped = enqueue(&semaphore, B);
        let mut waiting = enqueue(&semaphore, C);
        drop(dropped);
        assert_eq!(semaphore.queued(), 1);
        drop(permit);
        assert!(is_granted(&mut waiting).await);
        // The permit is granted, and the request is dropped before it is polled.
        let granted = enqueue(&semaphore, B);
        semaphore.0.release(C);
        assert_eq!(semaphore.acquired(), 1);
        drop(granted);
        assert_eq!(semaphore.acquired(), 0);
    }

    #[tokio::test]
    async fn full_queue_displaces_the_latest_request_of_the_client_with_most() {
        let semaphore = new_semaphore(1, 1, 4, 4);
        let _permit = acquire_now(&semaphore, A);
        let mut of_a: Vec<PermitRequest> = (0..4).map(|_| enqueue(&semaphore, A)).collect();
        assert_eq!(acquire_error(&semaphore, A), Some(AcquireError::ClientFull));
        let _of_b = enqueue(&semaphore, B);
        let _also_of_b = enqueue(&semaphore, B);
        assert_eq!(semaphore.queued(), 4);
        for displaced in of_a.drain(2..) {
            assert!(matches!(displaced.wait().await, Err(AcquireError::Full)));
        }
        // Clients A and B have two waiting requests each. The first request from C displaces one of
        // these requests, and the second request from C is rejected.
        let _of_c = enqueue(&semaphore, C);
        assert_eq!(acquire_error(&semaphore, C), Some(AcquireError::Full));
    }

    #[tokio::test]
    async fn semaphore_without_permits_rejects_all() {
        let semaphore = new_semaphore(0, 0, 10, 10);
        assert_eq!(acquire_error(&semaphore, A), Some(AcquireError::Full));
    }
}
