//! Tests of the configuration: the example file shows every setting, and every fault has a
//! complaint of its own before the daemon touches anything.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use backscatterd::config::ConfigSpec;
use backscatterd::time::Span;

use crate::support::server::Installation;
use crate::support::world::SHIPPED;

const EXAMPLE: &str = include_str!("../deploy/backscatterd.toml");

#[test]
fn the_example_shows_every_setting_with_its_default() {
    let example: toml::Table = EXAMPLE.parse().unwrap();
    let defaults = toml::Table::try_from(ConfigSpec::default()).unwrap();
    assert_eq!(example, defaults);
    let undocumented: Vec<&str> = EXAMPLE
        .lines()
        .zip(EXAMPLE.lines().skip(1))
        .filter(|(above, line)| line.contains(" = ") && !line.starts_with('#') && !above.starts_with('#'))
        .map(|(_, line)| line)
        .collect();
    assert!(undocumented.is_empty(), "settings without a comment: {undocumented:?}");
}

#[test]
fn the_shipped_zone_is_sound_and_lists_no_laboratory() {
    let zone = backscatterd::zone::read("zones/backscatter.toml", SHIPPED).unwrap();
    assert!(zone.listable.laboratory_networks.is_empty());
}

#[test]
fn check_prints_what_is_in_force() {
    let installation = Installation::new();
    let told = installation.ok(&["check"]);
    assert!(
        told.contains("hostname = \"trap.backscatter.example\"") && told.contains("tick_interval = \"10s\"")
    );
    assert!(told.contains("bl.backscatter.example. with 6 codes and 6 sublists, policy "));
}

/// A fault in the daemon's settings or in a zone's file: the text to replace, its replacement, and
/// parts of the complaint.
struct Fault {
    file: &'static str,
    replace: &'static str,
    by: &'static str,
    complaint: &'static [&'static str],
}

const FAULTS: &[Fault] = &[
    Fault {
        file: "backscatterd.toml",
        replace: "version = 1",
        by: "version = ",
        complaint: &["backscatterd.toml:", "deploy/backscatterd.toml shows every setting"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "version = 1",
        by: "version = 7",
        complaint: &["version: 7 is not a known version", "this program reads version 1"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[smtp]",
        by: "[smtp]\nhostnam = \"x\"",
        complaint: &["unknown field `hostnam`"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "hostname = \"trap.backscatter.example\"",
        by: "hostname = \"trap\"",
        complaint: &["smtp.hostname: \"trap\" is not a full host name"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "listen = [\"127",
        by: "listen = [\"somewhere:25\", \"127",
        complaint: &["invalid socket address"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "/keys\"",
        by: "/journal/keys\"",
        complaint: &["keys.directory:", "is in the journal's folder"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "proxy_peers = [\"127.0.0.0/8\"]",
        by: "proxy_peers = []",
        complaint: &["smtp.proxy_peers: it is empty"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "sessions_per_client_max = 200",
        by: "sessions_per_client_max = 0",
        complaint: &["smtp.sessions_per_client_max: 0 would reject every client"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "sessions_per_client_max = 200",
        by: "idle_timeout = \"soon\"",
        complaint: &["\"soon\" is not a length of time", "24h"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[keys]",
        by: "keep_reports = \"99d\"\n[keys]",
        complaint: &["journal.keep_reports: 99d is longer"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "/zones\"",
        by: "/nowhere\"",
        complaint: &["nowhere: cannot be read", "set zones_directory"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "origin = \"bl.backscatter.example\"",
        by: "origin = \"example\"",
        complaint: &["origin: \"example\" is a top-level domain", "RFC 6471"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "value = 16",
        by: "value = 17",
        complaint: &["codes[3].value: 17 is not one of"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "kinds = [\"callout\"]",
        by: "kinds = [\"caller\"]",
        complaint: &["codes[2].kinds: \"caller\" is not a kind"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "trap_domains = 2\n# Networks",
        by: "trap_domains = 1\n# Networks",
        complaint: &["policy.quorum.trap_domains: 1 would let a single trap domain list a relay"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "dsn-failed = 1000",
        by: "dsn-failed = 1000\ndsn-delayed = 1",
        complaint: &["policy.weights.kinds.dsn-delayed: well-run hosts send reports of this kind"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "\"28d\"]",
        by: "\"60d\"]",
        complaint: &["listing.durations:", "none may exceed 28d"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "label = \"dsn\"",
        by: "label = \"12\"",
        complaint: &["sublists[0].label:", "RFC 5782 §2.3"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "expire = \"1d\"",
        by: "expire = \"1m\"",
        complaint: &["soa.expire: 1m is not longer"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "see {url}\"\ntest",
        by: "see {url} {url} {url} {url}\"\ntest",
        complaint: &["texts.listed:", "255"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[dns]\n",
        by: "[dns]\ndata_age_max = \"5s\"\n",
        complaint: &["dns.data_age_max: 5s is less than twice journal.tick_interval", "write 20s or more"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[dns]\n",
        by: "[dns]\naccess = [{ zones = [\"bl.backscater.example\"], networks = [], action = \"key\" }]\n",
        complaint: &[
            "dns.access[0].zones: bl.backscater.example. is not the origin of a zone",
            "dns.access[0].networks: it is empty",
            "dns.access[0].action: \"key\" needs a key, but dns.keys is empty",
        ],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[dns]\n",
        by: "[dns]\naccess = [{ networks = [\"192.0.2.0/24\"], action = \"refuse\" }, { networks = [\"192.0.2.0/24\"], action = \"pass\" }]\n",
        complaint: &["dns.access[1].networks: 192.0.2.0/24 has another action in an earlier rule"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[dns]\n",
        by: "[dns]\nlists = [\"dsn.bl.backscatter.example:ip4set:/dev/null\", \"own.example:ip5set:/dev/null\"]\n",
        complaint: &[
            "dns.lists: dsn.bl.backscatter.example. is inside the zone of",
            "dns.lists[1]: \"own.example:ip5set:/dev/null\": the types of lists are",
        ],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[dns]\n",
        by: "[dns]\ncookie_secrets = [\"00000000000000000000000000000000\"]\n",
        complaint: &["dns.cookie_secrets[0]: it is not a valid secret"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[dns]\n",
        by: "[dns]\nlists = [\"own.example:ip4set:/nowhere/list\"]\n",
        complaint: &["/nowhere/list: No such file"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "label = \"dsn\"",
        by: "label = \"7days\"",
        complaint: &["sublists[0].label: \"7days\" can be mistaken for a part of an address"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "label = \"dsn\"",
        by: "label = \"a-very-long-sublist\"",
        complaint: &["sublists[0].label: \"a-very-long-sublist\""],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "additions_per_site_thousandths = 50",
        by: "",
        complaint: &["guards.additions_per_site_thousandths: 1000 thousandths: one site could use up"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "additions_per_site_thousandths = 50",
        by: "additions_per_site_thousandths = 0",
        complaint: &["guards.additions_per_site_thousandths: 0 thousandths", "from 1 to 500"],
    },
    Fault {
        file: "zones/backscatter.toml",
        replace: "occasions_apart = \"20h\"\ndirect_reports = 1",
        by: "occasions_apart = \"20h\"\ndirect_reports = 0",
        complaint: &[
            "codes[2]: its quorum asks for no report that the relay delivered itself",
            "direct_reports = 1",
        ],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[dns]\n",
        by: "[verify]\naddresses = [\"10.0.0.1\"]\n[dns]\n",
        complaint: &["verify.addresses: 10.0.0.1 is special-purpose: private use", "write a public address"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[dns]\n",
        by: "[verify]\naddresses = [\"9.9.8.1\", \"9.9.8.2\"]\nehlo = \"trap.backscatter.example\"\n[dns]\n",
        complaint: &[
            "verify.addresses: 9.9.8.1 and 9.9.8.2 are of one address family",
            "verify.ehlo: it is smtp.hostname",
        ],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[dns]\nlisten = [",
        by: "[verify]\naddresses = [\"9.9.8.1\"]\n[dns]\nlisten = [\"9.9.8.1:0\", ",
        complaint: &["verify.addresses: a listener has the address 9.9.8.1"],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[dns]\n",
        by: "[verify]\nehlo = \"verify\"\npage = \"verify.example.org\"\nsessions_max = 0\nper_hour = 9999\n[dns]\n",
        complaint: &[
            "verify.ehlo: \"verify\" is not a full host name",
            "verify.page: \"verify.example.org\" is not the address of a page",
            "verify.sessions_max: 0 is not from 1 to 256",
            "verify.per_hour: 9999 is not from 1 to 3600",
        ],
    },
    Fault {
        file: "backscatterd.toml",
        replace: "[smtp]",
        by: "[smtp]\ngreeting = \"ESMTP Backscatterd\"\nrefusal = \"no\\r\\n250 yes\"",
        complaint: &[
            "smtp.greeting: \"ESMTP Backscatterd\" names this program",
            "smtp.refusal:",
            "is not one line",
        ],
    },
];

fn edit(path: &Path, replace: &str, by: &str) {
    let text = fs::read_to_string(path).unwrap();
    let edited = text.replacen(replace, by, 1);
    assert_ne!(text, edited, "{replace:?} is not in {}", path.display());
    fs::write(path, edited).unwrap();
}

#[test]
fn every_fault_has_its_own_complaint_and_touches_nothing() {
    for Fault { file, replace, by, complaint } in FAULTS {
        let installation = Installation::new();
        edit(&installation.path().join(file), replace, by);
        for verb in ["check", "serve"] {
            let output = installation.run(&[verb]);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{verb} after {by:?}: {told}");
            for part in *complaint {
                assert!(told.contains(part), "{verb} after {by:?}: {part:?} is not in {told}");
            }
            assert!(!told.contains("panicked"), "{told}");
        }
        assert!(
            !installation.path().join("journal").exists(),
            "the daemon wrote something although its configuration is faulty"
        );
    }
}

#[test]
fn all_complaints_come_at_once() {
    let installation = Installation::new();
    for Fault { file, replace, by, .. } in [&FAULTS[3], &FAULTS[5], &FAULTS[12], &FAULTS[18]] {
        edit(&installation.path().join(file), replace, by);
    }
    let told = String::from_utf8(installation.run(&["check"]).stderr).unwrap();
    assert_eq!(told.lines().filter(|line| line.starts_with("backscatterd: ")).count(), 4, "{told}");
}

#[test]
fn a_missing_file_is_named() {
    let installation = Installation::new();
    fs::remove_file(installation.config()).unwrap();
    let output = installation.run(&["check"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("name another file with --config"));
}

#[test]
fn rfc6471_o14_a_laboratory_stays_one() {
    let public = |installation: &Installation| {
        installation.configure("[dns]\nlisten = [\"127.0.0.1", "[dns]\nlisten = [\"0.0.0.0");
    };
    let installation = Installation::new();
    public(&installation);
    installation.ok(&["check"]);
    edit(
        &installation.path().join("zones/backscatter.toml"),
        "origin = \"bl.backscatter.example\"",
        "origin = \"bl.backscatter.org\"",
    );
    let output = installation.run(&["check"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78));
    assert!(told.contains("has laboratory_networks") && told.contains("clock.laboratory"), "{told}");

    let installation = Installation::new();
    edit(
        &installation.path().join("zones/backscatter.toml"),
        "origin = \"bl.backscatter.example\"",
        "origin = \"bl.backscatter.org\"",
    );
    installation.ok(&["check"]);
}

#[test]
fn check_warns_of_metrics_that_others_can_read() {
    let installation = Installation::new();
    let warns = |told: &str| told.contains("is a public address, and metrics move with every report");
    assert!(!warns(&installation.ok(&["check"])));
    for (before, address, public) in [
        ("127.0.0.1:0", "10.0.0.1:9253", false),
        ("10.0.0.1:9253", "[fd00::1]:9253", false),
        ("[fd00::1]:9253", "0.0.0.0:9253", true),
        ("0.0.0.0:9253", "9.9.8.1:9253", true),
    ] {
        let at = |address: &str| format!("[metrics]\nlisten = [\"{address}");
        installation.configure(&at(before), &at(address));
        assert_eq!(warns(&installation.ok(&["check"])), public, "{address}");
    }
}

#[test]
fn verification_asks_another_port_only_in_a_laboratory() {
    let installation = Installation::new();
    let zone = installation.path().join("zones/backscatter.toml");
    installation.configure("[dns]\n", "[verify]\naddresses = [\"9.9.8.1\"]\nport = 2525\n[dns]\n");
    installation.ok(&["check"]);
    let text = fs::read_to_string(&zone).unwrap();
    let public: Vec<&str> = text.lines().filter(|line| !line.starts_with("laboratory_networks")).collect();
    fs::write(&zone, public.join("\n")).unwrap();
    let told = String::from_utf8(installation.run(&["check"]).stderr).unwrap();
    assert!(told.contains("verify.port: 2525 is not the port of SMTP; write 25"), "{told}");
}

#[test]
fn what_the_machine_refuses_has_codes_of_its_own() {
    // A port that is taken.
    let installation = Installation::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    installation.configure("[http]\nlisten = [\"127.0.0.1:0", &format!("[http]\nlisten = [\"{address}"));
    let output = installation.run(&["serve"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{told}");
    assert!(told.contains("HTTP cannot listen on"), "{told}");
    drop(taken);

    // The metrics' own port is taken.
    let installation = Installation::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    installation
        .configure("[metrics]\nlisten = [\"127.0.0.1:0", &format!("[metrics]\nlisten = [\"{address}"));
    let output = installation.run(&["serve"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{told}");
    assert!(told.contains("metrics cannot listen on"), "{told}");
    drop(taken);

    // A store that another program wrote.
    let installation = Installation::new();
    installation.ok(&["trap", "add", "trap.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    {
        let database = redb::Database::open(installation.store()).unwrap();
        let write = database.begin_write().unwrap();
        let meta: redb::TableDefinition<&str, u32> = redb::TableDefinition::new("meta");
        write.open_table(meta).unwrap().insert("format", 99).unwrap();
        write.commit().unwrap();
    }
    let output = installation.run(&["serve"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stderr).contains("version 99"));

    // Keys that are damaged.
    let installation = Installation::new();
    installation.ok(&["trap", "add", "trap.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    fs::write(installation.path().join("keys/traps.key"), "short").unwrap();
    let output = installation.run(&["serve"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stderr).contains("restore it from a backup"));

    // A log filter that cannot be read.
    let installation = Installation::new();
    installation.configure("filter = \"warn,", "filter = \"a=b=c,");
    for verb in ["check", "serve"] {
        assert_eq!(installation.run(&[verb]).status.code(), Some(78), "{verb}");
    }

    // Keys that are missing, a file in place of the control socket, a file in place of the journal,
    // and no verb.
    let installation = Installation::new();
    installation.ok(&["trap", "add", "trap.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    fs::remove_dir_all(installation.path().join("keys")).unwrap();
    let output = installation.run(&["serve"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stderr).contains("restore it from a backup"));
    let installation = Installation::new();
    fs::write(installation.path().join("control.sock"), "precious").unwrap();
    assert_eq!(installation.run(&["serve"]).status.code(), Some(69));
    assert_eq!(fs::read_to_string(installation.path().join("control.sock")).unwrap(), "precious");
    let installation = Installation::new();
    fs::write(installation.path().join("journal"), "").unwrap();
    assert_eq!(installation.run(&["serve"]).status.code(), Some(74));
    // An MTA may have run a command line without a verb, and bounces mail for any other code.
    assert_eq!(installation.run(&[]).status.code(), Some(75));
}

/// The zone file as version 1 of the format was first published. The journal contains such files, so it
/// must never be changed.
const GOLDEN_ZONE: &str = include_str!("golden/zone-v1.toml");

#[test]
fn a_zone_file_of_version_1_reads_for_ever() {
    let zone = backscatterd::zone::read("tests/golden/zone-v1.toml", GOLDEN_ZONE).unwrap();
    assert_eq!(zone.slots.every(), Span::from_seconds(900));
    assert_eq!(zone.codes.len(), 6);
}
