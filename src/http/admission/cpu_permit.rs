//! A permit for a request to use a CPU while its response is rendered and written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fair_semaphore::{AcquireError, ClientId, ConcurrencyPermit, FairSemaphore};

/// The CPU permit of one request. The request has the permit while its response is rendered and
/// written, and the permit is released as soon as the client stops reading. The permit is stored in
/// the extensions of the request. A handler that reads a body acquires the permit when the body has
/// arrived. A handler that waits for another task releases the permit before it waits.
#[derive(Clone)]
pub(in crate::http) struct CpuPermit(Arc<PermitState>);

struct PermitState {
    semaphore: FairSemaphore,
    client_id: ClientId,
    permit: Mutex<Option<ConcurrencyPermit>>,
}

impl CpuPermit {
    pub(in crate::http) fn new(semaphore: &FairSemaphore, client_id: ClientId) -> CpuPermit {
        CpuPermit(Arc::new(PermitState {
            semaphore: semaphore.clone(),
            client_id,
            permit: Mutex::default(),
        }))
    }

    fn permit(&self) -> MutexGuard<'_, Option<ConcurrencyPermit>> {
        self.0.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the permit.
    ///
    /// # Errors
    /// If too many requests are waiting, or if the request is displaced from the queue.
    pub(in crate::http) async fn acquire(&self) -> Result<(), AcquireError> {
        let permit = self
            .0
            .semaphore
            .acquire_or_queue(self.0.client_id)?
            .wait()
            .await?;
        self.set(permit);
        Ok(())
    }

    /// Stores a granted permit.
    pub(in crate::http) fn set(&self, permit: ConcurrencyPermit) {
        *self.permit() = Some(permit);
    }

    /// Releases the permit, which then goes to the next waiting request.
    pub(in crate::http) fn release(&self) {
        // The permit is dropped after the lock is released, because dropping the permit wakes the
        // next request.
        let permit = self.permit().take();
        drop(permit);
    }
}
