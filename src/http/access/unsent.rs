//! Counts response bytes that were rendered for one request and are not yet sent. A client that
//! reads slowly keeps them in memory, so they are limited in total and for each client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::places::{ClientId, Refusal};

/// Maximum for all clients together. The response that exceeds it is still sent, so that no
/// response is too large to be sent.
const BYTES_MAX: usize = 64 << 20;
/// Maximum for one client.
const BYTES_PER_CLIENT_MAX: usize = 16 << 20;

/// A counter of the bytes that wait to be sent. Clones share the counts.
#[derive(Clone, Default)]
pub(in crate::http) struct Unsent(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    bytes: usize,
    clients: HashMap<ClientId, usize>,
}

impl Unsent {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that another response may be rendered for a client.
    pub(super) fn check(&self, client: ClientId) -> Result<(), Refusal> {
        let state = self.state();
        let of_client = state.clients.get(&client).copied().unwrap_or_default();
        if of_client >= BYTES_PER_CLIENT_MAX {
            return Err(Refusal::ClientFull);
        }
        match state.bytes >= BYTES_MAX {
            true => Err(Refusal::Full),
            false => Ok(()),
        }
    }

    /// Counts a response until it is sent, if another one may be rendered for the client.
    pub(in crate::http) fn add(
        &self,
        client: ClientId,
        bytes: usize,
    ) -> Result<UnsentAnswer, Refusal> {
        self.check(client)?;
        let mut state = self.state();
        state.bytes += bytes;
        *state.clients.entry(client).or_default() += bytes;
        drop(state);
        Ok(UnsentAnswer {
            unsent: self.clone(),
            client,
            bytes,
        })
    }
}

/// A response that is counted until this is dropped.
pub(in crate::http) struct UnsentAnswer {
    unsent: Unsent,
    client: ClientId,
    bytes: usize,
}

impl Drop for UnsentAnswer {
    fn drop(&mut self) {
        let mut state = self.unsent.state();
        state.bytes -= self.bytes;
        if let Some(of_client) = state.clients.get_mut(&self.client) {
            *of_client -= self.bytes;
            if *of_client == 0 {
                state.clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_readers_hold_so_much_and_no_more() {
        let unsent = Unsent::default();
        let client = ClientId;
        let of_one: Vec<UnsentAnswer> = (0..4)
            .map(|_| unsent.add(client(0), 4 << 20).expect("room"))
            .collect();
        let refusal = |id| unsent.add(client(id), 1).err();
        assert_eq!(refusal(0), Some(Refusal::ClientFull));
        assert_eq!(refusal(1), None);
        let of_others: Vec<UnsentAnswer> = (1..5)
            .map(|id| unsent.add(client(id), 12 << 20).expect("room"))
            .collect();
        assert_eq!(refusal(9), Some(Refusal::Full));
        drop(of_one);
        assert_eq!((refusal(0), refusal(9)), (None, None));
        drop(of_others);
        assert_eq!(unsent.state().bytes, 0);
        assert!(unsent.state().clients.is_empty());
    }

    #[test]
    fn an_answer_may_be_larger_than_the_limit() {
        let unsent = Unsent::default();
        let large = unsent.add(ClientId(0), 2 * BYTES_MAX).expect("room");
        assert!(unsent.check(ClientId(1)).is_err());
        drop(large);
        assert!(unsent.check(ClientId(1)).is_ok());
    }
}
