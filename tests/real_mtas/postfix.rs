//! A Postfix instance in a namespace, with its own configuration and queue.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::lab::{BAD, CONSUMER, GOOD};
use crate::network::{must, run};

/// The lines that an administrator adds to main.cf to use the list.
const SHIPPED: &str = include_str!("../../deploy/mta/postfix/main.cf");
/// Where the greylisting policy server listens.
const POSTGREY: &str = "127.0.0.1:10023";
/// How long the greylisting policy server defers a recipient, in seconds.
const POSTGREY_DELAY: &str = "--delay=1";

/// The IPv6 addresses of the relays at [`BAD`] and [`GOOD`].
pub(crate) const BAD_V6: &str = "2001:db8::25";
pub(crate) const GOOD_V6: &str = "2001:db8::26";
/// The hosts of the roles that only verification asks.
pub(crate) const CUSTOMERS_ONLY: &str = "198.18.0.31";
pub(crate) const GREYLISTING: &str = "198.18.0.32";
pub(crate) const GREYLISTING_LAST: &str = "198.18.0.33";
pub(crate) const TLS_REQUIRED: &str = "198.18.0.34";
pub(crate) const OLD_TLS_REQUIRED: &str = "198.18.0.35";
pub(crate) const BLOCKING: &str = "198.18.0.36";
/// A mail server that is set up as the trap looks.
pub(crate) const LIKE: &str = "198.18.0.40";
pub(crate) const HOSTING: &str = "198.18.0.37";
pub(crate) const POSTGREY_HOST: &str = "198.18.0.38";
/// The hosts of the roles that attackers use.
pub(crate) const LOGIN_RELAY: &str = "198.18.41.25";
pub(crate) const ONE_CUSTOMER: &str = "198.18.42.25";
pub(crate) const TWO_CUSTOMERS: &str = "198.18.43.25";
pub(crate) const SIX: &str = "2001:db8:47::25";
/// The address at which it takes the forged mail.
pub(crate) const SIX_V4: &str = "198.18.47.25";

/// The domains of the customers of [`Role::OneCustomer`] and [`Role::TwoCustomers`].
pub(crate) const HOSTED_ALONE: &str = "shop.example";
pub(crate) const HOSTED_PAIR: [&str; 2] = ["bakery.example", "garage.example"];
/// Where the customers' program takes the mail of these domains, by LMTP.
pub(crate) const CUSTOMERS_PROGRAM: &str = "127.0.0.1:2424";
/// The login of a customer of [`Role::LoginRelay`].
const LOGIN: [&str; 2] = ["customer", "secret"];
/// The same as the initial response of AUTH PLAIN (RFC 4616).
pub(crate) const LOGIN_RESPONSE: &str = "AGN1c3RvbWVyAHNlY3JldA==";

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
    /// A server with customers' domains, each of which treats unknown recipients in its own way.
    Hosting,
    /// A server that asks Postgrey. One of its domains takes every recipient.
    Postgrey,
    /// A server that relays for customers with a login.
    LoginRelay,
    /// A server with a customer's domain that takes every recipient; the customer's program refuses later.
    OneCustomer,
    /// The same with two customers.
    TwoCustomers,
    /// A server that accepts everything and bounces later, over IPv6.
    Six,
    /// A server that is set up as the trap looks.
    LikeTrap,
}

impl Role {
    /// The name of its host, and the addresses.
    pub(crate) fn host(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Role::Bad => ("bad", &[BAD, BAD_V6]),
            Role::Good => ("good", &[GOOD, GOOD_V6]),
            Role::Consumer => ("consumer", &[CONSUMER]),
            Role::CustomersOnly => ("customers", &[CUSTOMERS_ONLY]),
            Role::Greylisting => ("greylist", &[GREYLISTING]),
            Role::GreylistingLast => ("greylast", &[GREYLISTING_LAST]),
            Role::TlsRequired => ("tls", &[TLS_REQUIRED]),
            Role::OldTlsRequired => ("oldtls", &[OLD_TLS_REQUIRED]),
            Role::Blocking => ("blocking", &[BLOCKING]),
            Role::Hosting => ("hosting", &[HOSTING]),
            Role::Postgrey => ("postgrey", &[POSTGREY_HOST]),
            Role::LoginRelay => ("login", &[LOGIN_RELAY]),
            Role::OneCustomer => ("one", &[ONE_CUSTOMER]),
            Role::TwoCustomers => ("two", &[TWO_CUSTOMERS]),
            Role::Six => ("six", &[SIX_V4, SIX]),
            Role::LikeTrap => ("like", &[LIKE]),
        }
    }
}

/// A running instance, which is stopped when the value is dropped.
pub(crate) struct Postfix {
    namespace: String,
    configuration: PathBuf,
    folder: PathBuf,
    policy_server: Option<Child>,
}

impl Postfix {
    /// Starts an instance in a namespace. `routing` are lines of main.cf that say how it sends mail.
    pub(crate) fn start(role: Role, namespace: &str, folder: &Path, routing: &str) -> Self {
        let configuration = folder.join("etc");
        for directory in ["etc", "spool", "data"] {
            fs::create_dir_all(folder.join(directory)).unwrap();
        }
        must("chown", &["postfix", folder.join("data").to_str().unwrap()]);
        fs::copy("/usr/share/postfix/master.cf.dist", configuration.join("master.cf")).unwrap();
        write_certificate(folder);
        fs::write(configuration.join("main.cf"), main_cf(role, folder, routing)).unwrap();
        fs::write(folder.join("aliases"), "forward: someone@nowhere.test\npostmaster: root\n").unwrap();
        let policy_server = match role {
            Role::Postgrey => Some(start_postgrey(namespace, folder)),
            Role::LoginRelay => {
                write_login(folder);
                None
            }
            _ => None,
        };
        let postfix = Postfix {
            namespace: namespace.to_owned(),
            configuration,
            folder: folder.to_owned(),
            policy_server,
        };
        let directory = postfix.configuration.to_str().unwrap();
        must("postconf", &["-c", directory, "-F", "*/*/chroot=n"]);
        must(
            "postconf",
            &["-c", directory, "-M", "postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd"],
        );
        must("postalias", &["-c", directory, &format!("hash:{}/aliases", folder.display())]);
        must("ip", &["netns", "exec", namespace, "postfix", "-c", directory, "start"]);
        postfix
    }

    /// Runs `postfix reload`.
    pub(crate) fn reload(&self) {
        let directory = self.configuration.to_str().unwrap();
        must("ip", &["netns", "exec", &self.namespace, "postfix", "-c", directory, "reload"]);
    }

    /// The contents of the mail log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("mail.log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let directory = self.configuration.to_str().unwrap_or_default();
        run("ip", &["netns", "exec", &self.namespace, "postfix", "-c", directory, "stop"]);
        if let Some(server) = &mut self.policy_server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// The name of the host in its greeting, and the lines of main.cf that make it play its role.
fn own_lines(role: Role, folder: &Path) -> (&'static str, String) {
    let folder = folder.display();
    let relay_test = |lines: &str| format!("mydestination = relay.test\n{lines}");
    match role {
        Role::Bad => ("bad.relay.test", relay_test("local_recipient_maps =\n")),
        Role::Good => ("good.relay.test", relay_test("")),
        Role::Consumer => (
            "mx.consumer.test",
            format!(
                "mydestination = consumer.test\nlocal_recipient_maps =\nlocal_transport = discard:\n{SHIPPED}"
            ),
        ),
        Role::CustomersOnly => ("out.relay.test", "mydestination = other.test\n".to_owned()),
        Role::Greylisting => (
            "grey.relay.test",
            relay_test(
                "smtpd_recipient_restrictions = check_recipient_access static:{450 4.2.0 Greylisted}\n",
            ),
        ),
        Role::GreylistingLast => (
            "greylast.relay.test",
            relay_test(
                "smtpd_recipient_restrictions = reject_unlisted_recipient, \
                 check_recipient_access static:{450 4.2.0 Greylisted}\n",
            ),
        ),
        Role::TlsRequired => ("tls.relay.test", relay_test(&tls(&folder, ""))),
        Role::OldTlsRequired => {
            ("oldtls.relay.test", relay_test(&tls(&folder, "smtpd_tls_mandatory_protocols = <=TLSv1.1\n")))
        }
        Role::LikeTrap => (
            "mx.like.test",
            "mydestination = mx.like.test\nrelay_domains = trap-one.test\nrelay_recipient_maps =\n\
             relay_transport = discard:\nlocal_transport = discard:\nsmtpd_banner = $myhostname ESMTP\n\
             smtpd_helo_required = yes\ndisable_vrfy_command = yes\nstrict_rfc821_envelopes = yes\n\
             smtpd_discard_ehlo_keywords = silent-discard, dsn\nmessage_size_limit = 52428800\n\
             smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n\
             smtpd_error_sleep_time = 0\nlocal_recipient_maps = $alias_maps\n"
                .to_owned(),
        ),
        Role::Blocking => (
            "blocking.relay.test",
            relay_test(
                "smtpd_client_restrictions = check_client_access \
                 static:{REJECT Your address is on a blocklist}\n",
            ),
        ),
        Role::Hosting => ("mx.hosting.test", HOSTING_LINES.to_owned()),
        Role::Postgrey => (
            "postgrey.relay.test",
            format!(
                "mydestination = grey.test\nlocal_recipient_maps =\nvirtual_alias_domains = strict.test\n\
                 virtual_alias_maps = inline:{{ {{postmaster@strict.test = root}} }}\n\
                 smtpd_recipient_restrictions = check_policy_service inet:{POSTGREY}, reject_unlisted_recipient\n"
            ),
        ),
        Role::LoginRelay => (
            "out.isp.test",
            format!(
                "mydestination = isp.test\nsmtpd_sasl_auth_enable = yes\nsmtpd_sasl_local_domain = isp.test\n\
                 cyrus_sasl_config_path = {folder}/etc/sasl\n\
                 smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination\n"
            ),
        ),
        Role::OneCustomer => ("mx.house.test", late_customers(&[HOSTED_ALONE])),
        Role::TwoCustomers => ("mx.rooms.test", late_customers(&HOSTED_PAIR)),
        Role::Six => ("mx.six.test", "mydestination = six.test\nlocal_recipient_maps =\n".to_owned()),
    }
}

/// Customers' domains: one with two mailboxes, a catch-all, one that refuses at the end of the message, and
/// one whose mail goes on to another host.
const HOSTING_LINES: &str = "mydestination = mx.hosting.test\nvirtual_alias_domains = hosted.test, catchall.test\n\
    virtual_alias_maps = inline:{ {postmaster@hosted.test = root}, {info@hosted.test = root}, \
    {@catchall.test = root} }\n\
    relay_domains = late.test, gateway.test\n\
    smtpd_end_of_data_restrictions = check_recipient_access inline:{ {late.test = REJECT 5.1.1 User unknown} }\n";

/// Customers' domains that take every recipient, and whose mail goes to the customers' program.
fn late_customers(domains: &[&str]) -> String {
    format!(
        "mydestination =\nvirtual_mailbox_domains = {}\nvirtual_mailbox_maps = static:anyone\n\
         virtual_transport = lmtp:inet:{CUSTOMERS_PROGRAM}\n",
        domains.join(", ")
    )
}

fn main_cf(role: Role, folder: &Path, routing: &str) -> String {
    let (host, own) = own_lines(role, folder);
    let folder = folder.display();
    format!(
        "compatibility_level = 3.6\nmyhostname = {host}\nqueue_directory = {folder}/spool\n\
         data_directory = {folder}/data\ncommand_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\n\
         mail_owner = postfix\nsetgid_group = postdrop\nmaillog_file = {folder}/mail.log\n\
         maillog_file_prefixes = {folder}\ninet_interfaces = all\ninet_protocols = all\nmynetworks = 127.0.0.0/8\n\
         alias_maps = hash:{folder}/aliases\nalias_database = hash:{folder}/aliases\n{routing}\
         smtpd_peername_lookup = no\nsmtpd_error_sleep_time = 0s\nsmtp_tls_security_level = none\n{own}"
    )
}

/// Settings that require TLS, with the files that [`write_certificate`] writes.
fn tls(folder: &std::path::Display<'_>, more: &str) -> String {
    format!("smtpd_tls_security_level = encrypt\nsmtpd_tls_chain_files = {folder}/tls.pem\n{more}")
}

/// Writes a key and a certificate that nobody signed.
fn write_certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["relay.test".to_owned()]).unwrap();
    let files = [made.signing_key.serialize_pem(), made.cert.pem()].concat();
    fs::write(folder.join("tls.pem"), files).unwrap();
}

/// Starts the greylisting policy server. Postfix waits until it listens.
fn start_postgrey(namespace: &str, folder: &Path) -> Child {
    let database = folder.join("postgrey");
    fs::create_dir(&database).unwrap();
    must("chown", &["nobody:nogroup", database.to_str().unwrap()]);
    Command::new("ip")
        .args(["netns", "exec", namespace, "postgrey", POSTGREY_DELAY, "--user=nobody", "--group=nogroup"])
        .arg(format!("--inet={POSTGREY}"))
        .arg(format!("--dbdir={}", database.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Postgrey starts")
}

/// Makes the account of a customer with a login.
fn write_login(folder: &Path) {
    let [user, password] = LOGIN;
    // Debian's Postfix always looks in this folder.
    let (sasl, accounts) = (folder.join("etc/sasl"), folder.join("accounts"));
    fs::create_dir(&sasl).unwrap();
    fs::write(
        sasl.join("smtpd.conf"),
        format!(
            "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN\nsasldb_path: {}\n",
            accounts.display()
        ),
    )
    .unwrap();
    let script =
        format!("printf {password} | saslpasswd2 -p -c -f {} -u isp.test {user}", accounts.display());
    must("sh", &["-c", &script]);
    must("chown", &["postfix", accounts.to_str().unwrap()]);
}
