//! The lines of donors' MTA logs that report a rejected transaction.

use ipnet::IpNet;

use super::submissions::SubmissionOutcome;
use super::{Intake, trap_named};
use crate::classify;
use crate::digest::Digester;
use crate::evidence::{Entry, Evidence, EvidenceParts};
use crate::mail::{LoggedRejection, ReversePath};
use crate::relay::Relay;
use crate::time::Timestamp;
use crate::transaction::{Client, IntakeOutcome, Transaction};
use crate::trap::Donor;

impl Intake {
    /// Takes in a line of a donor's MTA log that reports a rejected transaction from the null
    /// reverse-path to a trap. A repeated line is stored once.
    pub async fn logged(
        &self,
        donor: &Donor,
        line: &str,
        rejected: &LoggedRejection,
        seen_at: Timestamp,
    ) -> SubmissionOutcome {
        if !self.is_trap_of(donor, &rejected.recipient) {
            return SubmissionOutcome::NoTrap;
        }
        // Hosts that carry mail for the donor or for this system are not judged.
        let terms = self.donors.load().get(donor).map(|record| record.terms.clone()).unwrap_or_default();
        let client = Relay::new(rejected.client);
        let ours = |network: &IpNet| network.contains(&client.address());
        if client.address().is_loopback() || terms.has_relay(client) || self.trusted_relays.iter().any(ours) {
            return SubmissionOutcome::Unattributed;
        }
        let mut digester = Digester::default();
        digester.add(b"log line").add(donor.as_str().as_bytes()).add(line.as_bytes());
        let id = digester.digest();
        let transaction = Transaction {
            traps: vec![rejected.recipient.clone()],
            ..Transaction::new(seen_at, Client::Relay(client), rejected.helo.clone(), ReversePath::Null)
        };
        let verdict = classify::null_rejected();
        let trap = trap_named(&rejected.recipient);
        let parts = EvidenceParts {
            id,
            transaction: &transaction,
            relay: client,
            trap: &trap,
            wider: self.wider(&trap, Some(donor)),
            verdict: &verdict,
            report: None,
            forwarded_by: Some(donor.clone()),
            node: &self.node,
        };
        let evidence = Evidence::of(parts, self.keys.hasher());
        match self.append(Entry::Evidence(Box::new(evidence)).into(), verdict.kind, id).await {
            IntakeOutcome::Durable { .. } => {
                SubmissionOutcome::Durable { receipt: self.keys.hasher().receipt(donor, id) }
            }
            IntakeOutcome::Later => SubmissionOutcome::Later,
        }
    }
}
