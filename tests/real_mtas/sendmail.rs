//! Sendmail, with domains that treat unknown recipients in every way that it can.

use crate::unpacked::Software;

/// The server.
pub(crate) const SENDMAIL: Software = Software {
    name: "sendmail",
    program: "usr/libexec/sendmail/sendmail",
    accounts: &["smmta", "smmsp"],
    start: "install -d -m 700 /var/spool/mqueue\n\
            install -d /run/sendmail /run/sendmail/mta\n\
            chmod 600 /etc/lab/key\n\
            cd /etc/mail\n\
            m4 /usr/share/sendmail/cf/m4/cf.m4 sendmail.mc > sendmail.cf\n\
            for map in access virtusertable mailertable; do makemap hash $map < $map; done\n\
            /usr/libexec/sendmail/sendmail -C /etc/mail/sendmail.cf -bi\n\
            exec /usr/libexec/sendmail/sendmail -C /etc/mail/sendmail.cf -bD -q30m -X /var/log/traffic",
};

/// The configuration, from which m4 makes sendmail.cf.
const SENDMAIL_MC: &str = "OSTYPE(`debian')
define(`confDOMAIN_NAME', `mx.sendmail.test')
define(`confDELIVERY_MODE', `queueonly')
define(`confTO_IDENT', `0s')
define(`confCACERT_PATH', `/etc/lab')
define(`confCACERT', `/etc/lab/cert')
define(`confSERVER_CERT', `/etc/lab/cert')
define(`confSERVER_KEY', `/etc/lab/key')
FEATURE(`no_default_msa')
FEATURE(`nocanonify')
FEATURE(`access_db')
FEATURE(`blocklist_recipients')
FEATURE(`virtusertable')
FEATURE(`mailertable')
VIRTUSER_DOMAIN(`hosted.test')
VIRTUSER_DOMAIN(`catchall.test')
VIRTUSER_DOMAIN(`late.test')
LOCAL_DOMAIN(`relay.test')
DAEMON_OPTIONS(`Family=inet, Name=MTA, Port=25')
MAILER(`local')
MAILER(`smtp')
LOCAL_RULESETS
Scheck_data
R$*\t\t$#error $@ 5.1.1 $: \"550 User unknown\"
";

/// Whose mail is taken, relayed or put off.
const ACCESS: &str = "To:gateway.test\tRELAY\nTo:grey.test\tERROR:4.2.0:\"450 Greylisted\"\n";
/// Refuses MAIL before STARTTLS.
pub(crate) const SENDMAIL_REQUIRES_TLS: &str = "TLS_Clt:\tPERM+ENCR:112\n";

/// The files of its configuration. `access` are more lines of its access table.
pub(crate) fn sendmail_files(access: &str) -> Vec<(&'static str, String)> {
    let virtual_users = "postmaster@hosted.test\troot\ninfo@hosted.test\troot\n\
        @hosted.test\terror:5.1.1:550 User unknown\n@catchall.test\troot\n@late.test\troot\n";
    vec![
        ("etc/mail/sendmail.mc", SENDMAIL_MC.to_owned()),
        ("etc/mail/access", format!("{ACCESS}{access}")),
        ("etc/mail/virtusertable", virtual_users.to_owned()),
        ("etc/mail/mailertable", "gateway.test\tsmtp:[127.0.0.2]\n".to_owned()),
        ("etc/mail/aliases", "postmaster: root\n".to_owned()),
    ]
}
