//! OpenSMTPD, with domains that treat unknown recipients in every way that it can.

use crate::unpacked::Software;

/// The server.
pub(crate) const OPENSMTPD: Software = Software {
    name: "opensmtpd",
    program: "usr/sbin/smtpd",
    accounts: &["opensmtpd", "opensmtpq"],
    start: "install -d -m 711 /var/spool/smtpd\n\
            install -d /var/lib/opensmtpd /var/lib/opensmtpd/empty /var/empty\n\
            chmod 600 /etc/lab/key\n\
            exec smtpd -d -v -f /etc/smtpd.conf",
};

/// The configuration. `tls` are the words of the listener about TLS.
pub(crate) fn smtpd_conf(tls: &str) -> String {
    format!(
        r#"
pki mx.opensmtpd.test cert "/etc/lab/cert"
pki mx.opensmtpd.test key "/etc/lab/key"
filter grey phase rcpt-to match rcpt-to regex {{ "@grey\.test$" }} reject "450 4.2.0 Greylisted"
filter late phase commit match !auth reject "550 5.1.1 User unknown"
listen on 0.0.0.0 {tls} hostname mx.opensmtpd.test filter {{ grey, late }}
action users maildir "/var/spool/nowhere" alias {{ "postmaster" = root }}
action mailboxes maildir "/var/spool/nowhere" virtual {{ "postmaster" = root, "info" = root }}
action everything maildir "/var/spool/nowhere" virtual {{ "@" = root }}
action onward relay host smtp://127.0.0.1:2525
match from any for domain {{ "relay.test", "grey.test" }} action users
match from any for domain "hosted.test" action mailboxes
match from any for domain {{ "catchall.test", "late.test" }} action everything
match from any for domain "gateway.test" action onward
"#
    )
}

/// The configuration of a server without such domains: it relays for every client, as for customers that it
/// knows by their addresses, and forwards the mail of users of `provider.test`. `through` says by which host
/// it sends, if by one.
pub(crate) fn forwarding_smtpd_conf(forwards: &[(String, String)], through: &str) -> String {
    let forwards: Vec<String> = forwards.iter().map(|(user, to)| format!("\"{user}\" = \"{to}\"")).collect();
    let forwards = forwards.join(", ");
    format!(
        r#"
listen on 0.0.0.0
action users maildir "/var/spool/nowhere" virtual {{ {forwards} }}
action onward relay {through}
match from any for domain "provider.test" action users
match from src {{ 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 }} for any action onward
match from local for any action onward
"#
    )
}
