//! Verification: before a relay is listed in the main zone, its side is asked whether it refuses
//! recipients that do not exist.
//!
//! A veto excludes the reports about its domain from every case under a code of the main zone. The other
//! reports lead to a listing there only if the relay's side takes all recipients of their domains.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::Blocklist;
use super::answers::RelayAnswer;
use super::changes::{EntryContext, ListChange, RecordChange};
use super::judging::GuardCheck;
use super::published::records_of;
use super::question_domains::{QUESTIONS_MAX, QuestionDomains, commonest};
use super::state::ZoneState;
use crate::evidence::{ASKED_HOSTS_MAX, AskedHost, AskedSide, Offset, Verification, VerificationAnswer};
use crate::listing::{Listing, ListingEnd};
use crate::relay::Prefix;
use crate::score::{Case, CountedReport, VerificationMode, VerifiedDomains, is_made, short_domain};
use crate::time::{Span, Timestamp};
use crate::zone;

/// How long the answer that a host takes all recipients, or must not be asked, lets reports count. It
/// says nothing of what the host does later.
const TAKES_ALL_HOLDS: Span = Span::from_days(2);
/// The maximum number of domains of one relay whose answers are kept. The oldest answer gives way.
const DOMAINS_MAX: usize = 32;
/// The maximum number of entries by which a question names the evidence about its domain.
const QUESTION_EVIDENCE_MAX: usize = 8;

/// A question that is to be put to a relay's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationQuestion {
    /// Short digest of the domain.
    pub domain: u64,
    /// The hosts to ask.
    pub side: AskedSide,
    /// Entries with evidence about failed recipients in that domain. The entries name the domains.
    pub evidence: Vec<Offset>,
    /// The domain, if the relay's side was asked about it before.
    pub name: Option<String>,
    /// When the relay's side was last asked about the domain.
    pub asked: Option<Timestamp>,
}

impl Blocklist {
    /// Applies an answer: judges the relay again, or ends its listings if it has been repaired.
    pub(super) fn verification(&mut self, verification: &Verification, turn: &mut EntryContext<'_>) {
        let (prefix, now) = (Prefix::host(verification.relay), self.state.time);
        let domain = short_domain(&verification.domain);
        self.make_answer_room(prefix, domain);
        // A host may have been asked for another relay within the last day.
        let answered = verification.given_at(now);
        let given = RelayAnswer {
            domain: verification.domain.clone(),
            answer: verification.answer,
            answered,
            entry: self.state.offset,
            asked: answered,
            reply: verification.reply.clone(),
            sessions: verification.sessions.iter().take(ASKED_HOSTS_MAX).cloned().collect(),
        };
        let none = || RelayAnswer { answer: VerificationAnswer::NoAnswer, ..given.clone() };
        let known = self.state.answers.entry((prefix, domain)).or_insert_with(none);
        known.asked = given.asked;
        known.sessions.clone_from(&given.sessions);
        // Only an answer of the relay's side takes back a veto.
        let is_answer = match verification.answer {
            VerificationAnswer::NoAnswer => false,
            VerificationAnswer::OptedOut => !known.answer.is_veto(),
            _ => true,
        };
        if is_answer {
            *known = given;
        }
        turn.changes.relays.insert(prefix);
        turn.change(ListChange::Verified { relay: verification.relay, answer: verification.answer });
        let verified: Vec<(String, u8)> = self
            .zones
            .iter()
            .flat_map(|(origin, zone)| {
                let main = zone.config.codes.iter().filter(|code| code.main);
                main.map(|code| (origin.clone(), code.value)).collect::<Vec<_>>()
            })
            .collect();
        for (origin, code) in verified {
            if !self.end_if_repaired(&origin, prefix, code, turn) {
                self.judge_code(&origin, prefix, code, GuardCheck::Guarded, turn);
            }
        }
    }

    /// Ends a listing if the relay's side has begun to refuse unknown recipients in every domain that
    /// the listing stands on. Returns whether the listing ended.
    fn end_if_repaired(
        &mut self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        turn: &mut EntryContext<'_>,
    ) -> bool {
        let record = self.state.zones.get(origin).and_then(|zone| zone.records.get(&(prefix, code)));
        let Some(listing) = record.and_then(|record| record.current.as_ref()) else { return false };
        let refuses = |domain: &u64| {
            self.state
                .answers
                .get(&(prefix, *domain))
                .is_some_and(|known| known.answer == VerificationAnswer::RefusesUnknown)
        };
        let domains = self.asked_again(origin, prefix, code, listing);
        if domains.is_empty() || !domains.iter().all(refuses) {
            return false;
        }
        let now = self.state.time;
        self.change_record(origin, prefix, code, turn, |record| {
            record.end(now, ListingEnd::Repaired).map(|_| RecordChange::Ended(ListingEnd::Repaired))
        });
        true
    }

    /// The domains, as short digests, in which the relay's side refuses unknown recipients. A veto holds
    /// for the horizon of the policy.
    pub(super) fn vetoes(&self, prefix: Prefix, horizon: Span) -> Vec<u64> {
        let now = self.state.time;
        let vetoes = self.answers_of(prefix).filter(|(_, known)| known.vetoes(now, horizon));
        vetoes.map(|(domain, _)| domain).collect()
    }

    /// The domains in which the relay's side takes all recipients, for a case that was complete at `at`: now,
    /// or when its listing was held. An answer of the two days before counts, and so does each later one.
    pub(super) fn verified(&self, prefix: Prefix, mode: VerificationMode, at: Timestamp) -> VerifiedDomains {
        let oldest = at.minus(TAKES_ALL_HOLDS);
        let with = |answer: VerificationAnswer| {
            let fresh = self.answers_of(prefix);
            let fresh = fresh.filter(|(_, known)| known.answer == answer && known.answered >= oldest);
            fresh.map(|(domain, _)| domain).collect()
        };
        VerifiedDomains::new(mode, with(VerificationAnswer::TakesAll), with(VerificationAnswer::OptedOut))
    }

    /// The last answers of a relay's side, by short digest of the domain.
    pub(super) fn answers_of(&self, prefix: Prefix) -> impl Iterator<Item = (u64, &RelayAnswer)> {
        let of_relay = self.state.answers.range((prefix, 0)..=(prefix, u64::MAX));
        of_relay.map(|((_, domain), known)| (*domain, known))
    }

    /// Records that a complete case waits for the answer of the relay's side.
    pub(super) fn await_answer(
        &mut self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        turn: &mut EntryContext<'_>,
    ) {
        let domains = self.question_domains(origin, prefix, code).unwrap_or_default();
        let Some(zone) = self.state.zones.get_mut(origin) else { return };
        turn.changes.relays.insert(prefix);
        if zone.unverified.insert((prefix, code), domains).is_none() {
            turn.change(ListChange::Unverified { origin: origin.to_owned(), relay: prefix, code });
        }
    }

    /// The domains that the relay's side is asked about for a complete case.
    fn question_domains(&self, origin: &str, prefix: Prefix, code: u8) -> Option<QuestionDomains> {
        let (case, _) = self.complete_case(origin, prefix, code)?;
        let (_, quorum) = self.zones.get(origin)?.config.quorum(code)?;
        let now = self.state.time;
        let before = self.state.zones.get(origin)?.unverified.get(&(prefix, code)).cloned();
        let was_asked = |domain| self.state.answers.contains_key(&(prefix, domain));
        Some(match before {
            Some(before) => before.after(&case, quorum, now, was_asked),
            None => QuestionDomains::of(&case, quorum, now),
        })
    }

    /// Records that a case does not wait for an answer.
    pub(super) fn await_no_answer(&mut self, origin: &str, prefix: Prefix, code: u8) {
        if let Some(zone) = self.state.zones.get_mut(origin) {
            zone.unverified.remove(&(prefix, code));
        }
    }

    /// The sessions with hosts of relays' sides since a time, each with the domain that it was about.
    pub fn sessions_since<'a>(&'a self, oldest: Timestamp) -> impl Iterator<Item = (&'a str, &'a AskedHost)> {
        let of_answer = |known: &'a RelayAnswer| {
            known.sessions.iter().map(move |session| (known.domain.as_str(), session))
        };
        let sessions = self.state.answers.values().flat_map(of_answer);
        sessions.filter(move |(_, session)| session.ended >= oldest)
    }

    /// The relays about which there are questions: those with a complete case that waits for an answer,
    /// those whose listing is held, and those that are listed.
    pub fn questioned(&self) -> impl Iterator<Item = Prefix> {
        let of = |zone: &ZoneState| {
            let waiting = zone.unverified.keys().map(|(prefix, _)| *prefix);
            let held = zone.guard.held.iter().map(|(prefix, _, _)| prefix);
            let listed = zone.records.iter().filter(|(_, record)| {
                record.current.as_ref().is_some_and(|listing| !verified_domains(listing).is_empty())
            });
            waiting.chain(held).chain(listed.map(|((prefix, _), _)| *prefix)).collect::<BTreeSet<_>>()
        };
        self.state.zones.values().flat_map(of).collect::<BTreeSet<_>>().into_iter()
    }

    /// The questions that are to be put to a relay's side now or later: about the fixed domains of
    /// its complete cases that no answer covers, and again about the commonest domains that its listings
    /// stand on, also while they are held.
    pub fn questions(&self, prefix: Prefix) -> Vec<VerificationQuestion> {
        let mut questions: BTreeMap<u64, VerificationQuestion> = BTreeMap::new();
        for (origin, zone) in &self.state.zones {
            for ((_, code), domains) in zone.unverified.range((prefix, 0)..=(prefix, u8::MAX)) {
                self.ask_about_case(origin, prefix, *code, domains, &mut questions);
            }
            for (code, _) in zone.guard.held.of(prefix) {
                self.ask_about_held(origin, prefix, code, &mut questions);
            }
            for (code, record) in records_of(&zone.records, prefix) {
                if let Some(listing) = &record.current {
                    let domains = self.asked_again(origin, prefix, code, listing);
                    self.ask_again(prefix, &domains, &mut questions);
                }
            }
        }
        questions.into_values().collect()
    }

    fn ask_about_case(
        &self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        domains: &QuestionDomains,
        questions: &mut BTreeMap<u64, VerificationQuestion>,
    ) {
        let Some((case, verified)) = self.complete_case(origin, prefix, code) else { return };
        let mut commonest =
            commonest(&case.only(|mark| domains.contains(mark.domain) && !verified.permits(mark)));
        // Domains that gave no answer stand behind the others, so that they keep none of them away.
        commonest.sort_by_key(|(domain, _)| {
            let known = self.state.answers.get(&(prefix, *domain));
            known.is_some_and(|known| known.answer == VerificationAnswer::NoAnswer)
        });
        for (domain, marks) in commonest.into_iter().take(QUESTIONS_MAX) {
            questions.entry(domain).or_insert_with(|| self.question(prefix, domain, &marks));
        }
    }

    /// Asks again about the verified domains of a case whose listing is held, so that a repaired relay is
    /// not listed later.
    fn ask_about_held(
        &self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        questions: &mut BTreeMap<u64, VerificationQuestion>,
    ) {
        let Some((case, verified)) = self.complete_case(origin, prefix, code) else { return };
        let verified = case.only(|mark| verified.domains().contains(&mark.domain));
        let domains: Vec<u64> = commonest(&verified).into_iter().map(|(domain, _)| domain).collect();
        self.ask_again(prefix, &domains[..domains.len().min(QUESTIONS_MAX)], questions);
    }

    /// The case of a relay under a code without the reports that a veto excludes, and the answers that it
    /// needs. `None` if the case is not complete: evidence may have become too old while it waited; or if
    /// it needs no answers.
    fn complete_case(&self, origin: &str, prefix: Prefix, code: u8) -> Option<(Case<'_>, VerifiedDomains)> {
        let config = &self.zones.get(origin)?.config;
        let ((kinds, quorum), ledger) = (config.quorum(code)?, self.state.ledgers.get(&prefix)?);
        let hold = self.state.zones.get(origin).and_then(|zone| zone.guard.held.get(prefix, code));
        let at = hold.map_or(self.state.time, |hold| hold.at);
        let verified = self.needed_answers(config, prefix, code, at)?;
        let (window, policy) = (self.case_window(origin, prefix, code, kinds), &config.policy);
        let vetoes = self.vetoes(prefix, policy.horizon);
        let case = Case::open(ledger, &window, policy).only(|mark| !vetoes.contains(&mark.domain));
        is_made(&case, quorum).then_some((case, verified))
    }

    /// The answers that a case under a code needs, if the case was complete at `at`; `None` if it needs
    /// none.
    pub(super) fn needed_answers(
        &self,
        config: &zone::Config,
        prefix: Prefix,
        code: u8,
        at: Timestamp,
    ) -> Option<VerifiedDomains> {
        config.verifies(code).then(|| self.verified(prefix, config.policy.verification, at))
    }

    /// The domains of a listing that its relay's side is asked about again every day: the commonest of the
    /// listing's case. So the questions do not tell which report came last.
    fn asked_again(&self, origin: &str, prefix: Prefix, code: u8, listing: &Listing) -> Vec<u64> {
        let verified = verified_domains(listing);
        if verified.is_empty() {
            return Vec::new();
        }
        let mut reports: BTreeMap<u64, usize> = verified.iter().map(|&domain| (domain, 0)).collect();
        let config = self.zones.get(origin).map(|zone| &zone.config);
        let kinds = config.and_then(|config| Some((config, config.quorum(code)?.0)));
        if let (Some((config, kinds)), Some(ledger)) = (kinds, self.state.ledgers.get(&prefix)) {
            let case = Case::open(ledger, &listing.grounds.window(kinds), &config.policy);
            for mark in case.marks().iter().filter(|mark| listing.grounds.permits(mark)) {
                reports.entry(mark.domain).and_modify(|count| *count += 1);
            }
        }
        let mut domains: Vec<(u64, usize)> = reports.into_iter().collect();
        domains.sort_by_key(|&(domain, count)| (Reverse(count), domain));
        domains.into_iter().map(|(domain, _)| domain).take(QUESTIONS_MAX).collect()
    }

    fn ask_again(
        &self,
        prefix: Prefix,
        domains: &[u64],
        questions: &mut BTreeMap<u64, VerificationQuestion>,
    ) {
        let Some(ledger) = self.state.ledgers.get(&prefix) else { return };
        for &domain in domains {
            let marks: Vec<&CountedReport> =
                ledger.marks().iter().filter(|mark| mark.domain == domain).collect();
            questions.entry(domain).or_insert_with(|| self.question(prefix, domain, &marks));
        }
    }

    /// The question about a domain that these reports are about.
    fn question(&self, prefix: Prefix, domain: u64, marks: &[&CountedReport]) -> VerificationQuestion {
        let known = self.state.answers.get(&(prefix, domain));
        // The owner of a domain that lies beside the relay's name may be somebody else.
        let is_own = !marks.is_empty() && marks.iter().all(|mark| mark.is_of_own_name);
        VerificationQuestion {
            domain,
            side: if is_own { AskedSide::Exchangers } else { AskedSide::Relay },
            evidence: marks.iter().map(|mark| mark.offset).take(QUESTION_EVIDENCE_MAX).collect(),
            name: known.map(|known| known.domain.clone()),
            asked: known.map(|known| known.asked),
        }
    }

    /// Drops the oldest answer of a relay if there is no room for a further domain.
    fn make_answer_room(&mut self, prefix: Prefix, domain: u64) {
        let known = self.state.answers.contains_key(&(prefix, domain));
        if known || self.answers_of(prefix).count() < DOMAINS_MAX {
            return;
        }
        let oldest = self
            .answers_of(prefix)
            .min_by_key(|(_, known)| (known.answer.is_veto(), known.asked))
            .map(|(oldest, _)| oldest);
        if let Some(oldest) = oldest {
            self.state.answers.remove(&(prefix, oldest));
        }
    }

    /// Drops answers that no longer have any effect, and cases that no longer wait for one.
    pub(super) fn forget_answers(&mut self, oldest: Timestamp) {
        self.state.answers.retain(|_, known| known.asked >= oldest);
        let ledgers = &self.state.ledgers;
        for zone in self.state.zones.values_mut() {
            zone.unverified.retain(|(prefix, _), _| ledgers.contains_key(prefix));
        }
    }
}

/// The verified domains that a listing stands on, as short digests.
fn verified_domains(listing: &Listing) -> &[u64] {
    listing.grounds.verified.as_ref().map_or(&[], VerifiedDomains::domains)
}
