//! Counts the bytes of rendered responses that are not yet sent. These bytes stay in memory
//! while a client reads slowly, so their number is limited in total and for each client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fair_semaphore::{AcquireError, ClientId};

/// The maximum number of unsent bytes of all clients together. A single response may exceed this
/// maximum, so that every response can be sent, however large it is.
const BYTES_MAX: usize = 64 << 20;
/// The maximum number of unsent bytes of one client.
const BYTES_PER_CLIENT_MAX: usize = 16 << 20;

/// A counter of unsent response bytes. Clones share the counts.
#[derive(Clone, Default)]
pub(in crate::http) struct UnsentBytes(Arc<Mutex<UnsentState>>);

#[derive(Default)]
struct UnsentState {
    bytes: usize,
    clients: HashMap<ClientId, usize>,
}

impl UnsentBytes {
    fn state(&self) -> MutexGuard<'_, UnsentState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks whether another response may be rendered for a client.
    pub(super) fn check(&self, client: ClientId) -> Result<(), AcquireError> {
        let state = self.state();
        let client_bytes = state.clients.get(&client).copied().unwrap_or_default();
        if client_bytes >= BYTES_PER_CLIENT_MAX {
            return Err(AcquireError::ClientFull);
        }
        if state.bytes >= BYTES_MAX {
            Err(AcquireError::Full)
        } else {
            Ok(())
        }
    }

    /// Counts the bytes of a response until it is sent, unless the maximum has been reached.
    pub(in crate::http) fn add(
        &self,
        client: ClientId,
        bytes: usize,
    ) -> Result<UnsentResponse, AcquireError> {
        self.check(client)?;
        let mut state = self.state();
        state.bytes += bytes;
        *state.clients.entry(client).or_default() += bytes;
        drop(state);
        Ok(UnsentResponse {
            unsent: self.clone(),
            client,
            bytes,
        })
    }
}

/// A response whose bytes are counted until this value is dropped.
pub(in crate::http) struct UnsentResponse {
    unsent: UnsentBytes,
    client: ClientId,
    bytes: usize,
}

impl Drop for UnsentResponse {
    fn drop(&mut self) {
        let mut state = self.unsent.state();
        state.bytes -= self.bytes;
        if let Some(client_bytes) = state.clients.get_mut(&self.client) {
            *client_bytes -= self.bytes;
            if *client_bytes == 0 {
                state.clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsent_bytes_are_limited_for_each_client_and_in_total() {
        let unsent = UnsentBytes::default();
        let client = ClientId;
        let first_client: Vec<UnsentResponse> = (0..4)
            .map(|_| unsent.add(client(0), 4 << 20).expect("below the limit"))
            .collect();
        let acquire_error = |id| unsent.add(client(id), 1).err();
        assert_eq!(acquire_error(0), Some(AcquireError::ClientFull));
        assert_eq!(acquire_error(1), None);
        let other_clients: Vec<UnsentResponse> = (1..5)
            .map(|id| unsent.add(client(id), 12 << 20).expect("below the limit"))
            .collect();
        assert_eq!(acquire_error(9), Some(AcquireError::Full));
        drop(first_client);
        assert_eq!((acquire_error(0), acquire_error(9)), (None, None));
        drop(other_clients);
        assert_eq!(unsent.state().bytes, 0);
        assert!(unsent.state().clients.is_empty());
    }

    #[test]
    fn response_may_exceed_the_limit() {
        let unsent = UnsentBytes::default();
        let large = unsent
            .add(ClientId(0), 2 * BYTES_MAX)
            .expect("below the limit");
        assert!(unsent.check(ClientId(1)).is_err());
        drop(large);
        assert!(unsent.check(ClientId(1)).is_ok());
    }
}
