//! Runs the real program in a temporary folder on loopback, with clients for its protocols.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use ppp::v2;

use crate::smtp_client::Smtp;
use crate::world::laboratory_zone;

const PROGRAM: &str = env!("CARGO_BIN_EXE_backscatterd");
/// How often to look whether the daemon is ready, at intervals of 100 ms.
const READY_LOOKS_MAX: usize = 300;

/// The folder and the ports of one installation.
pub(crate) struct Installation {
    /// The folder with everything that the daemon reads and writes.
    pub(crate) folder: tempfile::TempDir,
    /// The SMTP listener.
    pub(crate) smtp: SocketAddr,
    /// The SMTP listener that expects a PROXY header.
    pub(crate) smtp_proxy: SocketAddr,
    /// The DNS listener.
    pub(crate) dns: SocketAddr,
    /// The HTTP listener.
    pub(crate) http: SocketAddr,
}

/// A running daemon.
pub(crate) struct Server {
    child: Child,
    /// The file with the daemon's standard error.
    log: PathBuf,
}

/// An unused TCP port on loopback.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Installation {
    /// A laboratory installation with the shipped policy.
    pub(crate) fn new() -> Self {
        let installation = Installation {
            folder: tempfile::tempdir().unwrap(),
            smtp: free(),
            smtp_proxy: free(),
            dns: free(),
            http: free(),
        };
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

    fn settings(&self) -> String {
        let Installation { smtp, smtp_proxy, dns, http, .. } = self;
        let path = self.path().display();
        format!(
            "version = 1\nzones_directory = \"{path}/zones\"\n\
             [journal]\ndirectory = \"{path}/journal\"\n[keys]\ndirectory = \"{path}/keys\"\n\
             [smtp]\nhostname = \"trap.backscatter.example\"\nlisten = [\"{smtp}\"]\nlisten_proxy = [\"{smtp_proxy}\"]\n\
             proxy_peers = [\"127.0.0.0/8\"]\noperator_maildir = \"{path}/operator\"\nsessions_per_client_max = 200\n\
             [dns]\nlisten = [\"{dns}\"]\ntcp_idle_timeout = \"1s\"\n[http]\nlisten = [\"{http}\"]\n\
             [audit]\ndirectory = \"{path}/audit\"\n[[observe.laboratory_hosts]]\naddresses = \"198.18.0.0/15\"\nname = \"relay.example\"\nexchanger_of = [\"relay.example\"]\n\
             [[observe.laboratory_hosts]]\naddresses = \"2001:db8::/32\"\nname = \"relay.example\"\nexchanger_of = [\"relay.example\"]\n\
             [control]\nsocket = \"{path}/control.sock\"\n[clock]\nlaboratory = true\n[log]\nfilter = \"warn\"\n"
        )
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(&self) -> Server {
        let log = self.path().join("log.txt");
        let written = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(PROGRAM)
            .args(["serve", "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .stderr(written)
            .spawn()
            .expect("the program starts");
        let mut server = Server { child, log };
        for _ in 0..READY_LOOKS_MAX {
            assert_eq!(server.child.try_wait().unwrap(), None, "the daemon ended at once");
            if self.get("/readyz").is_ok_and(|(status, _)| status == 200) {
                return server;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the daemon does not become ready");
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

    /// Sends a `GET` request. Returns the status and the body.
    pub(crate) fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.http)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        Ok((status, body))
    }

    /// Sends a `POST` request. Returns the status and the body.
    pub(crate) fn post(&self, path: &str, octets: &[u8]) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.http)?;
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
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut text = format!(
            "{head} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n",
            octets.len()
        );
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        stream.write_all((text + "\r\n").as_bytes()).unwrap();
        // A server that refuses the headers may close before it has read the body.
        let _ = stream.write_all(octets);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let body = if head.contains("transfer-encoding: chunked") { whole(body) } else { body.to_owned() };
        (status, body)
    }

    /// Makes a donor with further options. Returns its token.
    pub(crate) fn donor(&self, name: &str, options: &[&str]) -> String {
        let told = self.ok(&[&["donor", "set", name, "--new-token"], options].concat());
        told.split('"').nth(1).expect("a token").to_owned()
    }

    /// Opens an SMTP session that comes from this client address, by the PROXY protocol.
    pub(crate) fn smtp_from(&self, client: &str) -> std::io::Result<Smtp> {
        let mut stream = TcpStream::connect(self.smtp_proxy)?;
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
        Smtp::greeted(TcpStream::connect(self.smtp)?)
    }
}

impl Server {
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
        let log = std::fs::read_to_string(&self.log).unwrap();
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

/// A delivery report in the form of Postfix, about mail that an injector sent in the name of the
/// trap.
pub(crate) fn report(trap: &str, failed: &str, injector: &str, id: u64) -> String {
    format!(
        "From: MAILER-DAEMON@relay.example\nTo: {trap}\nSubject: Undelivered Mail Returned to Sender\n\
         Message-Id: <{id}@relay.example>\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"B\"\n\n\
         --B\n\nSorry.\n--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example\n\n\
         Final-Recipient: rfc822; {failed}\nAction: failed\nStatus: 5.1.1\n\n\
         --B\nContent-Type: message/rfc822\n\nReturn-Path: <{trap}>\n\
         Received: from helo.example (unknown [{injector}])\n\tby relay.example (Postfix) with ESMTP id {id}\n\
         From: {trap}\nTo: {failed}\nSubject: pills\n\nthe body\n--B--\n"
    )
}
