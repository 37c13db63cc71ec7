//! The known formats of reports and of other automatic mail, one file each.

mod amazon;
mod aol;
mod auto_reply;
mod auto_reply_subjects;
mod challenge;
mod content_notice;
mod disposition;
mod dmarc;
mod domino;
mod dragonfly;
mod exchange;
mod exim;
mod feedback;
mod general;
mod gmail;
mod groupwise;
mod imail;
pub(super) mod imitation;
mod interscan;
mod list_robot;
mod mdaemon;
mod mfilter;
mod mimecast;
mod mobile_carriers;
mod opensmtpd;
mod phquery;
mod postfix;
mod postmaster_notice;
mod qmail;
mod report_file;
mod rfc3464;
mod sendmail;
mod tls_report;
mod told;
mod x400;
mod yahoo;

use super::format::Format;

/// All formats, in the order in which they are asked. To add a format, add its file, its row, and
/// its samples.
pub const FORMATS: &[Format] = &[
    disposition::FORMAT,
    rfc3464::FORMAT,
    feedback::FORMAT,
    // A TLS report may have the subject and the name of file of a DMARC report.
    tls_report::FORMAT,
    dmarc::FORMAT,
    challenge::FORMAT,
    content_notice::FORMAT,
    list_robot::FORMAT,
    postmaster_notice::FORMAT,
    qmail::FORMAT,
    exim::FORMAT,
    postfix::FORMAT,
    sendmail::FORMAT,
    gmail::FORMAT,
    yahoo::FORMAT,
    exchange::FORMAT,
    domino::FORMAT,
    groupwise::FORMAT,
    imail::FORMAT,
    mdaemon::FORMAT,
    opensmtpd::FORMAT,
    dragonfly::FORMAT,
    mimecast::FORMAT,
    interscan::FORMAT,
    mfilter::FORMAT,
    mobile_carriers::FORMAT,
    amazon::FORMAT,
    x400::FORMAT,
    phquery::FORMAT,
    aol::FORMAT,
    general::FORMAT,
    auto_reply::FORMAT,
    imitation::FORMAT,
];
