//! Starts and stops other name servers and resolvers on loopback, and this program over list files.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hickory_proto::op::Message;

use super::dns_client::try_once;
use super::{PROGRAM, bound, happens_within};

/// How long a server may take until its first answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long to wait for one answer during this time.
const PATIENCE: Duration = Duration::from_millis(100);
/// How many ports are tried for a server.
const PORTS_MAX: usize = 5;

/// A server process that is killed when the value is dropped.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    /// The address on which the server answers.
    pub(crate) address: SocketAddr,
}

impl Running {
    fn spawn(command: &mut Command, address: SocketAddr, log: PathBuf) -> Self {
        let written = std::fs::File::create(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(written.try_clone().unwrap())
            .stderr(written)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Running { child, log, address }
    }

    /// What the server has written to its standard output and standard error.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Whether the log says that another program has the port. BIND then goes on without it.
    fn lacks_port(&self) -> bool {
        let log = self.log().to_lowercase();
        ["address already in use", "address in use"].iter().any(|complaint| log.contains(complaint))
    }
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

/// A temporary folder that a server can read and write after it has dropped its privileges.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("backscatterd-peers").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    folder
}

/// Starts another program's server on loopback and waits until it answers a query.
///
/// `command` makes the command for an address. None of these programs (NSD, rbldnsd, Unbound, BIND,
/// PowerDNS Recursor) tells the port that it got for port 0, and some refuse port 0. So this looks
/// for a free port first, and tries another one if the server can't bind it: between the two moments
/// another program may have taken it.
pub(crate) fn start(log: PathBuf, question: &Message, command: impl Fn(SocketAddr) -> Command) -> Running {
    for _ in 0..PORTS_MAX {
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = command(address);
        let mut running = Running::spawn(&mut command, address, log.clone());
        let mut ended = false;
        let answers = happens_within(ANSWER_LIMIT, || {
            let answer = try_once(address, question, PATIENCE);
            // The answer may be that of the program that has the port.
            ended = running.has_ended() || running.lacks_port();
            ended || answer.is_some()
        });
        if answers && !ended {
            return running;
        }
        assert!(running.lacks_port(), "{command:?} does not answer: {}", running.log());
    }
    panic!("none of {PORTS_MAX} ports was free");
}

/// Starts `backscatterd serve-files` over lists and waits until it is ready.
pub(crate) fn serve_files(lists: &[String], folder: &Path) -> Running {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut command = Command::new(PROGRAM);
    command.args(["serve-files", "--listen", &listen.to_string(), "--threads", "1"]).args(lists);
    command.env("NO_COLOR", "1");
    let mut running = Running::spawn(&mut command, listen, folder.join("backscatterd.log"));
    let ready = happens_within(ANSWER_LIMIT, || {
        if let Some(bound) = bound::addresses(&running.log()) {
            running.address = bound.dns[0];
        }
        running.address != listen || running.has_ended()
    });
    assert!(ready && running.address != listen, "{command:?} is not ready: {}", running.log());
    running
}
