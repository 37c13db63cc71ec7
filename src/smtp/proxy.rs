//! The PROXY protocol, versions 1 and 2: a trusted proxy in front of the server names the client.

use std::io;
use std::net::IpAddr;

use ppp::{HeaderResult, PartialResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Maximum length of a header in octets, including its extensions (TLVs).
const HEADER_OCTETS_MAX: usize = 1_024;

/// The beginning of a version 1 header.
const TEXT: &[u8] = b"PROXY ";
/// Maximum length of a version 1 header line in octets, including CR LF.
const LINE_OCTETS_MAX: usize = 107;

/// The client that a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProxiedClient {
    /// The address of the client.
    Client(IpAddr),
    /// The connection is the proxy's own, such as a health check (LOCAL or UNKNOWN).
    Local,
}

/// Reads the header that opens a connection. Returns the client and the octets that followed the
/// header.
///
/// # Errors
/// `InvalidData` when the octets are no PROXY header or the header names no TCP client,
/// `UnexpectedEof` when the connection ends within the header, and any error of the stream.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(ProxiedClient, Vec<u8>)> {
    let mut octets = Vec::with_capacity(64);
    loop {
        match parse(&octets)? {
            Some((client, length)) => return Ok((client, octets.split_off(length))),
            None if octets.len() >= HEADER_OCTETS_MAX => return Err(invalid("the header is too long")),
            None => {}
        }
        if stream.read_buf(&mut octets).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The client and the length of the header in octets; `None` while the header is incomplete.
fn parse(octets: &[u8]) -> io::Result<Option<(ProxiedClient, usize)>> {
    // The crate reports an incomplete version 1 line as an error.
    let is_text = octets.starts_with(&TEXT[..octets.len().min(TEXT.len())]);
    if is_text && !octets.windows(2).any(|end| end == b"\r\n") {
        return if octets.len() < LINE_OCTETS_MAX { Ok(None) } else { Err(invalid("the line is too long")) };
    }
    match HeaderResult::parse(octets) {
        HeaderResult::V1(Ok(header)) => Ok(Some((named(header.addresses)?, header.header.len()))),
        HeaderResult::V2(Ok(header)) => Ok(Some((client(&header)?, header.len()))),
        result if result.is_incomplete() => Ok(None),
        HeaderResult::V1(Err(error)) => Err(invalid(&error.to_string())),
        HeaderResult::V2(Err(error)) => Err(invalid(&error.to_string())),
    }
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn named(addresses: v1::Addresses) -> io::Result<ProxiedClient> {
    match addresses {
        v1::Addresses::Tcp4(addresses) => Ok(ProxiedClient::Client(addresses.source_address.into())),
        v1::Addresses::Tcp6(addresses) => Ok(ProxiedClient::Client(addresses.source_address.into())),
        v1::Addresses::Unknown => Ok(ProxiedClient::Local),
    }
}

fn client(header: &v2::Header<'_>) -> io::Result<ProxiedClient> {
    match (header.command, header.addresses) {
        (v2::Command::Local, _) => Ok(ProxiedClient::Local),
        (_, v2::Addresses::IPv4(addresses)) => Ok(ProxiedClient::Client(addresses.source_address.into())),
        (_, v2::Addresses::IPv6(addresses)) => Ok(ProxiedClient::Client(addresses.source_address.into())),
        _ => Err(invalid("the header names no TCP client")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_in_any_pieces() {
        let v2 = v2::Builder::with_addresses(
            v2::Version::Two | v2::Command::Proxy,
            v2::Protocol::Stream,
            ("198.18.0.25:25".parse::<std::net::SocketAddr>().unwrap(), "192.0.2.1:25".parse().unwrap()),
        )
        .build()
        .unwrap();
        let v1 = b"PROXY TCP4 198.18.0.25 192.0.2.1 4711 25\r\n".to_vec();
        let client = ProxiedClient::Client("198.18.0.25".parse().unwrap());
        for header in [v1, v2] {
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]).unwrap(), None, "{end} octets");
            }
            let with_more = [header.as_slice(), b"EHLO relay.example\r\n"].concat();
            assert_eq!(parse(&with_more).unwrap(), Some((client, header.len())));
        }
        let six = b"PROXY TCP6 2001:db8::25 2001:db8::1 4711 25\r\n";
        assert_eq!(
            parse(six).unwrap(),
            Some((ProxiedClient::Client("2001:db8::25".parse().unwrap()), six.len()))
        );
        assert_eq!(parse(b"PROXY UNKNOWN\r\n").unwrap(), Some((ProxiedClient::Local, 15)));
        for wrong in
            [b"EHLO relay.example\r\n".as_slice(), b"PROXY TCP4 nobody x 1 2\r\n", b"\x16\x03\x01\x02"]
        {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
