//! The listeners: TCP listeners, and Unix sockets for the operator.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A socket that accepts connections.
pub trait Listener: Send + 'static {
    /// The stream of a connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Prevents clients from opening new connections. Connections that are already being opened can
    /// still be accepted. If the system does not support this operation, the method does nothing.
    fn stop_new_connections(&self) {}

    /// Accepts the next connection. Returns the stream of the connection, and the address of the
    /// peer if the peer has an address.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Option<IpAddr>)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Small responses are written with a single call, so Nagle's algorithm would only delay
        // them. The call fails if the connection is already closed.
        let _ = stream.set_nodelay(true);
        Ok((stream, Some(peer.ip().to_canonical())))
    }

    /// Drops SYN packets. Clients retransmit these packets, and their connections are refused after
    /// the listener is closed. Without the filter, connections that wait to be accepted would be
    /// reset when the listener closes, and the requests that they have sent would be lost.
    #[cfg(target_os = "linux")]
    fn stop_new_connections(&self) {
        use socket2::{SockFilter, SockRef};
        // A classic BPF program. Offset 0 is the start of the TCP header (linux/filter.h).
        let filter = [
            // Load the TCP flags.
            SockFilter::new(0x30, 0, 0, 13),
            // Select the SYN and ACK flags.
            SockFilter::new(0x54, 0, 0, 0x12),
            // Drop the packet if only SYN is set, and accept the whole packet otherwise.
            SockFilter::new(0x15, 0, 1, 0x02),
            SockFilter::new(0x06, 0, 0, 0),
            SockFilter::new(0x06, 0, 0, u32::MAX),
        ];
        // Some sandboxes do not allow filters. Without the filter, a connection may be reset when
        // the listener closes.
        let _ = SockRef::from(self).attach_filter(&filter);
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
