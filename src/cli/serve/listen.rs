//! The listeners of the service, and the limit on file descriptors.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;

use anyhow::{Context, Result};
use axum::Router;
use tokio::net::{TcpListener, TcpSocket};

use super::args::AdminAddress;
use crate::http::{self, ServerLimits};

/// The length of the accept queue. The queue is longer than the number of connections that arrive
/// while all CPUs are busy.
const BACKLOG: u32 = 4_096;

pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Allow a restart while old connections are in TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The number of file descriptors reserved for uses other than client connections: files, other
/// sockets and signals.
const RESERVED_DESCRIPTORS: usize = 64;

/// Raises the limit on file descriptors to its maximum. Returns the number of connections that the
/// limit allows, at most `connections`.
pub(super) fn clamp_to_fd_limit(connections: usize) -> usize {
    let Some(descriptors) = fd_limit() else {
        return connections;
    };
    let available = descriptors.saturating_sub(RESERVED_DESCRIPTORS).max(1);
    if available < connections {
        tracing::warn!(
            connections = available,
            wanted = connections,
            "too few file descriptors for max-connections; the service uses a lower limit"
        );
    }
    connections.min(available)
}

#[cfg(target_os = "linux")]
fn fd_limit() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    // If raising the limit is not allowed, keep the current limit.
    let _ = setrlimit(Resource::Nofile, all);
    let current = getrlimit(Resource::Nofile).current?;
    Some(usize::try_from(current).unwrap_or(usize::MAX))
}

#[cfg(not(target_os = "linux"))]
fn fd_limit() -> Option<usize> {
    None
}

/// Starts the admin listener, which runs until the program exits. Returns the name of the listener
/// for messages.
pub(super) async fn serve_admin(address: &AdminAddress, router: Router) -> Result<String> {
    let limits = ServerLimits::default();
    Ok(match address {
        AdminAddress::Tcp(address) => {
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("starting the admin listener on {address}"))?;
            let name = format!("http://{}/reload", listener.local_addr()?);
            tokio::spawn(http::serve(
                listener,
                router,
                limits,
                std::future::pending(),
            ));
            name
        }
        #[cfg(unix)]
        AdminAddress::Unix(path) => {
            let listener = bind_unix(path)
                .with_context(|| format!("starting the admin listener on {}", path.display()))?;
            tokio::spawn(http::serve(
                listener,
                router,
                limits,
                std::future::pending(),
            ));
            path.display().to_string()
        }
    })
}

/// Binds a Unix socket that only its owner can use (mode 0600). An existing socket on which no
/// program listens is replaced.
#[cfg(unix)]
fn bind_unix(path: &Path) -> io::Result<tokio::net::UnixListener> {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::UnixStream;
    let is_socket =
        fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    // Bind the socket in a private folder, so that no other user can connect before the mode is
    // set.
    let folder = path.parent().filter(|path| *path != Path::new(""));
    let temp_folder = tempfile::Builder::new()
        .prefix(".catchment-")
        .tempdir_in(folder.unwrap_or(Path::new(".")))?;
    let name = temp_folder.path().join("socket");
    let listener = tokio::net::UnixListener::bind(&name)?;
    fs::set_permissions(&name, fs::Permissions::from_mode(0o600))?;
    // Unlike a rename, a link does not replace an existing socket.
    fs::hard_link(&name, path)?;
    Ok(listener)
}
