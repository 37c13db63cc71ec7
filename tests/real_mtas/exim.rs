//! Exim 4, with domains that treat unknown recipients in every way that it can.

use crate::unpacked::Software;

/// The server.
pub(crate) const EXIM: Software = Software {
    name: "exim",
    program: "usr/sbin/exim4",
    accounts: &["Debian-exim"],
    start: "install -d -o Debian-exim -g Debian-exim /var/spool/exim4\n\
            exec exim4 -C /etc/exim4/exim.conf -bdf -q30m",
};

/// Refuses MAIL before STARTTLS.
pub(crate) const EXIM_REQUIRES_TLS: &str = "deny !encrypted = *\n    message = TLS is required\n";

/// The configuration. `at_mail` are statements of the access list that decides about MAIL.
pub(crate) fn exim_conf(at_mail: &str) -> String {
    format!(
        r#"
primary_hostname = mx.exim.test
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim-%slog
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_mail = check_mail
acl_smtp_rcpt = check_recipient
acl_smtp_data = check_message
begin acl
check_mail:
  {at_mail}
  accept
check_recipient:
  deny !domains = relay.test : grey.test : hosted.test : catchall.test : gateway.test : late.test
    message = relay not permitted
  accept domains = gateway.test : late.test
  defer domains = grey.test
    !seen = 1s / key=${{sender_host_address}}_${{sender_address}}_$local_part@$domain
    message = greylisted, try again later
  require verify = recipient
  accept
check_message:
  deny condition = ${{if match{{$recipients}}{{@late\\.test}}}}
    message = User unknown
  accept
begin routers
catch_all:
  driver = accept
  domains = catchall.test
  transport = nowhere
mailboxes:
  driver = accept
  domains = relay.test : grey.test : hosted.test
  local_parts = postmaster : info
  transport = nowhere
begin transports
nowhere:
  driver = appendfile
  file = /dev/null
  user = Debian-exim
"#
    )
}
