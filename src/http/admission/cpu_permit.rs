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

    /// Waits for the permit. Returns at once if the request already has it, as a request without a
    /// body does.
    ///
    /// # Errors
    /// If too many requests are waiting, or if the request is displaced from the queue.
    pub(in crate::http) async fn acquire(&self) -> Result<(), AcquireError> {
        if self.permit().is_some() {
            return Ok(());
        }
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

#[cfg(test)]
mod tests {
    use super::super::fair_semaphore::SemaphoreLimits;
    use super::*;

    #[tokio::test]
    async fn request_with_its_permit_does_not_acquire_another() {
        let semaphore = FairSemaphore::new(SemaphoreLimits {
            permits: 1,
            permits_per_client: 1,
            queue_length: 0,
            queue_length_per_client: 0,
        });
        let permit = CpuPermit::new(&semaphore, ClientId(1));

        for _ in 0..2 {
            permit.acquire().await.expect("the permit");
            assert_eq!(semaphore.acquired(), 1);
        }

        permit.release();
        assert_eq!(semaphore.acquired(), 0);
    }
}
