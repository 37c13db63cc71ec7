//! A small network for tests: a bridge, and a namespace for each host. It is removed at the end.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// How long to wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The namespaces of one test. They are removed with it, and every process in them is killed.
pub(crate) struct Network {
    prefix: String,
    resolver: String,
    names: Vec<String>,
}

/// Whether a test that needs root and these files can run. If not, says that the test is skipped; under
/// CI it fails.
pub(crate) fn can_run(files: &[PathBuf]) -> bool {
    let missing = if nix::unistd::Uid::effective().is_root() {
        files.iter().find(|file| !file.exists()).map(|file| file.display().to_string())
    } else {
        Some("root".to_owned())
    };
    let Some(missing) = missing else { return true };
    assert!(std::env::var_os("CI").is_none(), "CI must run this test, and {missing} is missing");
    eprintln!("SKIPPED: this test needs {missing}; tests/run installs what it needs, as root");
    false
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

impl Network {
    /// An empty network. `resolver` is the name server of all hosts.
    pub(crate) fn new(name: &str, resolver: &str) -> Self {
        let prefix = format!("bsd{}-{name}", std::process::id());
        let mut network = Network { prefix, resolver: resolver.to_owned(), names: Vec::new() };
        let hub = network.add("hub");
        must("ip", &["-n", &hub, "link", "add", "br0", "type", "bridge"]);
        must("ip", &["-n", &hub, "link", "set", "br0", "up"]);
        network
    }

    fn add(&mut self, host: &str) -> String {
        let name = self.namespace(host);
        must("ip", &["netns", "add", &name]);
        self.names.push(name.clone());
        must("ip", &["-n", &name, "link", "set", "lo", "up"]);
        name
    }

    /// The namespace of a host.
    pub(crate) fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// Adds a host to the bridge. Every other address is on its link. The host's own sessions come from the
    /// first address of each family.
    pub(crate) fn host(&mut self, host: &str, addresses: &[&str]) {
        let (hub, name) = (self.namespace("hub"), self.add(host));
        let port = format!("v-{host}");
        must(
            "ip",
            &["-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &name],
        );
        must("ip", &["-n", &hub, "link", "set", &port, "master", "br0", "up"]);
        must("ip", &["-n", &name, "link", "set", "eth0", "up"]);
        let (v6, v4): (Vec<&str>, Vec<&str>) = addresses.iter().partition(|address| address.contains(':'));
        for (family, length, addresses) in [("-4", "32", v4), ("-6", "128", v6)] {
            for address in &addresses {
                let address = format!("{address}/{length}");
                // Nobody else has an IPv6 address of the lab, so it can be used at once.
                let more: &[&str] = if family == "-6" { &["nodad"] } else { &[] };
                must("ip", &[&["-n", &name, "addr", "add", &address, "dev", "eth0"], more].concat());
            }
            if let Some(first) = addresses.first() {
                must("ip", &[family, "-n", &name, "route", "add", "default", "dev", "eth0", "src", first]);
            }
        }
        // `ip netns exec` shows this file as /etc/resolv.conf.
        let directory = resolver_directory(&name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("resolv.conf"), format!("nameserver {}\n", self.resolver)).unwrap();
    }

    /// Runs a function in a thread that enters the namespace of a host.
    pub(crate) fn within<T: Send + 'static>(
        &self,
        host: &str,
        function: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let namespace = Path::new("/run/netns").join(self.namespace(host));
        let thread = std::thread::spawn(move || {
            let namespace = std::fs::File::open(namespace).unwrap();
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            function()
        });
        thread.join().unwrap()
    }

    /// Opens a connection from a host to an SMTP server.
    pub(crate) fn connect(&self, host: &str, from: &str, to: &str) -> Option<TcpStream> {
        let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
        let opened = self.within(host, move || {
            let socket = Socket::new(Domain::for_address(SocketAddr::new(to, 25)), Type::STREAM, None)?;
            socket.bind(&SocketAddr::new(from, 0).into())?;
            socket.connect_timeout(&SocketAddr::new(to, 25).into(), CONNECT_LIMIT)?;
            std::io::Result::Ok(TcpStream::from(socket))
        });
        opened.ok()
    }

    /// The number of TCP connections that a host has opened since its namespace was made.
    pub(crate) fn connections_opened_by(&self, host: &str) -> u64 {
        let namespace = self.namespace(host);
        let text = must("ip", &["netns", "exec", &namespace, "cat", "/proc/net/snmp"]);
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
        let mut pairs = names.split(' ').zip(values.split(' '));
        pairs
            .find(|(name, _)| *name == "ActiveOpens")
            .and_then(|(_, value)| value.parse().ok())
            .expect("a number")
    }
}

impl Drop for Network {
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
