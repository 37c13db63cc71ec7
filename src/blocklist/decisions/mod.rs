//! Directives: how the decisions of operators and donors take effect.

mod donors;
mod relays;
mod zones;

use super::Blocklist;
use super::changes::{EntryContext, ListChange};
use crate::digest::Digest;
use crate::evidence::Order;
use crate::trap::Trap;

impl Blocklist {
    /// Applies a directive.
    pub(super) fn directive(&mut self, order: &Order, turn: &mut EntryContext<'_>) {
        let now = self.state.time;
        match order {
            Order::AddDonor { donor } => {
                self.state.donors.insert(donor.clone());
                self.note(turn, "add-donor", "", donor.to_string());
                turn.change(ListChange::Traps);
            }
            Order::AddTrap { key, scope, domain, donor, silent_since } => {
                self.state.donors.insert(donor.clone());
                let silent_since = silent_since.map_or(now, |since| since.min(now));
                let (domain, donor) = (*domain, donor.clone());
                let (scope, retired, barred) = (*scope, None, false);
                let trap = Trap { scope, domain, donor, since: now, retired, silent_since, barred };
                self.state.traps.insert(*key, trap);
                turn.change(ListChange::Traps);
            }
            Order::SetDonor { donor, terms } => self.set_donor(donor, terms, turn),
            Order::AddTraps { donor, traps } => self.add_traps(donor, traps, turn),
            Order::RetireTraps { donor, keys } => self.retire_traps(donor, keys, turn),
            Order::SetTrapMail { domains } => {
                let known = domains.iter().filter(|said| self.state.traps.set_mail(said)).count();
                if known > 0 {
                    turn.change(ListChange::Traps);
                } else {
                    turn.ignore("no active trap lies in the domain");
                }
            }
            Order::RetireTrap { key } => {
                if self.state.traps.retire(*key, now, true) {
                    self.drop_pending(|pending| pending.trap == *key);
                    turn.change(ListChange::Traps);
                } else {
                    turn.ignore("no active trap has that key");
                }
            }
            Order::Remove { relay } => self.remove(*relay, turn),
            Order::RemoveOnRequest { relay, network } => self.remove_on_request(*relay, *network, turn),
            Order::SetTrapKey { fingerprint } => self.set_trap_key(*fingerprint, turn),
            Order::AdoptZone { origin, text } => self.adopt(origin, text, turn),
            Order::WithdrawZone { origin } => self.withdraw(origin, turn),
            Order::Exempt { prefix, review_by } => self.exempt(*prefix, *review_by, turn),
            Order::EndExemption { prefix } => {
                if self.state.exemptions.remove(prefix).is_some() {
                    self.note(turn, "end-exemption", "", prefix.to_string());
                    turn.change(ListChange::Decided);
                } else {
                    turn.ignore("the prefix is not exempt");
                }
            }
            Order::List { origin, prefix, code, until } => {
                self.list(origin, *prefix, *code, *until, turn);
            }
            Order::DismissDonor { donor } => self.dismiss_donor(donor, turn),
            Order::Void { source, since } => self.void(source, *since, turn),
            Order::Freeze => {
                self.state.frozen = true;
                self.note(turn, "freeze", "", String::new());
                turn.change(ListChange::Decided);
            }
            Order::Release => self.release(turn),
            Order::ShutDown { origin } => self.set_shut_down(origin, true, turn),
            Order::Reopen { origin } => self.set_shut_down(origin, false, turn),
            Order::CountGoodMail { relay, donor, messages } => {
                self.count_good_mail(*relay, donor, *messages, turn);
            }
        }
    }
    fn set_trap_key(&mut self, fingerprint: Digest, turn: &mut EntryContext<'_>) {
        match self.state.trap_key {
            Some(known) if known == fingerprint => turn.ignore("the key is known already"),
            Some(_) => turn.ignore("the traps are hashed under another key"),
            None => {
                self.state.trap_key = Some(fingerprint);
                self.note(turn, "set-trap-key", "", fingerprint.to_string());
                turn.change(ListChange::Decided);
            }
        }
    }
}
