//! A name server that says what a test tells it to say, about every domain and every address.

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, MX, PTR, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// The TTL of every record, in seconds.
const TTL: u32 = 300;
/// The longest query, in octets.
const QUERY_OCTETS_MAX: usize = 4_096;

/// Records by lower-case name and type.
#[derive(Default)]
pub(crate) struct Records(HashMap<String, Vec<RData>>);

impl Records {
    /// Adds a mail exchanger of a domain, with its address.
    pub(crate) fn exchanger(&mut self, domain: &str, preference: u16, host: &str, address: &str) {
        self.add(domain, RData::MX(MX::new(preference, name(host))));
        self.address(host, address);
    }

    /// Adds an address of a host.
    pub(crate) fn address(&mut self, host: &str, address: &str) {
        self.add(
            host,
            match address.parse().unwrap() {
                IpAddr::V4(v4) => RData::A(A(v4)),
                IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
            },
        );
    }

    /// Adds an address of a host, and the name of the address.
    pub(crate) fn named(&mut self, host: &str, address: &str) {
        self.address(host, address);
        let reverse = Name::from(address.parse::<IpAddr>().unwrap());
        self.add(&reverse.to_ascii(), RData::PTR(PTR(name(host))));
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, of: &str, text: &str) {
        self.add(of, RData::TXT(TXT::new(vec![text.to_owned()])));
    }

    fn add(&mut self, of: &str, data: RData) {
        let known = self.0.entry(key(&name(of))).or_default();
        if !known.contains(&data) {
            known.push(data);
        }
    }

    fn answer(&self, query: &Message) -> Option<Message> {
        let asked = query.queries.first()?;
        let mut response = Message::response(query.metadata.id, query.metadata.op_code);
        response.metadata.recursion_available = true;
        response.metadata.recursion_desired = query.metadata.recursion_desired;
        response.add_query(asked.clone());
        match self.0.get(&key(asked.name())) {
            Some(known) => {
                let of_type = |data: &&RData| is_of(data, asked.query_type());
                for data in known.iter().filter(of_type) {
                    response.add_answer(Record::from_rdata(asked.name().clone(), TTL, data.clone()));
                }
            }
            None => response.metadata.response_code = ResponseCode::NXDomain,
        }
        Some(response)
    }

    /// Answers queries at port 53 of an address. The thread stays in the namespace of its caller, and ends
    /// with the test's process.
    pub(crate) fn serve(self, at: IpAddr) {
        let socket = UdpSocket::bind((at, 53)).unwrap();
        std::thread::spawn(move || {
            let mut octets = [0; QUERY_OCTETS_MAX];
            while let Ok((length, client)) = socket.recv_from(&mut octets) {
                let query = Message::from_vec(&octets[..length]);
                if let Some(response) = query.ok().and_then(|query| self.answer(&query)) {
                    let _ = socket.send_to(&response.to_vec().unwrap(), client);
                }
            }
        });
    }
}

fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).unwrap();
    name.set_fqdn(true);
    name
}

fn key(name: &Name) -> String {
    name.to_ascii().to_ascii_lowercase()
}

fn is_of(data: &RData, asked: RecordType) -> bool {
    data.record_type() == asked
}
