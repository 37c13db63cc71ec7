//! PROXY protocol version 2: who the client is, told by a trusted peer in front of us.

use std::io;
use std::net::IpAddr;

use ppp::{PartialResult, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Most octets of a header, its extensions included.
const HEADER_OCTETS_MAX: usize = 1_024;

/// The client that a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxied {
    Client(IpAddr),
    /// The peer speaks for itself: a health check.
    Local,
}

/// Reads the header that opens a connection; what follows it is given back.
///
/// # Errors
/// `InvalidData` where it is no header of version 2, or one of something that isn't TCP over IP.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Proxied, Vec<u8>)> {
    let mut octets = Vec::with_capacity(64);
    loop {
        let parsed = v2::Header::try_from(octets.as_slice());
        match parsed {
            Ok(header) => {
                let client = client(&header)?;
                let length = header.len();
                return Ok((client, octets.split_off(length)));
            }
            Err(ref error) if !error.is_incomplete() || octets.len() >= HEADER_OCTETS_MAX => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string()));
            }
            Err(_) => {}
        }
        if stream.read_buf(&mut octets).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn client(header: &v2::Header<'_>) -> io::Result<Proxied> {
    match (header.command, header.addresses) {
        (v2::Command::Local, _) => Ok(Proxied::Local),
        (_, v2::Addresses::IPv4(addresses)) => Ok(Proxied::Client(addresses.source_address.into())),
        (_, v2::Addresses::IPv6(addresses)) => Ok(Proxied::Client(addresses.source_address.into())),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the header names no TCP client")),
    }
}
