//! Tests with real resolvers (BIND, Unbound, PowerDNS Recursor) between the client and the zones,
//! with and without query-name minimisation (RFC 9156).

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::support::PROGRAM;
use crate::support::dns_client::{Verdict, ask, query, under};
use crate::support::peer::{self, Running, folder, is_there};
use crate::support::server::Installation;

const JUDGED: &str = "bl.backscatter.example.";
/// Its sublist of content notices.
const CONTENT: &str = "content.bl.backscatter.example.";
const LIST: &str = "list.example.";
/// BIND asks authoritative servers at port 53 only. No other test uses this address.
const AT_PORT_53: &str = "127.53.17.1:53";

/// Starts a resolver in a folder: the authoritative server to ask, and whether to minimise query
/// names.
type Start = fn(&Path, SocketAddr, bool) -> Running;

fn recursive(name: &str) -> Message {
    let mut message = query(name, RecordType::A);
    message.metadata.recursion_desired = true;
    message
}

/// Starts a resolver that `command` makes for an address, after it has written the settings.
fn started(folder: &Path, command: impl Fn(SocketAddr) -> Command) -> Running {
    peer::start(folder.join("log"), &recursive(&under("127.0.0.2".parse().unwrap(), LIST)), command)
}

fn unbound(folder: &Path, server: SocketAddr, minimise: bool) -> Running {
    started(folder, |address| {
        let yes = if minimise { "yes" } else { "no" };
        let mut settings = format!(
            "server:\n interface: 127.0.0.1@{}\n access-control: 127.0.0.0/8 allow\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n \
             directory: \"{path}\"\n pidfile: \"{path}/pid\"\n use-syslog: no\n module-config: \"iterator\"\n do-not-query-localhost: no\n \
             qname-minimisation: {yes}\n qname-minimisation-strict: {yes}\n harden-below-nxdomain: yes\n num-threads: 1\n\
             remote-control:\n control-enable: no\n",
            address.port(),
            path = folder.display(),
        );
        for zone in [JUDGED, LIST] {
            settings.push_str(&format!(
                "stub-zone:\n name: {zone}\n stub-addr: {}@{}\n",
                server.ip(),
                server.port()
            ));
        }
        std::fs::write(folder.join("conf"), settings).unwrap();
        let mut command = Command::new("/usr/sbin/unbound");
        command.args(["-d", "-c"]).arg(folder.join("conf"));
        command
    })
}

fn named(folder: &Path, server: SocketAddr, minimise: bool) -> Running {
    started(folder, |address| {
        let minimise = if minimise { "strict" } else { "off" };
        let mut settings = format!(
            "options {{ directory \"{path}\"; listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none; \
             session-keyfile \"{path}/key\"; recursion yes; allow-query {{ any; }}; dnssec-validation no; notify no; \
             qname-minimization {minimise}; empty-zones-enable no; }};\ncontrols {{ }};\n",
            address.port(),
            path = folder.display(),
        );
        for zone in [JUDGED, LIST] {
            settings.push_str(&format!(
                "zone \"{zone}\" {{ type static-stub; server-addresses {{ {}; }}; }};\n",
                server.ip()
            ));
        }
        std::fs::write(folder.join("conf"), settings).unwrap();
        let mut command = Command::new("/usr/sbin/named");
        // -g: in the foreground, with the log on standard error.
        command.args(["-g", "-n", "1", "-c"]).arg(folder.join("conf"));
        command
    })
}

fn pdns_recursor(folder: &Path, server: SocketAddr, minimise: bool) -> Running {
    started(folder, |address| {
        let yes = if minimise { "yes" } else { "no" };
        let path = folder.display();
        let zones = format!("{JUDGED}={server},{LIST}={server}");
        let settings = format!(
            "local-address=127.0.0.1\nlocal-port={}\nsocket-dir={path}\nforward-zones={zones}\ndnssec=off\ndont-query=\n\
             qname-minimization={yes}\nthreads=1\ndaemon=no\nwrite-pid=no\nhint-file=no\nquiet=yes\ndisable-syslog=yes\nsetuid=\nsetgid=\n",
            address.port()
        );
        std::fs::write(folder.join("recursor.conf"), settings).unwrap();
        let mut command = Command::new("/usr/sbin/pdns_recursor");
        command.arg(format!("--config-dir={path}"));
        command
    })
}

/// The number of NODATA answers so far. A resolver that minimises names causes many of them.
fn no_data(installation: &Installation) -> u64 {
    let text = installation.metrics();
    let lines = text.lines().filter(|line| {
        line.starts_with("backscatterd_dns_answers_total{") && line.contains("answer=\"nodata\"")
    });
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64).sum()
}

#[test]
fn rfc9156_resolvers_give_the_right_verdict() {
    let root = nix::unistd::Uid::effective().is_root();
    let resolvers: [(&str, Start, bool); 3] =
        [("unbound", unbound, true), ("pdns_recursor", pdns_recursor, true), ("named", named, root)];
    let installation = Installation::new();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lists/mixed");
    let lists = [format!("{LIST}:ip4set:{sample}.ip4set"), format!("{LIST}:ip6trie:{sample}.ip6trie")];
    if root {
        let first = "[dns]\nlisten = [\"127.0.0.1:0\"";
        installation.configure(first, &format!("{first}, \"{AT_PORT_53}\""));
    }
    installation.configure("[dns]\n", &format!("[dns]\nlists = {lists:?}\n"));
    let server = installation.start();
    for (address, code) in [("198.18.0.25", "2"), ("198.18.0.26", "16"), ("2001:db8::7", "2")] {
        let until = "2026-03-01T00:00:00Z";
        installation
            .ok(&["list", address, "--zone", JUDGED, "--code", code, "--until", until, "--why", "a test"]);
    }
    // Addresses that are not listed come first: a cached negative answer must not hide a listed
    // address.
    let wanted = [
        (JUDGED, "198.18.0.24", None),
        (JUDGED, "198.18.0.25", Some("127.0.0.2")),
        (CONTENT, "198.18.0.26", Some("127.0.0.16")),
        (JUDGED, "2001:db8::6", None),
        (JUDGED, "2001:db8::7", Some("127.0.0.2")),
        (JUDGED, "127.0.0.1", None),
        (JUDGED, "127.0.0.2", Some("127.0.0.2")),
        (JUDGED, "::ffff:127.0.0.2", Some("127.0.0.2")),
        (LIST, "198.51.101.1", None),
        (LIST, "198.51.100.7", None),
        (LIST, "198.51.100.8", Some("127.0.0.2")),
        (LIST, "192.0.2.150", None),
        (LIST, "192.0.2.130", Some("127.0.0.2")),
        (LIST, "10.1.2.3", None),
        (LIST, "10.1.2.4", Some("127.0.0.2")),
        (LIST, "172.31.255.255", Some("127.0.0.11")),
        (LIST, "2001:db8:1:2::1", None),
        (LIST, "2001:db8:1:3::1", Some("127.0.0.7")),
        (LIST, "2001:db8:7fff::", None),
        (LIST, "2001:db8:8fff::", Some("127.0.0.10")),
    ];
    let mut tried = 0;
    for (program, start, possible) in resolvers {
        if !possible {
            eprintln!("SKIPPED: {program} asks servers at port 53 only, and binding it needs root");
            continue;
        }
        if !is_there(program) {
            continue;
        }
        let address =
            if program == "named" { AT_PORT_53.parse().unwrap() } else { installation.dns_address() };
        for minimise in [true, false] {
            let folder = folder();
            let resolver = start(folder.path(), address, minimise);
            let before = no_data(&installation);
            for (origin, address, value) in wanted {
                let name = under(address.parse().unwrap(), origin);
                let verdict = Verdict::from(&ask(resolver.address, &recursive(&name)));
                let addresses: Vec<String> = verdict.addresses.iter().map(ToString::to_string).collect();
                let told = format!("{program}, minimising {minimise}: {address} in {origin}: {verdict:?}");
                assert_eq!(addresses.first().map(String::as_str), value, "{told}");
                let rcode = if value.is_some() { ResponseCode::NoError } else { ResponseCode::NXDomain };
                assert_eq!(verdict.rcode, format!("{rcode:?}"), "{told}");
                let mut text = recursive(&name);
                text.queries[0].set_query_type(RecordType::TXT);
                let texts = Verdict::from(&ask(resolver.address, &text)).texts;
                assert_eq!(
                    texts.is_empty(),
                    value.is_none() || value == Some("127.0.0.8"),
                    "{told}: {texts:?}"
                );
            }
            let asked = no_data(&installation) - before;
            println!("{program}, minimising {minimise}: right, with {asked} NODATA answers");
            assert_eq!(asked > 10, minimise, "{program}: {asked} NODATA answers");
            tried += 1;
        }
    }
    println!("{tried} resolver configurations tried");
    server.stop();
}

/// A resolver with an exported response policy zone answers from it, for listed and for other
/// addresses.
#[test]
fn a_policy_zone_answers_in_the_resolver() {
    if !is_there("unbound") {
        return;
    }
    let folder = folder();
    let path = folder.path().display();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lists/mixed");
    let exported = Command::new(PROGRAM)
        .args(["export", "rpz", "--output"])
        .arg(folder.path().join("policy"))
        .args([
            "--list",
            &format!("{LIST}:ip4set:{sample}.ip4set"),
            "--list",
            &format!("{LIST}:ip6trie:{sample}.ip6trie"),
        ])
        .status()
        .unwrap();
    assert!(exported.success());
    // The authoritative server lists every address with another value, so its answers can be told
    // from the policy's.
    std::fs::write(folder.path().join("all4"), "0.0.0.0/0 :99:\n").unwrap();
    std::fs::write(folder.path().join("all6"), "::/0 :99:\n").unwrap();
    let all = [format!("{LIST}:ip4trie:{path}/all4"), format!("{LIST}:ip6trie:{path}/all6")];
    let upstream = peer::serve_files(&all, folder.path());
    let resolver = started(folder.path(), |address| {
        let settings = format!(
            "server:\n interface: 127.0.0.1@{}\n access-control: 127.0.0.0/8 allow\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n \
             directory: \"{path}\"\n pidfile: \"{path}/pid\"\n use-syslog: no\n module-config: \"respip iterator\"\n \
             do-not-query-localhost: no\n num-threads: 1\nstub-zone:\n name: {LIST}\n stub-addr: 127.0.0.1@{}\n\
             rpz:\n name: policy.local\n zonefile: \"{path}/policy\"\nremote-control:\n control-enable: no\n",
            address.port(),
            upstream.address.port(),
        );
        std::fs::write(folder.path().join("conf"), settings).unwrap();
        let mut command = Command::new("/usr/sbin/unbound");
        command.args(["-d", "-c"]).arg(folder.path().join("conf"));
        command
    });
    for (address, value) in [
        ("127.0.0.2", Some("127.0.0.2")),
        ("127.0.0.3", None),
        ("198.51.100.7", None),
        ("198.51.100.8", Some("127.0.0.2")),
        ("198.51.101.1", None),
        ("192.0.2.150", None),
        ("10.1.2.3", None),
        ("10.1.2.4", Some("127.0.0.2")),
        ("172.31.255.255", Some("127.0.0.11")),
        ("8.8.8.8", None),
        ("2001:db8:1:2::1", None),
        ("2001:db8:1:3::1", Some("127.0.0.7")),
        ("2001:db8:8fff::", Some("127.0.0.10")),
        ("2001:4860::8888", None),
    ] {
        let name = under(address.parse().unwrap(), LIST);
        let verdict = Verdict::from(&ask(resolver.address, &recursive(&name)));
        let addresses: Vec<String> = verdict.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses.first().map(String::as_str), value, "{address}: {verdict:?}");
        let rcode = if value.is_some() { ResponseCode::NoError } else { ResponseCode::NXDomain };
        assert_eq!(verdict.rcode, format!("{rcode:?}"), "{address}");
    }
}
