//! A Postfix instance in a namespace, with its own configuration and queue.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::{Role, must, run};

/// The lines that an administrator adds to main.cf to use the list.
const SHIPPED: &str = include_str!("../../deploy/mta/postfix/main.cf");

/// A running instance, which is stopped when the value is dropped.
pub(crate) struct Postfix {
    namespace: String,
    configuration: PathBuf,
    folder: PathBuf,
}

impl Postfix {
    /// Starts an instance in a namespace. It sends all of its mail to the trap's host.
    pub(crate) fn start(role: Role, namespace: &str, folder: &Path, trap: &str) -> Self {
        let configuration = folder.join("etc");
        for directory in ["etc", "spool", "data"] {
            fs::create_dir_all(folder.join(directory)).unwrap();
        }
        must("chown", &["postfix", folder.join("data").to_str().unwrap()]);
        fs::copy("/usr/share/postfix/master.cf.dist", configuration.join("master.cf")).unwrap();
        write_certificate(folder);
        fs::write(configuration.join("main.cf"), main_cf(role, folder, trap)).unwrap();
        fs::write(folder.join("aliases"), "forward: someone@nowhere.test\npostmaster: root\n").unwrap();
        let postfix = Postfix { namespace: namespace.to_owned(), configuration, folder: folder.to_owned() };
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
    }
}

fn main_cf(role: Role, folder: &Path, trap: &str) -> String {
    let folder = folder.display();
    let (host, own) = match role {
        Role::Bad => ("bad.relay.test", "mydestination = relay.test\nlocal_recipient_maps =\n".to_owned()),
        Role::Good => ("good.relay.test", "mydestination = relay.test\n".to_owned()),
        Role::Consumer => (
            "mx.consumer.test",
            format!(
                "mydestination = consumer.test\nlocal_recipient_maps =\nlocal_transport = discard:\n{SHIPPED}"
            ),
        ),
        Role::CustomersOnly => ("out.relay.test", "mydestination = other.test\n".to_owned()),
        Role::Greylisting => (
            "grey.relay.test",
            "mydestination = relay.test\n\
             smtpd_recipient_restrictions = check_recipient_access static:{450 4.2.0 Greylisted}\n"
                .to_owned(),
        ),
        Role::GreylistingLast => (
            "greylast.relay.test",
            "mydestination = relay.test\n\
             smtpd_recipient_restrictions = reject_unlisted_recipient, \
             check_recipient_access static:{450 4.2.0 Greylisted}\n"
                .to_owned(),
        ),
        Role::TlsRequired => ("tls.relay.test", tls(&folder, "")),
        Role::OldTlsRequired => {
            ("oldtls.relay.test", tls(&folder, "smtpd_tls_mandatory_protocols = <=TLSv1.1\n"))
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
            "mydestination = relay.test\nsmtpd_client_restrictions = check_client_access \
             static:{REJECT Your address is on a blocklist}\n"
                .to_owned(),
        ),
    };
    format!(
        "compatibility_level = 3.6\nmyhostname = {host}\nqueue_directory = {folder}/spool\n\
         data_directory = {folder}/data\ncommand_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\n\
         mail_owner = postfix\nsetgid_group = postdrop\nmaillog_file = {folder}/mail.log\n\
         maillog_file_prefixes = {folder}\ninet_interfaces = all\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\n\
         alias_maps = hash:{folder}/aliases\nalias_database = hash:{folder}/aliases\nrelayhost = [{trap}]:25\n\
         smtpd_peername_lookup = no\nsmtp_tls_security_level = none\n{own}"
    )
}

/// Settings that require TLS, with the files that [`write_certificate`] writes.
fn tls(folder: &std::path::Display<'_>, more: &str) -> String {
    format!(
        "mydestination = relay.test\nsmtpd_tls_security_level = encrypt\n\
         smtpd_tls_chain_files = {folder}/tls.pem\n{more}"
    )
}

/// Writes a key and a certificate that nobody signed.
fn write_certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["relay.test".to_owned()]).unwrap();
    let files = [made.signing_key.serialize_pem(), made.cert.pem()].concat();
    fs::write(folder.join("tls.pem"), files).unwrap();
}
