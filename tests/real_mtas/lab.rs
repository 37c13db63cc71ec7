//! A small network for tests: a bridge, a namespace for each host, the daemon and the MTAs. It is
//! removed at the end.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::postfix::Postfix;
use crate::smtp_client::Smtp;
use crate::wait::happens_within;

/// The address of the trap's host.
pub(crate) const TRAP: &str = "198.18.0.1";
/// A relay that accepts everything and bounces later.
pub(crate) const BAD: &str = "198.18.0.25";
/// A relay that rejects unknown recipients in the session.
pub(crate) const GOOD: &str = "198.18.0.26";
/// A mail server that uses the list.
const CONSUMER: &str = "198.18.0.80";
/// The hosts of the roles that only verification asks.
pub(crate) const CUSTOMERS_ONLY: &str = "198.18.0.31";
pub(crate) const GREYLISTING: &str = "198.18.0.32";
pub(crate) const GREYLISTING_LAST: &str = "198.18.0.33";
pub(crate) const TLS_REQUIRED: &str = "198.18.0.34";
pub(crate) const OLD_TLS_REQUIRED: &str = "198.18.0.35";
pub(crate) const BLOCKING: &str = "198.18.0.36";
/// A mail server that is set up as the trap looks.
pub(crate) const LIKE: &str = "198.18.0.40";
/// A client that is not listed.
pub(crate) const CLEAN: &str = "198.18.0.99";
/// The trap domains.
pub(crate) const TRAP_DOMAINS: [&str; 3] = ["trap-one.test", "trap-two.test", "trap-three.test"];
const OUTSIDE: [&str; 4] = ["192.0.2.44", "198.51.100.66", "203.0.113.9", CLEAN];

const PROGRAM: &str = env!("CARGO_BIN_EXE_backscatterd");
const ZONE: &str = include_str!("../../zones/backscatter.toml");
const ORIGIN: &str = "bl.backscatter.example";
/// How long to wait for a condition.
const WAIT_LIMIT: Duration = Duration::from_secs(120);

/// What a Postfix instance does in a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The relay at [`BAD`].
    Bad,
    /// The relay at [`GOOD`].
    Good,
    /// The mail server at [`CONSUMER`].
    Consumer,
    /// A server that relays for its authenticated customers only.
    CustomersOnly,
    /// A server that defers every recipient, as greylisting does at the first attempt.
    Greylisting,
    /// A server that rejects unknown recipients, and greylists the others.
    GreylistingLast,
    /// A server that rejects unknown recipients and requires TLS.
    TlsRequired,
    /// A server that requires a version of TLS that nobody uses any more.
    OldTlsRequired,
    /// A server that refuses clients on a list.
    Blocking,
    /// A server that is set up as the trap looks.
    LikeTrap,
}

impl Role {
    fn host(self) -> (&'static str, &'static str) {
        match self {
            Role::Bad => ("bad", BAD),
            Role::Good => ("good", GOOD),
            Role::Consumer => ("consumer", CONSUMER),
            Role::CustomersOnly => ("customers", CUSTOMERS_ONLY),
            Role::Greylisting => ("greylist", GREYLISTING),
            Role::GreylistingLast => ("greylast", GREYLISTING_LAST),
            Role::TlsRequired => ("tls", TLS_REQUIRED),
            Role::OldTlsRequired => ("oldtls", OLD_TLS_REQUIRED),
            Role::Blocking => ("blocking", BLOCKING),
            Role::LikeTrap => ("like", LIKE),
        }
    }
}

/// The network with everything that runs in it.
pub(crate) struct Lab {
    namespaces: Namespaces,
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

/// The first thing that these tests need and that is missing.
fn missing() -> Option<String> {
    if !nix::unistd::Uid::effective().is_root() {
        return Some("root".to_owned());
    }
    let tools = ["/usr/sbin/postfix", "/usr/bin/dig", "/usr/sbin/ip"];
    tools.into_iter().find(|tool| !Path::new(tool).exists()).map(str::to_owned)
}

/// Runs a program.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"))
}

/// Runs a program that must succeed. Returns its standard output.
pub(crate) fn must(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn resolver_directory(namespace: &str) -> PathBuf {
    Path::new("/etc/netns").join(namespace)
}

/// The namespaces of one lab. They are removed with it, and every process in them is killed.
struct Namespaces {
    prefix: String,
    names: Vec<String>,
}

impl Namespaces {
    fn new(name: &str) -> Self {
        let mut namespaces =
            Namespaces { prefix: format!("bsd{}-{name}", std::process::id()), names: Vec::new() };
        let hub = namespaces.add("hub");
        must("ip", &["-n", &hub, "link", "add", "br0", "type", "bridge"]);
        must("ip", &["-n", &hub, "link", "set", "br0", "up"]);
        namespaces
    }

    fn add(&mut self, host: &str) -> String {
        let name = self.name(host);
        must("ip", &["netns", "add", &name]);
        self.names.push(name.clone());
        must("ip", &["-n", &name, "link", "set", "lo", "up"]);
        name
    }

    fn name(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// Adds a host to the bridge. Every other address is on its link.
    fn host(&mut self, host: &str, addresses: &[&str]) {
        let (hub, name) = (self.name("hub"), self.add(host));
        let port = format!("v-{host}");
        must(
            "ip",
            &["-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &name],
        );
        must("ip", &["-n", &hub, "link", "set", &port, "master", "br0", "up"]);
        for address in addresses {
            must("ip", &["-n", &name, "addr", "add", &format!("{address}/32"), "dev", "eth0"]);
        }
        must("ip", &["-n", &name, "link", "set", "eth0", "up"]);
        must("ip", &["-n", &name, "route", "add", "default", "dev", "eth0", "src", addresses[0]]);
        // `ip netns exec` shows this file as /etc/resolv.conf: the daemon is the only name server.
        let directory = resolver_directory(&name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("resolv.conf"), format!("nameserver {TRAP}\n")).unwrap();
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.names {
            for pid in String::from_utf8_lossy(&run("ip", &["netns", "pids", name]).stdout).split_whitespace()
            {
                run("kill", &["-9", pid]);
            }
            run("ip", &["netns", "del", name]);
            // The hub has no such folder.
            let _ = std::fs::remove_dir_all(resolver_directory(name));
        }
    }
}

impl Lab {
    /// Starts the lab. Where something is missing, prints that the test was skipped and returns
    /// `None`; under CI it fails.
    pub(crate) fn up(name: &str, roles: &[Role]) -> Option<Self> {
        if let Some(missing) = missing() {
            assert!(std::env::var_os("CI").is_none(), "CI must run this test, and {missing} is missing");
            eprintln!("SKIPPED: this test needs {missing}; tests/run installs what it needs, as root");
            return None;
        }
        let mut namespaces = Namespaces::new(name);
        namespaces.host("trap", &[TRAP]);
        namespaces.host("outside", &OUTSIDE);
        let folder = tempfile::Builder::new().prefix("backscatterd-lab").tempdir().unwrap();
        // Postfix must reach its folders after it has dropped its privileges.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let daemon = start_daemon(folder.path(), &namespaces.name("trap"));
        let mut lab = Lab { namespaces, folder, daemon, mtas: Vec::new() };
        lab.wait("the daemon", || lab.control("GET", "/readyz", "").is_some_and(|(status, _)| status == 200));
        for domain in TRAP_DOMAINS {
            lab.verb(&["trap", "add", domain, "--silent-since", "2025-01-01T00:00:00Z"]);
        }
        for role in roles {
            let (host, address) = role.host();
            lab.namespaces.host(host, &[address]);
            let namespace = lab.namespaces.name(host);
            lab.mtas.push(Postfix::start(*role, &namespace, &lab.folder.path().join(host), TRAP));
            lab.wait(host, || lab.connect("outside", CLEAN, address).is_some());
        }
        Some(lab)
    }

    /// Runs a verb of the program, which reaches the daemon by its control socket.
    fn verb(&self, arguments: &[&str]) -> String {
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

    fn wait(&self, what: &str, happened: impl FnMut() -> bool) {
        if happens_within(WAIT_LIMIT, happened) {
            return;
        }
        let logs: String = self.mtas.iter().map(Postfix::log).collect();
        panic!("{what} did not come; the mail logs say:\n{logs}");
    }

    /// Asks the list about an address with dig.
    pub(crate) fn dig(&self, address: &str, kind: &str) -> Dug {
        let [a, b, c, d] = address.parse::<Ipv4Addr>().unwrap().octets();
        let name = format!("{d}.{c}.{b}.{a}.{ORIGIN}");
        let namespace = self.namespaces.name("outside");
        let server = format!("@{TRAP}");
        let text =
            must("ip", &["netns", "exec", &namespace, "dig", "+tries=1", "+time=2", &server, &name, kind]);
        let status = text.split("status: ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("none");
        Dug { status: status.to_owned(), text }
    }

    /// Sends forged mail to a relay as an injector. Returns the last reply.
    pub(crate) fn forge(&self, injector: &str, relay: &str, sender: &str, recipient: &str) -> String {
        let stream = self.connect("outside", injector, relay).expect("the relay listens");
        talk(stream, "botnet.test", sender, recipient)
    }

    /// Offers mail from a host of the lab to the host that uses the list. Returns the last reply.
    pub(crate) fn offer(&self, from: &str, sender: &str, recipient: &str) -> String {
        let host = if from == BAD { "bad" } else { "outside" };
        let stream = self.connect(host, from, CONSUMER).expect("the consumer listens");
        talk(stream, "client.test", sender, recipient)
    }

    /// Sends `count` reports from an address to the trap, all from the null reverse-path.
    pub(crate) fn pour(&self, from: &str, first: usize, count: usize) {
        let mut sent = 0;
        while sent < count {
            let mut smtp =
                Smtp::greeted(self.connect("outside", from, TRAP).expect("the trap listens")).unwrap();
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

    /// The number of TCP connections that a host has opened since its namespace was made.
    pub(crate) fn connections_opened_by(&self, host: &str) -> u64 {
        let namespace = self.namespaces.name(host);
        let text = must("ip", &["netns", "exec", &namespace, "cat", "/proc/net/snmp"]);
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
        let mut pairs = names.split(' ').zip(values.split(' '));
        pairs
            .find(|(name, _)| *name == "ActiveOpens")
            .and_then(|(_, value)| value.parse().ok())
            .expect("a number")
    }

    /// The status and the body of `/metrics`.
    pub(crate) fn metrics(&self) -> (u16, String) {
        self.control("GET", "/metrics", "").expect("the daemon answers")
    }

    /// Runs a function in a thread that enters the namespace of a host.
    pub(crate) fn within<T: Send + 'static>(
        &self,
        host: &str,
        function: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let namespace = Path::new("/run/netns").join(self.namespaces.name(host));
        let thread = std::thread::spawn(move || {
            let namespace = std::fs::File::open(namespace).unwrap();
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            function()
        });
        thread.join().unwrap()
    }

    /// Opens a connection out of a namespace.
    pub(crate) fn connect(&self, host: &str, from: &str, to: &str) -> Option<TcpStream> {
        let (from, to): (Ipv4Addr, Ipv4Addr) = (from.parse().unwrap(), to.parse().unwrap());
        let opened = self.within(host, move || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
            socket.bind(&SocketAddr::from((from, 0)).into())?;
            socket.connect_timeout(&SocketAddr::from((to, 25)).into(), Duration::from_secs(5))?;
            std::io::Result::Ok(TcpStream::from(socket))
        });
        opened.ok()
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

fn start_daemon(folder: &Path, namespace: &str) -> Child {
    let zones: PathBuf = folder.join("zones");
    std::fs::create_dir(&zones).unwrap();
    let networks =
        r#"laboratory_networks = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15"]"#;
    let zone = ZONE.replace("laboratory_networks = []", networks);
    assert_ne!(zone, ZONE);
    std::fs::write(zones.join("backscatter.toml"), zone).unwrap();
    let path = folder.display();
    let settings = format!(
        "version = 1\nzones_directory = \"{path}/zones\"\n\
         [journal]\ndirectory = \"{path}/journal\"\n[keys]\ndirectory = \"{path}/keys\"\n\
         [smtp]\nmessages_per_client_max = 0\ntarpit_max = \"0s\"\nhostname = \"trap.backscatter.example\"\nlisten = [\"{TRAP}:25\"]\n\
         operator_maildir = \"{path}/operator\"\n[dns]\nlisten = [\"{TRAP}:53\"]\n\
         [http]\nlisten = [\"127.0.0.1:8053\"]\n[control]\nsocket = \"{path}/control.sock\"\n\
         [audit]\ndirectory = \"{path}/audit\"\n\
         [[observe.laboratory_hosts]]\naddresses = \"{BAD}/32\"\nname = \"bad.relay.test\"\nexchanger_of = [\"relay.test\"]\n\
         [[observe.laboratory_hosts]]\naddresses = \"{GOOD}/32\"\nname = \"good.relay.test\"\nexchanger_of = [\"relay.test\"]\n\
         [clock]\nlaboratory = true\n[log]\nfilter = \"warn\"\n"
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
