//! Where connections come from: an address, or a Unix socket for the operator.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Something that connections come in at.
pub trait Listener: Send + 'static {
    /// What they read from and write to.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// From now on no connection is begun; those that have begun can still be accepted. Where the system cannot do
    /// that, nothing changes.
    fn refuse_new(&self) {}

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

    /// Drops packets that begin a connection. Their clients send them again, and are refused when the listener is
    /// closed, where those that wait to be accepted would be reset, with the requests that they have sent.
    #[cfg(target_os = "linux")]
    fn refuse_new(&self) {
        use socket2::{SockFilter, SockRef};
        // A classic BPF program, which sees the TCP header first (linux/filter.h).
        let filter = [
            // The flags.
            SockFilter::new(0x30, 0, 0, 13),
            // SYN and ACK of them.
            SockFilter::new(0x54, 0, 0, 0x12),
            // With SYN alone the packet is dropped, otherwise it is taken whole.
            SockFilter::new(0x15, 0, 1, 0x02),
            SockFilter::new(0x06, 0, 0, 0),
            SockFilter::new(0x06, 0, 0, u32::MAX),
        ];
        // Some sandboxes have no filters: then a connection may be reset at the last moment.
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
