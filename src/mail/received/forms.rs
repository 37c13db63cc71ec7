//! The forms in which MTAs write the `from` clause, and where each of them writes the client's
//! address.

use std::net::IpAddr;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::place::AddressPlace;
use super::segment::{Segment, holds, segments};

/// The form of one MTA's Received fields.
pub struct ReceivedForm {
    /// The MTA.
    pub name: &'static str,
    mark: FormMark,
    place: AddressPlace,
    /// Fields of this form. `{peer}` stands for the client's address, `{helo}` for its HELO name,
    /// and `{name}` for its reverse name.
    pub samples: &'static [&'static str],
}

/// How a form is recognised.
enum FormMark {
    /// One of these texts stands after `by`. They are in lower case.
    Host(&'static [&'static str]),
    /// Only an address in brackets stands before `by`, or also a comment about TLS.
    LiteralAlone,
    /// An address in brackets and one comment with Exim's facts stand before `by`.
    LiteralWithFacts,
    /// The protocol is the last word after `by`.
    ProtocolLast,
    /// Nothing. Fields that no other row recognises are read in the standard's form.
    Unmarked,
}

/// The standard's form: `from HELO (NAME [ADDRESS])` (RFC 5321 §4.4).
const fn standard(name: &'static str, samples: &'static [&'static str]) -> ReceivedForm {
    ReceivedForm { name, mark: FormMark::Unmarked, place: AddressPlace::Comment, samples }
}

/// All forms. The first one whose mark fits a field is used.
pub static RECEIVED_FORMS: [ReceivedForm; 49] = [
    ReceivedForm {
        name: "Postfix",
        mark: FormMark::Host(&["(postfix"]),
        place: AddressPlace::Comment,
        samples: &[
            "from {helo} ({name} [{peer}]) by mx.relay.example (Postfix) with ESMTP id 4D1 for <u@relay.example>; date",
            "from {helo} (unknown [{peer}]) by mx.relay.example (Postfix) with SMTP id 4D2; date",
            "from {helo} ({name} [{peer}]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) \
             key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256) (Client did not present a \
             certificate) by mx.relay.example (Postfix) with ESMTPS id 4D3; date",
            "from {helo} ({name} [{peer}]) (using TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits)) (Client \
             CN \"{name}\", Issuer \"Example CA\" (verified OK)) by mx.relay.example (Postfix) with ESMTPS id 4D4; date",
            "from {helo} ({name} [{peer}]) (Authenticated sender: u@relay.example) by mx.relay.example (Postfix) with \
             ESMTPSA id 4D5; date",
        ],
    },
    ReceivedForm {
        name: "chasquid, authenticated",
        mark: FormMark::Host(&["(chasquid) with esmtpa", "(chasquid) with esmtpsa"]),
        place: AddressPlace::Nowhere,
        samples: &[
            "from {helo} by mx.relay.example (chasquid) with ESMTPSA tls TLS_AES_128_GCM_SHA256 (over submission, \
                    TLS-1.3, envelope from \"u@relay.example\"); date",
        ],
    },
    ReceivedForm {
        name: "MAILsweeper",
        mark: FormMark::Host(&["(content technologies smtprs"]),
        place: AddressPlace::Nowhere,
        samples: &[
            "from {helo} ({name}) by mx.relay.example (Content Technologies SMTPRS 4.3) with ESMTP id <T1>; date",
        ],
    },
    ReceivedForm {
        name: "Exim",
        mark: FormMark::Host(&["(exim "]),
        place: AddressPlace::OutsideComments,
        samples: &[
            "from {name} ([{peer}] helo={helo}) by mx.relay.example with esmtp (Exim 4.98) (envelope-from <u@b.example>) id \
             1xV-2 for u@relay.example; date",
            "from {name} ([{peer}]) by mx.relay.example with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.98) id \
             1xV-3; date",
            "from {name} ([{peer}]:4321 helo={helo}) by mx.relay.example with esmtp (Exim 4.98) id 1xV-4; date",
            "from [{peer}] (helo={helo}) by mx.relay.example with esmtp (Exim 4.98) id 1xV-5; date",
            "from [{peer}] (port=4321 helo={helo}) by mx.relay.example with esmtpsa (Exim 4.98) id 1xV-6; date",
            "from [{peer}] (helo={helo} ident=user) by mx.relay.example with smtp (Exim 3.36 #1) id 1xV-7; date",
            "from [{peer}] by mx.relay.example with smtp (Exim 4.98) id 1xV-8; date",
            "from {name} [{peer}] by mx.relay.example with esmtp (Exim 3.12 #1) id 1xV-9; date",
        ],
    },
    ReceivedForm {
        name: "CommuniGate Pro",
        mark: FormMark::Host(&["(communigate pro "]),
        place: AddressPlace::OutsideComments,
        samples: &[
            "from [{peer}] (HELO {helo}) by mx.relay.example (CommuniGate Pro SMTP 6.3) with ESMTP id 7; date",
            "from [{peer}] (account u@relay.example HELO {helo}) by mx.relay.example (CommuniGate Pro SMTP 6.3) with ESMTPSA \
             id 7; date",
            "from [{peer}] (account u@relay.example [{peer}] verified) by mx.relay.example (CommuniGate Pro SMTP 4.3) with \
             ESMTP-TLS id 7; date",
            "from {helo} ([{peer}] verified) by mx.relay.example (CommuniGate Pro SMTP 6.3) with ESMTP id 7; date",
        ],
    },
    ReceivedForm {
        name: "F-Secure",
        mark: FormMark::Host(&["(f-secure anti-virus "]),
        place: AddressPlace::OutsideComments,
        samples: &[
            "from [{peer}]:50999 (HELO {helo}) by mx.relay.example ([192.0.2.25]:25) (F-Secure Anti-Virus for \
                    Internet Mail 6.0 Release) with SMTP; date",
        ],
    },
    ReceivedForm {
        name: "Momentum",
        mark: FormMark::Host(&["(ecelerity "]),
        place: AddressPlace::CommentWithPort,
        samples: &[
            "from {name} ([{peer}:29283] helo={helo}) by mx.relay.example (envelope-from <u@b.example>) (ecelerity \
                    4.4 r(Core:4.4)) with ESMTP id A1; date",
        ],
    },
    ReceivedForm {
        name: "Exchange",
        mark: FormMark::Host(&["with microsoft smtp server"]),
        place: AddressPlace::LastComment,
        samples: &[
            "from {helo} ({peer}) by ex.relay.example (192.0.2.25) with Microsoft SMTP Server (version=TLS1_2, \
             cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.2.1118.40 via Frontend Transport; date",
            "from {helo} ({peer}) by ex.relay.example (192.0.2.25) with Microsoft SMTP Server id 8.3.1; date",
        ],
    },
    ReceivedForm {
        name: "Exchange mailbox",
        mark: FormMark::Host(&["with https"]),
        place: AddressPlace::LastComment,
        samples: &[
            "from ex.relay.example ({peer}) by box.relay.example with HTTPS via proxy.relay.example; date",
        ],
    },
    ReceivedForm {
        name: "PowerMTA",
        mark: FormMark::Host(&["(powermta"]),
        place: AddressPlace::LastComment,
        samples: &[
            "from {helo} ({peer}) by mx.relay.example (PowerMTA v5.0r8) id h1 for <u@relay.example>; date",
        ],
    },
    ReceivedForm {
        name: "XMail",
        mark: FormMark::Host(&["with [xmail "]),
        place: AddressPlace::LastComment,
        samples: &[
            "from {helo} ({peer}:23198) by mx.relay.example (192.0.2.25:25) with [XMail 1.27 ESMTP Server] id <S1> \
                    for <u@relay.example> from <u@b.example>; date",
        ],
    },
    ReceivedForm {
        name: "qpsmtpd",
        mark: FormMark::Host(&["(qpsmtpd/"]),
        place: AddressPlace::LastComment,
        samples: &["from {name} (HELO {helo}) ({peer}) by mx.relay.example (qpsmtpd/0.96) with ESMTP; date"],
    },
    ReceivedForm {
        name: "Mercury",
        mark: FormMark::Host(&["(mercury"]),
        place: AddressPlace::LastComment,
        samples: &["from {helo} ({peer}) by mx.relay.example (Mercury/32 v4.80) with ESMTP ID MG1; date"],
    },
    ReceivedForm {
        name: "MailFoundry",
        mark: FormMark::Host(&["(mailfoundry)"]),
        place: AddressPlace::LastComment,
        samples: &["From {helo} ({peer}) by mx.relay.example (MAILFOUNDRY) id 7 for u@relay.example; date"],
    },
    ReceivedForm {
        name: "IMail",
        mark: FormMark::Host(&["(smtpd32-", "(smtpd-"]),
        place: AddressPlace::OutsideComments,
        samples: &["from {helo} [{peer}] by mx.relay.example (SMTPD32-8.15) id A1; date"],
    },
    ReceivedForm {
        name: "MDaemon",
        mark: FormMark::Host(&["(mdaemon"]),
        place: AddressPlace::OutsideComments,
        samples: &[
            "from {helo} [{peer}] by mx.relay.example [192.0.2.25] with SMTP (MDaemon.PRO.v5.0.4.R) for <u@relay.example>; \
             date",
            "from {helo} ([{peer}]) by mx.relay.example (MDaemon PRO v23.0) with ESMTP id 7; date",
        ],
    },
    ReceivedForm {
        name: "MX Logic",
        mark: FormMark::Host(&["(mxl_mta-"]),
        place: AddressPlace::OutsideComments,
        samples: &[
            "from unknown [{peer}] (EHLO {helo}) by mx.relay.example(mxl_mta-7.2.4-7) with ESMTP id 7; date",
        ],
    },
    ReceivedForm {
        name: "SurfControl",
        mark: FormMark::Host(&[" surfcontrol e-mail filter"]),
        place: AddressPlace::OutsideComments,
        samples: &["from {helo} [{peer}] by mx.relay.example - SurfControl E-mail Filter (6.0.1); date"],
    },
    ReceivedForm {
        name: "fetchmail",
        mark: FormMark::Host(&["(fetchmail-"]),
        place: AddressPlace::OutsideComments,
        samples: &[
            "from {name} [{peer}] by localhost with POP3 (fetchmail-6.4.38) for <u@localhost> (single-drop); date",
        ],
    },
    ReceivedForm {
        name: "Exim under another name",
        mark: FormMark::LiteralWithFacts,
        place: AddressPlace::OutsideComments,
        samples: &[
            "from [{peer}] (helo={helo}) by mx.relay.example (node=mx1) with ESMTP (Relay), id 0M1 for \
                    u@relay.example; date",
        ],
    },
    ReceivedForm {
        name: "address alone",
        mark: FormMark::LiteralAlone,
        place: AddressPlace::OutsideComments,
        samples: &[
            "from [{peer}] by mx.relay.example with NNFMP; date",
            "from [{peer}] by mx.relay.example (MessageWall 1.1.0) with SMTP; date",
            "from [{peer}] (using TLSv1.2 with cipher DHE-RSA-AES256-GCM-SHA384 (256 bits)) by mx.relay.example id v1; date",
        ],
    },
    ReceivedForm {
        name: "qmail",
        mark: FormMark::ProtocolLast,
        place: AddressPlace::LastComment,
        samples: &[
            "from {name} (HELO {helo}) ({peer}) by 0 with SMTP; date",
            "from unknown (HELO {helo}) (user@{peer}) by mx.relay.example with SMTP; date",
            "from {name} ({peer}) by mx.relay.example with ESMTPS; date",
            "from {name} (HELO {helo}) ({peer}) by mx.relay.example with (AES256-SHA encrypted) SMTP; date",
        ],
    },
    ReceivedForm {
        name: "IronPort",
        mark: FormMark::ProtocolLast,
        place: AddressPlace::LastComment,
        samples: &[
            "from {helo} ({peer}) by mx.relay.example with ESMTP; date",
            "from {helo} ([{peer}]) by mx.relay.example with ESMTP; date",
            "from {name} (HELO {helo}) ([{peer}]) by mx.relay.example with ESMTP/TLS/AES256-SHA; date",
        ],
    },
    ReceivedForm {
        name: "Yahoo",
        mark: FormMark::ProtocolLast,
        place: AddressPlace::LastComment,
        samples: &[
            "from {peer} (EHLO {helo}) ({peer}) by mx.relay.example with SMTPS; date",
            "from unknown (HELO {helo}) (user@{peer} with plain) by mx.relay.example with SMTP; date",
            "from {name} (EHLO {helo}) ([{peer}]) by smtp.relay.example (Hermes SMTP Server) with ESMTPA ID 9f; date",
        ],
    },
    ReceivedForm {
        name: "m-FILTER",
        mark: FormMark::ProtocolLast,
        place: AddressPlace::LastComment,
        samples: &["from {peer} ({peer}) by m-FILTER with ESMTP; date"],
    },
    standard(
        "Sendmail",
        &[
            "from {helo} ({name} [{peer}]) by mx.relay.example (8.18.1/8.18.1) with ESMTP id 4AN1 for <u@relay.example>; date",
            "from {helo} ({name} [{peer}] (may be forged)) by mx.relay.example (8.18.1/8.18.1) with ESMTP id 4AN2; date",
            "from {helo} (user@{name} [{peer}]) by mx.relay.example (8.18.1/8.18.1) with SMTP id 4AN3; date",
            "from {helo} (user@[{peer}]) by mx.relay.example (8.18.1/8.18.1) with SMTP id 4AN4; date",
            "from {helo} (IDENT:user@{name} [{peer}]) by mx.relay.example (8.9.3/8.9.3) with SMTP id UAA1; date",
            "from {helo} ({name} [{peer}]) (authenticated bits=0) by mx.relay.example (8.18.1/8.18.1) with ESMTPA id 4AN5; \
             date",
            "from localhost (localhost) by mx.relay.example (8.18.1/8.18.1) id 4AN6; date",
        ],
    ),
    standard(
        "OpenSMTPD",
        &[
            "from {helo} ({name} [{peer}]) by mx.relay.example (OpenSMTPD) with ESMTPS id 9b3f (TLSv1.3:AEAD:256:NO) for \
             <u@relay.example>; date",
            "from mx.relay.example (relay.example [local]) by relay.example (OpenSMTPD) with ESMTPA id 9b3e; date",
        ],
    ),
    standard(
        "Courier",
        &[
            "from {helo} ({name} [::ffff:{peer}]) by mx.relay.example with esmtp; date",
            "from {helo} ({name} [::ffff:{peer}]) (AUTH: LOGIN u, TLS: TLSv1.2,256bits,AES256-SHA) by mx.relay.example with \
             esmtp; date",
        ],
    ),
    standard(
        "Haraka",
        &[
            "from {helo} ({name} [{peer}]) by mx.relay.example (Haraka/3.0.3) with ESMTPS id A1.1 envelope-from \
             <u@b.example>; date",
            "from {helo} ([{peer}]) by mx.relay.example (Haraka/3.0.3) with ESMTP id A1.2 envelope-from <>; date",
        ],
    ),
    standard(
        "Google",
        &[
            "from {helo} ({name}. [{peer}]) by mx.relay.example with ESMTPS id x1si2 for <u@relay.example> (version=TLS1_3 \
             cipher=TLS_AES_256_GCM_SHA384 bits=256/256); date",
            "by 2001:db8:6402:1234:b0:5c2:1234:5678 with SMTP id x1csp2; date",
        ],
    ),
    standard(
        "Microsoft SMTP service",
        &[
            "from {helo} ([{peer}]) by mx.relay.example with Microsoft SMTPSVC(10.0.17763.1697); date",
            "from {helo} ([{peer}] RDNS failed) by mx.relay.example with Microsoft SMTPSVC(6.0.3790.0); date",
            "from mail pickup service by mx.relay.example with Microsoft SMTPSVC; date",
        ],
    ),
    standard(
        "Domino",
        &[
            "from {helo} ([{peer}]) by mx.relay.example (Lotus Domino Release 9.0.1FP10) with ESMTP id 2026112320-7; date",
        ],
    ),
    standard("GroupWise", &["from relay-MTA by relay.example with Novell_GroupWise; date"]),
    standard(
        "Kerio",
        &[
            "from {helo} ([{peer}]) by mx.relay.example (Kerio Connect 9.4.2) with ESMTPS for u@relay.example; date",
            "from {helo} ([{peer}]) (authenticated user u@relay.example) by mx.relay.example (Kerio Connect 9.4.2) with \
             ESMTPSA; date",
        ],
    ),
    standard("hMailServer", &["from {helo} ({name} [{peer}]) by mx.relay.example with ESMTP ; date"]),
    standard(
        "SmarterMail",
        &["from {helo} ({name} [{peer}]) by mx.relay.example with SMTP (version=TLS12); date"],
    ),
    standard(
        "James",
        &[
            "from {name} (EHLO {helo}) ([{peer}]) by mx.relay.example (JAMES SMTP Server ) with ESMTP ID 7; date",
        ],
    ),
    standard(
        "Stalwart",
        &[
            "from {helo} ({name} [{peer}]) (using TLSv1.3 with cipher TLS13_AES_256_GCM_SHA384) by mx.relay.example (Stalwart \
           SMTP) with ESMTPS id 3F; date",
        ],
    ),
    standard(
        "mox",
        &[
            "from {helo} ({name} [{peer}]) by mx.relay.example ([192.0.2.25]) via tcp with ESMTPS id 7x (TLS1.3 \
           TLS_AES_128_GCM_SHA256) for <u@relay.example>; date",
        ],
    ),
    standard(
        "maddy",
        &["from {helo} ({name} [{peer}]) by mx.relay.example (envelope-sender <>) with ESMTPS id 7a; date"],
    ),
    standard(
        "chasquid",
        &[
            "from {helo} ([{peer}]) by mx.relay.example (chasquid) with ESMTPS tls TLS_AES_128_GCM_SHA256 (over SMTP, TLS-1.3, \
           envelope from \"u@b.example\"); date",
        ],
    ),
    standard(
        "amavis",
        &[
            "from {helo} ([{peer}]) by localhost (mx.relay.example [127.0.0.1]) (amavis, port 10024) with ESMTP id 7; date",
        ],
    ),
    standard(
        "Dovecot",
        &["from {helo} ([{peer}]) by mx.relay.example with LMTP id 7a (envelope-from <>); date"],
    ),
    standard(
        "Cyrus",
        &["from mx.relay.example ([unix socket]) by mx.relay.example (Cyrus 3.8) with LMTPA; date"],
    ),
    standard(
        "Sun and Oracle Messaging Server",
        &[
            "from {helo} ({name} [{peer}]) by mx.relay.example (Oracle Communications Messaging Server 8.1 64bit) with ESMTP id \
           <0M1>; date",
        ],
    ),
    standard(
        "InterScan",
        &["from {helo} ([{peer}]) by mx.relay.example with InterScan Message Security Suite; date"],
    ),
    standard(
        "Barracuda",
        &[
            "from {helo} ({name} [{peer}]) by mx.relay.example (Spam Firewall) with ESMTP id A1 for <u@relay.example>; date",
        ],
    ),
    standard(
        "Proofpoint",
        &["from {helo} ({name} [{peer}]) by mx.relay.example (PPS) with ESMTPS id 4a; date"],
    ),
    standard(
        "Mimecast",
        &["from {helo} ({name} [{peer}]) by mx.relay.example with ESMTP with STARTTLS (version=TLSv1.3, \
           cipher=TLS_AES_256_GCM_SHA384) id relay-1; date"],
    ),
];

/// Whether the text between `from` and `by` shows any address.
pub(super) fn shows_address(from: &str) -> bool {
    segments(from).iter().any(Segment::shows_address)
}

/// Finds the texts of all marks [`FormMark::Host`] in one pass.
struct HostMarks {
    automaton: AhoCorasick,
    /// The index of the form that each text belongs to.
    forms: Vec<usize>,
}

static HOST_MARKS: LazyLock<HostMarks> = LazyLock::new(|| {
    let texts = RECEIVED_FORMS.iter().enumerate().flat_map(|(form, row)| {
        let texts = if let FormMark::Host(texts) = row.mark { texts } else { &[] };
        texts.iter().map(move |text| (*text, form))
    });
    let (texts, forms): (Vec<&str>, Vec<usize>) = texts.unzip();
    let automaton = AhoCorasick::new(texts).expect("the marks are few and short");
    HostMarks { automaton, forms }
});

impl HostMarks {
    /// The first form whose text stands after `by`.
    fn first(&self, by: &str) -> Option<usize> {
        let found = self.automaton.find_overlapping_iter(by);
        found.map(|text| self.forms[text.pattern().as_usize()]).min()
    }
}

/// The client's address, which the receiving host wrote. `from` is the text between `from` and
/// `by`, and `by` is the text after `by` in lower case.
pub(super) fn client_address(from: &str, by: &str) -> Option<IpAddr> {
    let segments = segments(from);
    let by_host = HOST_MARKS.first(by).unwrap_or(RECEIVED_FORMS.len());
    let fits = |(at, form): &(usize, &ReceivedForm)| *at == by_host || form.mark.fits(&segments, by);
    let form = RECEIVED_FORMS.iter().enumerate().find(fits);
    form.map_or(AddressPlace::Comment, |(_, form)| form.place).address(&segments)
}

impl FormMark {
    /// Whether a mark other than [`FormMark::Host`] fits.
    fn fits(&self, segments: &[Segment<'_>], by: &str) -> bool {
        match self {
            FormMark::LiteralAlone => {
                begins_with_literal(segments) && segments.get(1).is_none_or(Segment::is_about_tls)
            }
            FormMark::LiteralWithFacts => {
                begins_with_literal(segments)
                    && matches!(segments, [_, facts] if facts.is_last() && facts.has_exim_facts())
            }
            FormMark::ProtocolLast => {
                holds(by, "with ") && by.split_ascii_whitespace().next_back().is_some_and(is_protocol)
            }
            FormMark::Host(_) | FormMark::Unmarked => false,
        }
    }
}

/// Whether an address in brackets is all that stands before the first comment.
fn begins_with_literal(segments: &[Segment<'_>]) -> bool {
    segments.first().is_some_and(|first| first.is_one_word() && first.first_literal().is_some())
}

/// Whether a word in lower case names a protocol by which MTAs take mail (RFC 3848, RFC 6531
/// §4.3).
fn is_protocol(word: &str) -> bool {
    let word = word.strip_prefix("utf8").unwrap_or(word);
    let word = word.strip_prefix('e').unwrap_or(word);
    ["smtp", "smtps", "smtpa", "smtpsa", "lmtp", "lmtps", "lmtpa", "lmtpsa", "qmqp"].contains(&word)
}
