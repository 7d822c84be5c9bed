//! Where connections come from: an address, or a Unix socket for the operator.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Something that connections come in at.
pub trait Listener: Send + 'static {
    /// What they read from and write to.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next one, and the address of its other end where it has one.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Option<IpAddr>)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Answers are small, and written in one piece. It may have been closed already.
        let _ = stream.set_nodelay(true);
        Ok((stream, Some(peer.ip().to_canonical())))
    }
}

#[cfg(unix)]
impl Listener for tokio::net::UnixListener {
    type Stream = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<(tokio::net::UnixStream, Option<IpAddr>)> {
        let (stream, _) = tokio::net::UnixListener::accept(self).await?;
        Ok((stream, None))
    }
}
