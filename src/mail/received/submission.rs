//! Recognises Received fields that say that a user, a script or a webmail client submitted the
//! message.
//!
//! A client can write some of these marks into its HELO name. That only excuses the relay, because
//! a marked report proves nothing.

use super::segment::{MECHANISMS, holds};

/// What a Received field says about a user, script or client that submitted the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmissionMark {
    /// A local user, script or program of the receiving host.
    LocalUser,
    /// A client that authenticated itself (RFC 4954).
    Authenticated,
    /// A webmail client, or another client over HTTP.
    Web,
    /// A client of Exchange over MAPI.
    Mapi,
}

/// Accounts under which mail systems run. Mail that they submit is that of the mail system itself.
const SYSTEM_ACCOUNTS: [&str; 6] = ["debian-exim", "exim", "mail", "mailnull", "smmsp", "mailman"];

/// Protocols with authentication: RFC 3848 §2, RFC 6531 §4.3, and names that MTAs used before.
const AUTHENTICATED_PROTOCOLS: [&str; 14] = [
    "asmtp",
    "asmtps",
    "esmtpa",
    "esmtpsa",
    "lmtpa",
    "lmtpsa",
    "smtpa",
    "smtpsa",
    "utf8smtpa",
    "utf8smtpsa",
    "utf8esmtpa",
    "utf8esmtpsa",
    "utf8lmtpa",
    "utf8lmtpsa",
];

/// The first words of comments about authentication, in lower case: `(Authenticated sender: user)` of
/// Postfix, `(authenticated bits=0)` of Sendmail, `(AUTH: LOGIN user)` of Courier and `(account
/// user)` of CommuniGate Pro.
const AUTHENTICATED_COMMENTS: [&str; 4] = ["(authenticated", "(auth", "(account", "(smtp-auth"];

/// The first words of comments of webmail programs and of scripts on web servers, in lower case.
const WEB_COMMENTS: [&str; 6] = ["(horde", "(imp", "(php", "(roundcube", "(squirrelmail", "(webmail"];

/// The parts of CommuniGate Pro that serve users: `(CommuniGate Pro WebUser 6.3)`.
const USER_PARTS: [&str; 4] = ["http", "pronto", "webuser", "ximss"];

/// The mark in a field, in lower case.
pub(super) fn mark(folded: &str) -> Option<SubmissionMark> {
    if names_local_user(folded) {
        return Some(SubmissionMark::LocalUser);
    }
    let words = folded.split_ascii_whitespace();
    let mark = words.clone().zip(words.skip(1)).find_map(|(before, word)| of_pair(before, word))?;
    (!is_internal(folded)).then_some(mark)
}

/// Whether a mail system handed the message to itself, in a way that looks like a submission.
///
/// OpenSMTPD takes its own reports over a local socket and calls that ESMTPA. Exchange Online
/// delivers to a mailbox over HTTPS, via a proxy or from the same host. Cyrus takes mail over a
/// socket. Only what the host wrote counts: the end of the text before `by`, and what follows.
fn is_internal(folded: &str) -> bool {
    let Some((from, host)) = folded.rsplit_once(" by ") else { return false };
    let pairs =
        [(" [local])", "(opensmtpd)"), (" (::1)", "microsoft smtp server"), ("([unix socket])", "lmtp")];
    pairs.iter().any(|(end, name)| from.ends_with(end) && holds(host, name))
        || holds(host, " with https via ")
}

/// The mark in a word. `before` is the word before it.
fn of_pair(before: &str, word: &str) -> Option<SubmissionMark> {
    let plain = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if ["with", "via"].contains(&before.trim_start_matches('(')) {
        return match plain {
            "soap" => Some(SubmissionMark::Web),
            _ if plain.starts_with("http") => Some(SubmissionMark::Web),
            "mapi" => Some(SubmissionMark::Mapi),
            _ => is_authenticated(plain).then_some(SubmissionMark::Authenticated),
        };
    }
    let first = word.trim_end_matches([':', ')']);
    if AUTHENTICATED_COMMENTS.contains(&first) || plain.starts_with("auth=") {
        return Some(SubmissionMark::Authenticated);
    }
    let is_web = WEB_COMMENTS.contains(&first) || before == "pro" && USER_PARTS.contains(&plain);
    is_web.then_some(SubmissionMark::Web)
}

fn is_authenticated(protocol: &str) -> bool {
    AUTHENTICATED_PROTOCOLS.contains(&protocol) || MECHANISMS.contains(&protocol)
}

/// Whether a field says that a local user submitted the message.
///
/// Postfix writes `(Postfix, from userid 33)`, Exim `from www-data by HOST with local`, Sendmail
/// `(from www-data@localhost)` and `/Submit`, qmail `invoked by uid 33`, and DragonFly `from www
/// (uid 33)`. None of these occurs in a report that a mail system wrote itself.
fn names_local_user(folded: &str) -> bool {
    let exim =
        folded.strip_prefix("from ").and_then(|rest| rest.split_once(" by ")).is_some_and(|(user, rest)| {
            holds(rest, " with local") && !user.contains(['[', '(', ' ']) && !SYSTEM_ACCOUNTS.contains(&user)
        });
    let texts = [", from userid ", "invoked by uid ", "(uid ", "/submit)"];
    exim || folded.starts_with("(from ") || texts.iter().any(|text| holds(folded, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_script_or_webmail_client_is_recognised_by_what_the_host_wrote() {
        use SubmissionMark::{Authenticated, LocalUser, Mapi, Web};
        for (field, want) in [
            ("by relay.example (Postfix, from userid 33) id 9; date", LocalUser),
            ("from www-data by relay.example with local (Exim 4.98) id 1xV; date", LocalUser),
            ("(from www-data@localhost) by relay.example (8.18.1/8.18.1/Submit) id 4AN1; date", LocalUser),
            ("(qmail 9 invoked by uid 33); date", LocalUser),
            (
                "from www (uid 33) (envelope-from u@b.example) id 7 by relay.example (DragonFly Mail Agent v0.13); date",
                LocalUser,
            ),
            ("from h (h [192.0.2.1]) by relay.example (Postfix) with ESMTPSA id 9; date", Authenticated),
            (
                "from [192.0.2.1] (helo=h) by relay.example with esmtpa (Exim 4.98) id 1xV; date",
                Authenticated,
            ),
            ("from [192.0.2.1] (helo=h) by relay.example with asmtp (Exim 4.34) id 1xV; date", Authenticated),
            ("from h (h [192.0.2.1]) by relay.example with UTF8SMTPSA id 9; date", Authenticated),
            (
                "from h (h [192.0.2.1]) (Authenticated sender: u) by relay.example (Postfix) with ESMTP id 9; date",
                Authenticated,
            ),
            (
                "from h (h [192.0.2.1]) (authenticated bits=0) by relay.example (8.18.1/8.18.1) with ESMTP id 9; date",
                Authenticated,
            ),
            (
                "from h (h [192.0.2.1]) (authenticated) by relay.example (8.18.1/8.18.1) with ESMTP id 9; date",
                Authenticated,
            ),
            (
                "from h (h [::ffff:192.0.2.1]) (AUTH: LOGIN u) by relay.example with esmtp; date",
                Authenticated,
            ),
            (
                "from [192.0.2.1] (account u HELO h) by relay.example (CommuniGate Pro SMTP 6.3) with ESMTP id 9; date",
                Authenticated,
            ),
            (
                "from h (h [192.0.2.1]) by relay.example (OpenSMTPD) with ESMTPS id 9 auth=yes user=u; date",
                Authenticated,
            ),
            (
                "from unknown (HELO h) (u@192.0.2.1 with plain) by relay.example with SMTP; date",
                Authenticated,
            ),
            ("from [192.0.2.1] by relay.example via HTTP; date", Web),
            ("from h (h [192.0.2.1]) by relay.example (Horde Framework) with HTTP; date", Web),
            ("from 192.0.2.1 (SquirrelMail authenticated user u) by relay.example with SMTP; date", Web),
            ("by relay.example (CommuniGate Pro WebUser 6.3) with local id 9; date", Web),
            ("from ex ([fe80::1]) by ex ([fe80::1%14]) with mapi id 15.2; date", Mapi),
        ] {
            assert_eq!(mark(&field.to_ascii_lowercase()), Some(want), "{field}");
        }
    }

    #[test]
    fn the_fields_of_mail_systems_bear_no_mark() {
        for field in [
            "by relay.example (Postfix) id 9; date",
            "from localhost (localhost) by relay.example (8.18.1/8.18.1) id 4AN1; date",
            "from Debian-exim by relay.example with local (Exim 4.98) id 1xV; date",
            "from mx.relay.example (relay.example [local]) by relay.example (OpenSMTPD) with ESMTPA id 9b3e; date",
            "(Haraka outbound); date",
            "(qmail 9 invoked for bounce); date",
            "from MAILER-DAEMON id 7 by relay.example (DragonFly Mail Agent v0.13); date",
            "from ex.example (192.0.2.7) by box.example with HTTPS via proxy.example; date",
            "from localhost (localhost [127.0.0.1]) by relay.example (Postfix) with ESMTP id 9; date",
            "from author.example (account.example [192.0.2.1]) by authenticated.example with ESMTPS id 9; date",
            "from webmail.horde.example (php.example [192.0.2.1]) by relay.example (Postfix) with ESMTP id 9; date",
        ] {
            assert_eq!(mark(&field.to_ascii_lowercase()), None, "{field}");
        }
    }
}
