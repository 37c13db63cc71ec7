//! Runs the real program in a temporary folder on loopback, with clients for its protocols.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use backscatterd::daemon::BoundAddresses;
use ppp::v2;

use super::messages::report;
use super::smtp_client::Smtp;
use super::world::laboratory_zone;
use super::{PROGRAM, bound, happens_within};

/// How long the daemon may take to become ready.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// The folder of one installation, and the addresses of the daemon that runs in it.
pub(crate) struct Installation {
    /// The folder with everything that the daemon reads and writes.
    pub(crate) folder: tempfile::TempDir,
    /// The addresses that the last daemon bound; a restart binds others.
    bound: Mutex<BoundAddresses>,
}

/// A running daemon.
pub(crate) struct Server {
    child: Child,
    /// The file with the standard error of all daemons of the installation.
    log: PathBuf,
    /// The length of this file when this daemon was started.
    log_start: usize,
}

impl Installation {
    /// A laboratory installation with the shipped policy.
    pub(crate) fn new() -> Self {
        let installation = Installation { folder: tempfile::tempdir().unwrap(), bound: Mutex::default() };
        let path = installation.path();
        std::fs::create_dir(path.join("zones")).unwrap();
        std::fs::write(path.join("zones/backscatter.toml"), laboratory_zone()).unwrap();
        std::fs::write(installation.config(), installation.settings()).unwrap();
        installation
    }

    /// The installation's folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The path of the configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("backscatterd.toml")
    }

    /// The path of the journal's store.
    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("journal/journal.redb")
    }

    /// Replaces a part of the configuration file, which must contain it.
    pub(crate) fn configure(&self, replace: &str, by: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        let edited = text.replacen(replace, by, 1);
        assert_ne!(text, edited, "{replace:?} is not in the configuration");
        std::fs::write(self.config(), edited).unwrap();
    }

    /// Every port is 0. The log has the line with the actual ports and otherwise only warnings.
    fn settings(&self) -> String {
        let path = self.path().display();
        format!(
            "version = 1\nzones_directory = \"{path}/zones\"\n\
             [journal]\ndirectory = \"{path}/journal\"\n[keys]\ndirectory = \"{path}/keys\"\n\
             [smtp]\nhostname = \"trap.backscatter.example\"\nlisten = [\"127.0.0.1:0\"]\nlisten_proxy = [\"127.0.0.1:0\"]\n\
             proxy_peers = [\"127.0.0.0/8\"]\noperator_maildir = \"{path}/operator\"\nsessions_per_client_max = 200\n\
             [dns]\nlisten = [\"127.0.0.1:0\"]\ntcp_idle_timeout = \"1s\"\n[http]\nlisten = [\"127.0.0.1:0\"]\n[metrics]\nlisten = [\"127.0.0.1:0\"]\n\
             [audit]\ndirectory = \"{path}/audit\"\n[[observe.laboratory_hosts]]\naddresses = \"198.18.0.0/15\"\nname = \"relay.example\"\nexchanger_of = [\"relay.example\"]\n\
             [[observe.laboratory_hosts]]\naddresses = \"2001:db8::/32\"\nname = \"relay.example\"\nexchanger_of = [\"relay.example\"]\n\
             [control]\nsocket = \"{path}/control.sock\"\n[clock]\nlaboratory = true\n[log]\nfilter = \"warn,backscatterd::cli=info\"\n"
        )
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(&self) -> Server {
        self.start_by(Command::new(PROGRAM))
    }

    /// Starts the daemon with this mask for the modes of files, and waits until it is ready.
    pub(crate) fn start_under(&self, mask: &str) -> Server {
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask \"$0\" && exec \"$@\"", mask, PROGRAM]);
        self.start_by(shell)
    }

    fn start_by(&self, mut command: Command) -> Server {
        let log = self.path().join("log.txt");
        let written = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let log_start = usize::try_from(written.metadata().unwrap().len()).unwrap();
        let child = command
            .args(["serve", "--config"])
            .arg(self.config())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stderr(written)
            .spawn()
            .expect("the program starts");
        let mut server = Server { child, log, log_start };
        let ready = happens_within(READY_LIMIT, || {
            let ended = server.child.try_wait().unwrap();
            assert_eq!(ended, None, "the daemon ended at once: {}", server.log());
            let Some(bound) = bound::addresses(&server.log()) else { return false };
            *self.bound.lock().unwrap() = bound;
            self.get("/readyz").is_ok_and(|(status, _)| status == 200)
        });
        assert!(ready, "the daemon does not become ready: {}", server.log());
        server
    }

    fn first(&self, of: impl FnOnce(&BoundAddresses) -> &Vec<SocketAddr>) -> SocketAddr {
        *of(&self.bound.lock().unwrap()).first().expect("a running daemon with such a listener")
    }

    /// The address of the SMTP listener.
    pub(crate) fn smtp_address(&self) -> SocketAddr {
        self.first(|bound| &bound.smtp)
    }

    /// The address of the SMTP listener that expects a PROXY header.
    pub(crate) fn smtp_proxy_address(&self) -> SocketAddr {
        self.first(|bound| &bound.smtp_proxy)
    }

    /// The address of the LMTP listener, which only a test's own settings add.
    pub(crate) fn lmtp_address(&self) -> SocketAddr {
        self.first(|bound| &bound.lmtp)
    }

    /// The address of the first DNS listener.
    pub(crate) fn dns_address(&self) -> SocketAddr {
        self.first(|bound| &bound.dns)
    }

    /// The addresses of all DNS listeners.
    pub(crate) fn dns_addresses(&self) -> Vec<SocketAddr> {
        self.bound.lock().unwrap().dns.clone()
    }

    /// The address of the HTTP listener.
    pub(crate) fn http_address(&self) -> SocketAddr {
        self.first(|bound| &bound.http)
    }

    /// Runs a command of the program.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM).arg("--config").arg(self.config()).args(arguments).output().unwrap()
    }

    /// Runs a command that must succeed. Returns its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sends a `GET` request to the public server. Returns the status and the body.
    pub(crate) fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        get_from(self.http_address(), path)
    }

    /// All metrics.
    pub(crate) fn metrics(&self) -> String {
        let (status, metrics) = self.monitoring("/metrics");
        assert_eq!(status, 200, "{metrics}");
        metrics
    }

    /// Sends a `GET` request to the listener of the metrics. Returns the status and the body.
    pub(crate) fn monitoring(&self, path: &str) -> (u16, String) {
        get_from(self.first(|bound| &bound.metrics), path).unwrap()
    }

    /// Sends a `POST` request. Returns the status and the body.
    pub(crate) fn post(&self, path: &str, octets: &[u8]) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.http_address())?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let length = octets.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )?;
        // A server that refuses the length may close before it has read the body.
        let _ = stream.write_all(octets);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok((status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
    }

    /// Sends a request with further headers. Returns the status and the body.
    pub(crate) fn request(&self, head: &str, headers: &[(&str, &str)], octets: &[u8]) -> (u16, String) {
        let answer = self.exchange(head, headers, octets);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let body = if head.contains("transfer-encoding: chunked") { whole(body) } else { body.to_owned() };
        (status, body)
    }

    /// Sends a request with further headers. Returns the whole response.
    pub(crate) fn exchange(&self, head: &str, headers: &[(&str, &str)], octets: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.http_address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut text =
            format!("{head} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", octets.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            text += "Host: test\r\n";
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        stream.write_all((text + "\r\n").as_bytes()).unwrap();
        // A server that refuses the headers may close before it has read the body.
        let _ = stream.write_all(octets);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends a `GET` request to the control socket. Returns the body.
    pub(crate) fn control_get(&self, path: &str) -> String {
        let mut stream = UnixStream::connect(self.path().join("control.sock")).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: control\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Makes a donor with further options. Returns its token.
    pub(crate) fn donor(&self, name: &str, options: &[&str]) -> String {
        let told = self.ok(&[&["donor", "set", name, "--new-token"], options].concat());
        told.split('"').nth(1).expect("a token").to_owned()
    }

    /// Opens an SMTP session that comes from this client address, by the PROXY protocol.
    pub(crate) fn smtp_from(&self, client: &str) -> std::io::Result<Smtp> {
        let mut stream = TcpStream::connect(self.smtp_proxy_address())?;
        let client: IpAddr = client.parse().unwrap();
        let to = SocketAddr::new(if client.is_ipv4() { [127, 0, 0, 1].into() } else { [0; 16].into() }, 25);
        let header = v2::Builder::with_addresses(
            v2::Version::Two | v2::Command::Proxy,
            v2::Protocol::Stream,
            (SocketAddr::new(client, 25), to),
        );
        stream.write_all(&header.build().unwrap())?;
        Smtp::greeted(stream)
    }

    /// Opens an SMTP session from loopback.
    pub(crate) fn smtp(&self) -> std::io::Result<Smtp> {
        Smtp::greeted(TcpStream::connect(self.smtp_address())?)
    }

    /// Sends six reports over 30 hours: enough for a listing by the shipped policy.
    pub(crate) fn make_case(&self, relay: &str) {
        self.make_cases(&[relay], 0);
    }

    /// Sends six reports of each relay over 30 hours. The round makes them differ from those of
    /// other rounds.
    pub(crate) fn make_cases<R: AsRef<str>>(&self, relays: &[R], round: u64) {
        let injectors = ["192.0.2.44", "198.51.100.66", "203.0.113.9"];
        for nth in 0..6u64 {
            let trap = if nth % 2 == 0 { "a@trap-one.example" } else { "b@trap-two.example" };
            for (at, relay) in relays.iter().map(AsRef::as_ref).enumerate() {
                let mut smtp = self.smtp_from(relay).unwrap();
                smtp.say("EHLO relay.example").unwrap();
                let number = 6 * round + nth;
                let injector = injectors[(nth as usize + at) % injectors.len()];
                let message = report(trap, &format!("u{number}@relay.example"), injector, number);
                let reply = smtp.deliver("", trap, &format!("{message}\nfrom {relay}\n")).unwrap();
                assert!(reply.starts_with("250"), "{reply}");
            }
            self.ok(&["advance", "6h"]);
        }
    }

    /// Adds the traps to which [`Self::make_cases`] reports.
    pub(crate) fn add_traps(&self) {
        for domain in ["trap-one.example", "trap-two.example"] {
            self.ok(&["trap", "add", domain, "--silent-since", "2025-01-01T00:00:00Z"]);
        }
    }
}

impl Server {
    /// What this daemon has logged.
    pub(crate) fn log(&self) -> String {
        let all = std::fs::read(&self.log).unwrap();
        String::from_utf8_lossy(&all[self.log_start..]).into_owned()
    }

    /// The daemon's resident memory in octets.
    pub(crate) fn resident_octets(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    /// Kills the daemon with SIGKILL, as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.assert_no_panic();
    }

    /// Checks the log for panics: a task that panics does not end the daemon.
    fn assert_no_panic(&self) {
        let log = self.log();
        assert!(!log.contains("panicked"), "{log}");
    }

    /// Ends the daemon with SIGTERM, and checks that it exits with success.
    pub(crate) fn stop(mut self) {
        let ended = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(ended.success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        self.assert_no_panic();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process still runs only after a failed test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a `GET` request. Returns the status and the body.
fn get_from(server: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok((status, body))
}

/// Decodes a chunked body.
fn whole(chunked: &str) -> String {
    let (mut rest, mut text) = (chunked, String::new());
    while let Some((length, behind)) = rest.split_once("\r\n") {
        let Ok(length) = usize::from_str_radix(length.trim(), 16) else { break };
        if length == 0 {
            break;
        }
        text.push_str(&behind[..length]);
        rest = behind[length..].trim_start_matches("\r\n");
    }
    text
}
