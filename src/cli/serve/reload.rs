//! Reloads of the datasets and the API keys of a running service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::signals::SighupStream;
use crate::http::admin;
use crate::ops::dataset_store::DatasetStore;
use crate::ops::keys::{KeyStore, KeysError};
use catchment_data::dataset::MANIFEST;
use catchment_data::fs::FileVersion;

/// The interval at which the API key file and the manifests are checked for changes.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The longest interval between retries of a failed reload.
const RETRY_INTERVAL_MAX: Duration = Duration::from_secs(300);

/// Reloads the API keys when their file changes.
pub(super) async fn reload_keys_on_change(keys: Arc<KeyStore>) {
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let store = Arc::clone(&keys);
        let reload = tokio::task::spawn_blocking(move || {
            let is_new = store.refresh()?;
            Ok::<_, KeysError>(is_new.then(|| store.ring().len()))
        });
        match reload.await {
            Ok(Ok(Some(count))) => tracing::info!(count, "API keys loaded"),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                // The error is logged as a string, so that line breaks from the file are escaped.
                tracing::error!(
                    error = error.to_string(),
                    "could not load the API keys; the previous keys stay in use"
                );
            }
            Err(_) => tracing::error!(
                "could not load the API keys: loading panicked; the previous keys stay in use"
            ),
        }
    }
}

/// Reloads the datasets at every SIGHUP.
pub(super) async fn reload_on_sighup(mut sighups: SighupStream, store: Arc<DatasetStore>) {
    while sighups.next().await.is_some() {
        // `reload_datasets` logs a failure. The next SIGHUP starts another attempt.
        let _ = admin::reload_datasets(Arc::clone(&store)).await;
    }
}

/// Reloads the datasets when the manifest of a dataset changes. A dataset is always replaced as a
/// whole, including its manifest.
///
/// A failed reload is retried at growing intervals, because the cause of the failure may disappear
/// without a change of the manifest. Such causes are too little memory, too few file descriptors,
/// or a file that is repaired later.
pub(super) async fn reload_on_change(store: Arc<DatasetStore>) {
    let mut known = manifest_versions(&store);
    let mut retry: Option<(Instant, Duration)> = None;
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let current = manifest_versions(&store);
        let is_changed = current != known;
        let is_due = retry.is_some_and(|(instant, _)| Instant::now() >= instant);
        if !is_changed && !is_due {
            continue;
        }
        known = current;
        let wait = match retry {
            Some((_, waited)) if !is_changed => (waited * 2).min(RETRY_INTERVAL_MAX),
            _ => POLL_INTERVAL * 2,
        };
        let reloaded = admin::reload_datasets(Arc::clone(&store)).await;
        retry = reloaded.is_err().then(|| (Instant::now() + wait, wait));
    }
}

/// Returns the version of each dataset's manifest file; `None` if the file does not exist.
fn manifest_versions(store: &DatasetStore) -> Vec<Option<FileVersion>> {
    let folders = store.folders().into_iter();
    folders
        .map(|folder| FileVersion::of(&folder.join(MANIFEST)))
        .collect()
}
