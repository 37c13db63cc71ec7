//! The daemon in a small network, with Postfix servers around it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::name_server::Records;
use crate::network::{Network, can_run, must};
use crate::postfix::{Postfix, Role};
use crate::smtp_client::Smtp;
use crate::wait::happens_within;

/// The address of the trap's host.
pub(crate) const TRAP: &str = "198.18.0.1";
pub(crate) const TRAP_V6: &str = "2001:db8::1";
/// The addresses from which the daemon asks mail servers.
pub(crate) const VERIFY: [&str; 2] = ["198.18.0.2", "2001:db8::2"];
/// The address of the name server, if there is one beside the daemon.
pub(crate) const NAME_SERVER: &str = "198.18.0.53";
/// A relay that accepts everything and bounces later.
pub(crate) const BAD: &str = "198.18.0.25";
/// A relay that rejects unknown recipients in the session.
pub(crate) const GOOD: &str = "198.18.0.26";
/// A mail server that uses the list.
pub(crate) const CONSUMER: &str = "198.18.0.80";
/// A client that is not listed.
pub(crate) const CLEAN: &str = "198.18.0.99";
/// Its IPv6 address.
pub(crate) const CLEAN_V6: &str = "2001:db8::80";
/// The trap domains.
pub(crate) const TRAP_DOMAINS: [&str; 3] = ["trap-one.test", "trap-two.test", "trap-three.test"];
/// A host of an attacker.
pub(crate) const ATTACKER: &str = "203.0.113.66";
const OUTSIDE: [&str; 5] = ["192.0.2.44", "198.51.100.66", "203.0.113.9", CLEAN, ATTACKER];

const PROGRAM: &str = env!("CARGO_BIN_EXE_backscatterd");
const ZONE: &str = include_str!("../../zones/backscatter.toml");
const ORIGIN: &str = "bl.backscatter.example";
/// How long to wait for a condition.
pub(crate) const WAIT_LIMIT: Duration = Duration::from_secs(120);

/// The network with everything that runs in it.
pub(crate) struct Lab {
    pub(crate) network: Network,
    folder: tempfile::TempDir,
    daemon: Child,
    mtas: Vec<Postfix>,
}

/// The output of dig.
pub(crate) struct Dug {
    /// The rcode by name: NOERROR, NXDOMAIN, ...
    pub(crate) status: String,
    /// The whole output.
    pub(crate) text: String,
}

impl Lab {
    /// Starts the lab. The daemon is the name server of all hosts and takes what it asks the DNS from a
    /// table. Where something is missing, prints that the test was skipped and returns `None`; under CI it
    /// fails.
    pub(crate) fn up(name: &str, roles: &[Role]) -> Option<Self> {
        if !can_run(&programs()) {
            return None;
        }
        let relay = |address: &str, name: &str| {
            format!(
                "[[observe.laboratory_hosts]]\naddresses = \"{address}/32\"\nname = \"{name}\"\n\
                 exchanger_of = [\"relay.test\"]\n"
            )
        };
        let table = [relay(BAD, "bad.relay.test"), relay(GOOD, "good.relay.test")].concat();
        let mut lab = Lab::begin(Network::new(name, TRAP), &table);
        for role in roles {
            // Mail to nowhere.test, to which an alias leads, goes to a host that refuses its recipients.
            let routing = format!(
                "relayhost = [{TRAP}]:25\ntransport_maps = inline:{{{{nowhere.test = smtp:[{ATTACKER}]:25}}}}\n"
            );
            lab.postfix(*role, &routing);
        }
        Some(lab)
    }

    /// Starts the lab with a name server, which the daemon and all mail servers ask. The daemon asks mail
    /// servers from [`VERIFY`].
    pub(crate) fn with_name_server(name: &str, records: Records) -> Self {
        let mut network = Network::new(name, NAME_SERVER);
        network.host("dns", &[NAME_SERVER]);
        network.within("dns", || records.serve(NAME_SERVER.parse().unwrap()));
        let settings = format!(
            "[observe]\nresolvers = [\"{NAME_SERVER}:53\"]\n[verify]\naddresses = {VERIFY:?}\n\
             ehlo = \"verify.lists.test\"\npage = \"https://verify.lists.test/\"\n"
        );
        Lab::begin(network, &settings)
    }

    fn begin(mut network: Network, settings: &str) -> Self {
        network.host("trap", &[TRAP, VERIFY[0], TRAP_V6, VERIFY[1]]);
        network.host("outside", &OUTSIDE);
        let folder = tempfile::Builder::new().prefix("backscatterd-lab").tempdir().unwrap();
        // Servers must reach their folders after they have dropped their privileges.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let daemon = start_daemon(folder.path(), &network.namespace("trap"), settings);
        let lab = Lab { network, folder, daemon, mtas: Vec::new() };
        lab.wait("the daemon", || lab.control("GET", "/readyz", "").is_some_and(|(status, _)| status == 200));
        for domain in TRAP_DOMAINS {
            lab.verb(&["trap", "add", domain, "--silent-since", "2025-01-01T00:00:00Z"]);
        }
        lab
    }

    /// Adds a Postfix server on a host of its own. `routing` says how it sends mail.
    pub(crate) fn postfix(&mut self, role: Role, routing: &str) {
        let (host, addresses) = role.host();
        self.network.host(host, addresses);
        let namespace = self.network.namespace(host);
        self.mtas.push(Postfix::start(role, &namespace, &self.folder.path().join(host), routing));
        self.wait(host, || self.network.connect("outside", CLEAN, addresses[0]).is_some());
    }

    /// The folder of everything that runs in the lab.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a verb of the program, which reaches the daemon by its control socket.
    pub(crate) fn verb(&self, arguments: &[&str]) -> String {
        let config = self.folder.path().join("backscatterd.toml");
        must(PROGRAM, &[&["--config", config.to_str().unwrap()], arguments].concat())
    }

    /// Reloads every Postfix instance, so that new processes replace the old ones.
    pub(crate) fn reload(&self) {
        self.mtas.iter().for_each(Postfix::reload);
    }

    /// Advances the laboratory's clock.
    pub(crate) fn advance(&self, hours: i64) {
        self.verb(&["advance", &format!("{hours}h")]);
    }

    /// The explanation of an address.
    pub(crate) fn explain(&self, address: &str) -> String {
        self.verb(&["explain", address])
    }

    /// The explanation of an address as JSON.
    pub(crate) fn explain_json(&self, address: &str) -> serde_json::Value {
        let path = format!("/control/v1/explain/{address}?format=json");
        let (_, body) = self.control("GET", &path, "").expect("the daemon answers");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// Whether the fold lists an address, by the API and not by the DNS.
    pub(crate) fn is_listed(&self, address: &str) -> bool {
        let told = self.control("GET", &format!("/api/v1/addresses/{address}"), "").map(|(_, body)| body);
        told.is_some_and(|body| body.contains("\"listed\":true"))
    }

    /// The offset of the journal's last entry. The laboratory's clock stands still, so no tick adds
    /// entries.
    pub(crate) fn journal_head(&self) -> u64 {
        self.offset("journal at ")
    }

    fn offset(&self, of: &str) -> u64 {
        let (_, body) = self.control("GET", "/readyz", "").expect("the daemon answers");
        let after = body.split(of).nth(1).expect("readyz shows offsets");
        after.split([',', '\n']).next().and_then(|offset| offset.parse().ok()).expect("a number")
    }

    /// Waits until the fold has taken the entry at an offset.
    pub(crate) fn wait_for_fold(&self, offset: u64) {
        self.wait("the fold", || self.offset("fold at ") >= offset);
    }

    /// Waits until the journal contains an offset.
    pub(crate) fn wait_for_journal(&self, head: u64) {
        self.wait("a report at the trap", || self.journal_head() >= head);
    }

    /// Waits until something has happened.
    pub(crate) fn wait(&self, what: &str, happened: impl FnMut() -> bool) {
        if happens_within(WAIT_LIMIT, happened) {
            return;
        }
        panic!("{what} did not come; the mail logs say:\n{}", self.logs());
    }

    /// The mail logs.
    pub(crate) fn logs(&self) -> String {
        self.mtas.iter().map(Postfix::log).collect()
    }

    /// Asks the list about an address with dig.
    pub(crate) fn dig(&self, address: &str, kind: &str) -> Dug {
        let [a, b, c, d] = address.parse::<Ipv4Addr>().unwrap().octets();
        let name = format!("{d}.{c}.{b}.{a}.{ORIGIN}");
        let namespace = self.network.namespace("outside");
        let server = format!("@{TRAP}");
        let text =
            must("ip", &["netns", "exec", &namespace, "dig", "+tries=1", "+time=2", &server, &name, kind]);
        let status = text.split("status: ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("none");
        Dug { status: status.to_owned(), text }
    }

    /// Sends forged mail to a relay as an injector. Returns the last reply.
    pub(crate) fn forge(&self, injector: &str, relay: &str, sender: &str, recipient: &str) -> String {
        let stream = self.network.connect("outside", injector, relay).expect("the relay listens");
        talk(stream, "botnet.test", sender, recipient)
    }

    /// Offers mail from a host of the lab to the host that uses the list. Returns the last reply.
    pub(crate) fn offer(&self, from: &str, sender: &str, recipient: &str) -> String {
        let host = if from == BAD { "bad" } else { "outside" };
        let stream = self.network.connect(host, from, CONSUMER).expect("the consumer listens");
        talk(stream, "client.test", sender, recipient)
    }

    /// Sends `count` reports from an address to the trap, all from the null reverse-path.
    pub(crate) fn pour(&self, from: &str, first: usize, count: usize) {
        let mut sent = 0;
        while sent < count {
            let mut smtp =
                Smtp::greeted(self.network.connect("outside", from, TRAP).expect("the trap listens"))
                    .unwrap();
            assert!(smtp.greeting().starts_with("220"), "{}", smtp.greeting());
            smtp.say("EHLO relay.test").unwrap();
            for nth in sent..count.min(sent + 500) {
                let trap = format!("anyone{nth}@{}", TRAP_DOMAINS[nth % TRAP_DOMAINS.len()]);
                let message = format!(
                    "From: MAILER-DAEMON@relay.test\nTo: {trap}\nSubject: failure {}\nContent-Type: message/delivery-status\n\n\
                     Reporting-MTA: dns; relay.test\n\nFinal-Recipient: rfc822; u{nth}@relay.test\nAction: failed\n",
                    first + nth
                );
                let reply = smtp.deliver("", &trap, &message).unwrap();
                assert!(reply.starts_with("250"), "{reply}");
            }
            sent = count.min(sent + 500);
        }
    }

    /// The status and the body of `/metrics`.
    pub(crate) fn metrics(&self) -> (u16, String) {
        self.control("GET", "/metrics", "").expect("the daemon answers")
    }

    fn control(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = UnixStream::connect(self.folder.path().join("control.sock")).ok()?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: control\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.mtas.clear();
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Sends one message. Returns the last reply.
fn talk(stream: TcpStream, helo: &str, sender: &str, recipient: &str) -> String {
    let mut smtp = Smtp::greeted(stream).expect("a greeting");
    smtp.say(&format!("EHLO {helo}")).expect("a reply");
    let message =
        format!("From: {sender}\nTo: {recipient}\nSubject: pills\nMessage-ID: <x@{helo}>\n\nBuy now.\n");
    let reply = smtp.deliver(sender, recipient, &message).expect("a reply");
    // The relay may close the connection first.
    let _ = smtp.say("QUIT");
    reply
}

fn programs() -> Vec<PathBuf> {
    ["/usr/sbin/postfix", "/usr/bin/dig", "/usr/sbin/ip"].map(PathBuf::from).into()
}

fn start_daemon(folder: &Path, namespace: &str, settings: &str) -> Child {
    let zones: PathBuf = folder.join("zones");
    std::fs::create_dir(&zones).unwrap();
    std::fs::write(zones.join("backscatter.toml"), zone()).unwrap();
    let path = folder.display();
    let settings = format!(
        "version = 1\nzones_directory = \"{path}/zones\"\n\
         [journal]\ndirectory = \"{path}/journal\"\n[keys]\ndirectory = \"{path}/keys\"\n\
         [smtp]\nmessages_per_client_max = 0\ntarpit_max = \"0s\"\nhostname = \"trap.backscatter.example\"\nlisten = [\"{TRAP}:25\", \"[{TRAP_V6}]:25\"]\n\
         operator_maildir = \"{path}/operator\"\n[dns]\nlisten = [\"{TRAP}:53\"]\n\
         [http]\nlisten = [\"127.0.0.1:8053\"]\n[control]\nsocket = \"{path}/control.sock\"\n\
         [audit]\ndirectory = \"{path}/audit\"\n\
         [clock]\nlaboratory = true\n[log]\nfilter = \"warn\"\n{settings}"
    );
    let config = folder.join("backscatterd.toml");
    std::fs::write(&config, settings).unwrap();
    Command::new("ip")
        .args(["netns", "exec", namespace, PROGRAM, "serve", "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .spawn()
        .expect("the daemon starts")
}

/// The shipped zone file, in which the addresses of the lab may be listed.
pub(crate) fn zone() -> String {
    let networks = r#"laboratory_networks = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"]"#;
    let zone = ZONE.replace("laboratory_networks = []", networks);
    assert_ne!(zone, ZONE);
    // These tests are about mail servers. Without slots, what is decided is seen at once.
    let immediate = zone.replace("publish_every = \"15m\"", "publish_every = \"0s\"");
    assert_ne!(zone, immediate);
    immediate
}
