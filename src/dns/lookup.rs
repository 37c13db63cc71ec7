//! A minimal DNS client: queries a name server over UDP, as an MTA's resolver would.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::net::UdpSocket;

/// The longest wait for a response.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The answer of a name server about a name, as far as it matters to a DNSBL client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupAnswer {
    /// The response code of the TXT query, such as `NOERROR` or `NXDOMAIN`.
    pub rcode: String,
    /// The addresses of the A records.
    pub addresses: Vec<Ipv4Addr>,
    /// The texts of the TXT records, each with its strings joined.
    pub texts: Vec<String>,
}

/// Queries a name server for the A and TXT records of a name.
///
/// # Errors
/// If the name is invalid, the server cannot be reached, no response arrives within three seconds,
/// or the response is not a valid answer to the query.
pub async fn ask(server: SocketAddr, name: &str) -> io::Result<LookupAnswer> {
    let mut said = LookupAnswer { rcode: String::new(), addresses: Vec::new(), texts: Vec::new() };
    for kind in [RecordType::A, RecordType::TXT] {
        let response = exchange(server, name, kind).await?;
        said.rcode = match response.metadata.response_code {
            ResponseCode::NoError => "NOERROR".to_owned(),
            ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
            other => other.to_str().to_owned(),
        };
        for record in &response.answers {
            match &record.data {
                RData::A(address) => said.addresses.push(address.0),
                RData::TXT(text) => {
                    let octets: Vec<u8> =
                        text.txt_data.iter().flat_map(|part| part.iter().copied()).collect();
                    said.texts.push(String::from_utf8_lossy(&octets).into_owned());
                }
                _ => {}
            }
        }
    }
    Ok(said)
}

async fn exchange(server: SocketAddr, name: &str, kind: RecordType) -> io::Result<Message> {
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
    let name = Name::from_ascii(name).map_err(|error| invalid(error.to_string()))?;
    let mut query = Message::query();
    query.add_query(Query::query(name, kind));
    let octets = query.to_vec().map_err(|error| invalid(error.to_string()))?;
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(&octets).await?;
    let mut response = vec![0; usize::from(u16::MAX)];
    let length = tokio::time::timeout(TIMEOUT, socket.recv(&mut response)).await??;
    let message = Message::from_vec(&response[..length]).map_err(|error| invalid(error.to_string()))?;
    if message.metadata.id == query.metadata.id {
        Ok(message)
    } else {
        Err(invalid("the response has a different message ID".to_owned()))
    }
}
