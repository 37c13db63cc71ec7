//! Helpers for tests with other name servers and resolvers: starting and stopping them on loopback,
//! and asking them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};

/// The path of the program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_backscatterd");
/// How often to look for the first answer of a server, at intervals of 100 ms.
const LOOKS_MAX: usize = 100;
/// How often a query is sent before the test fails.
const TRIES_MAX: usize = 3;

/// A server process that is killed when the value is dropped.
pub(crate) struct Running {
    child: Child,
    /// The address on which the server answers.
    pub(crate) address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a program is installed. If not, prints that the test was skipped; under CI it fails.
pub(crate) fn is_there(program: &str) -> bool {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let there = folders.iter().any(|folder| Path::new(folder).join(program).exists());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "CI must run this test, and {program} is missing");
        eprintln!("SKIPPED: this test needs {program}; tests/run installs what it needs, as root");
    }
    there
}

/// An unused UDP port of an address.
pub(crate) fn free(address: [u8; 4]) -> SocketAddr {
    UdpSocket::bind(SocketAddr::from((address, 0))).unwrap().local_addr().unwrap()
}

/// A temporary folder that a server can read and write after it has dropped its privileges.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("backscatterd-peers").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    folder
}

/// Starts a server and waits until it answers a query.
pub(crate) fn start(command: &mut Command, address: SocketAddr, question: &Message, log: PathBuf) -> Running {
    let written = std::fs::File::create(&log).unwrap();
    let child = command
        .stdin(Stdio::null())
        .stdout(written.try_clone().unwrap())
        .stderr(written)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut running = Running { child, address };
    for _ in 0..LOOKS_MAX {
        if try_once(address, question, Duration::from_millis(100)).is_some() {
            return running;
        }
        if let Some(status) = running.child.try_wait().unwrap() {
            panic!("{command:?} ended, {status}: {}", std::fs::read_to_string(&log).unwrap());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{command:?} does not answer: {}", std::fs::read_to_string(&log).unwrap());
}

/// Starts `backscatterd serve-files` over lists.
pub(crate) fn serve_files(lists: &[String], folder: &Path, question: &Message) -> Running {
    let address = free([127, 0, 0, 1]);
    let mut command = Command::new(PROGRAM);
    command.args(["serve-files", "--listen", &address.to_string(), "--threads", "1"]).args(lists);
    start(&mut command, address, question, folder.join("backscatterd.log"))
}

/// Makes a query of class IN.
pub(crate) fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn try_once(server: SocketAddr, query: &Message, patience: Duration) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).ok()?;
    socket.set_read_timeout(Some(patience)).unwrap();
    socket.send(&query.to_vec().unwrap()).ok()?;
    let mut response = vec![0; 65_535];
    let length = socket.recv(&mut response).ok()?;
    response.truncate(length);
    (response.len() >= 12).then_some(response)
}

/// Sends a query and returns the octets of the response.
pub(crate) fn ask_octets(server: SocketAddr, query: &Message) -> Vec<u8> {
    let mut tries = (0..TRIES_MAX).map(|_| try_once(server, query, Duration::from_secs(2)));
    tries.find_map(|response| response).unwrap_or_else(|| panic!("{server} does not answer {query:?}"))
}

/// Sends a query over UDP and returns the response.
pub(crate) fn ask(server: SocketAddr, query: &Message) -> Message {
    let octets = ask_octets(server, query);
    Message::from_vec(&octets).unwrap_or_else(|error| panic!("{error}: {octets:?}"))
}

/// The parts of a response that a blocklist client uses, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The response code by name.
    pub(crate) rcode: String,
    /// The addresses of the A records.
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// The texts of the TXT records, each with its strings joined.
    pub(crate) texts: Vec<Vec<u8>>,
    /// The least TTL of the answer records, in seconds.
    pub(crate) ttl: Option<u32>,
}

impl From<&Message> for Verdict {
    fn from(message: &Message) -> Self {
        let mut verdict = Verdict {
            rcode: format!("{:?}", message.metadata.response_code),
            addresses: Vec::new(),
            texts: Vec::new(),
            ttl: message.answers.iter().map(|record| record.ttl).min(),
        };
        for record in &message.answers {
            match &record.data {
                RData::A(address) => verdict.addresses.push(address.0),
                RData::TXT(text) => {
                    verdict.texts.push(text.txt_data.iter().flat_map(|part| part.iter().copied()).collect())
                }
                _ => {}
            }
        }
        verdict.addresses.sort_unstable();
        verdict.texts.sort_unstable();
        verdict
    }
}

/// The name of an address in a zone.
pub(crate) fn under(address: IpAddr, origin: &str) -> String {
    format!("{}.{origin}", backscatterd::zone::reversed(address))
}

/// Addresses inside and around the networks of the samples in tests/lists.
pub(crate) fn interesting() -> Vec<IpAddr> {
    let v4 = |a: u8, b: u8, c: u8, d: u8| IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    let mut addresses: Vec<IpAddr> = (0..=255)
        .flat_map(|d| [v4(192, 0, 2, d), v4(198, 51, 100, d), v4(203, 0, 113, d), v4(10, 1, 2, d)])
        .collect();
    for c in [0, 1, 2, 3, 4, 99, 255] {
        for d in [0, 1, 2, 3, 4, 5, 128, 255] {
            addresses.extend([
                v4(10, 0, c, d),
                v4(10, 1, c, d),
                v4(10, 2, c, d),
                v4(172, 15, c, d),
                v4(172, 16, c, d),
                v4(172, 31, c, d),
                v4(172, 32, c, d),
                v4(127, 0, c, d),
                v4(203, 0, c, d),
                v4(c, d, 1, 1),
            ]);
        }
    }
    let words: [u16; 9] = [0, 1, 2, 3, 4, 5, 9, 0x7fff, 0x8000];
    for third in words.into_iter().chain([0xffff]) {
        for fourth in words {
            for last in [0u16, 1, 5, 9, 0xffff] {
                for middle in [0u16, 3] {
                    let address = Ipv6Addr::new(0x2001, 0xdb8, third, fourth, middle, 0, 0, last);
                    addresses.push(IpAddr::V6(address));
                }
            }
        }
    }
    addresses.extend(
        [
            "2001:db8:8000:1:2:3:4:5",
            "2001:db8::1",
            "::ffff:127.0.0.2",
            "::ffff:127.0.0.1",
            "2001:db8:3:b::1",
            "::1",
            "::2",
            "::3",
            "2001:470::1",
            "bad::1",
            "7.1.1.1",
            "12.1.1.1",
            "3.1.1.1",
            "5.1.1.1",
            "11.1.1.1",
        ]
        .map(|text| text.parse::<IpAddr>().unwrap()),
    );
    addresses
}
