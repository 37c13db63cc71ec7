//! Puts the list's questions to the relays' sides.

use super::answers::{SideQuestion, answer};
use super::attackers::AttackMethod;
use super::running::SimulationRun;
use crate::blocklist::VerificationQuestion;
use crate::evidence::{ASK_AGAIN_AFTER, Entry, RecordedEntry, Verification, VerificationAnswer};
use crate::relay::{Prefix, Relay};

impl SimulationRun<'_> {
    /// Puts the open questions to the relays' sides, each at most once a day.
    pub(super) fn verify(&mut self, taken: &mut impl FnMut(&RecordedEntry)) {
        let due = |question: &VerificationQuestion| {
            question.asked.is_none_or(|asked| self.now.since(asked) >= ASK_AGAIN_AFTER)
        };
        let mut answered = Vec::new();
        for prefix in self.blocklist.questioned() {
            let Some(number) = self.number_at(prefix) else { continue };
            for question in self.blocklist.questions(prefix).iter().filter(|question| due(question)) {
                answered.extend(self.answered(number, question).map(|answer| (number, answer)));
            }
        }
        for (number, verification) in answered {
            let known = self.sides.entry(number).or_default();
            known.is_decided |= verification.answer != VerificationAnswer::NoAnswer;
            known.is_vetoed |= verification.answer.is_veto();
            self.take(Entry::Verification(Box::new(verification)), taken);
        }
    }

    /// The answer of a relay's side to a question.
    fn answered(&self, number: u32, question: &VerificationQuestion) -> Option<Verification> {
        let domain = self.domains.get(&question.domain)?;
        let actor = self.actors.get(number as usize)?;
        let asked = SideQuestion {
            number,
            actor,
            spec: &self.setup.world.relays[usize::from(actor.row)],
            domain,
            side: question.side,
            is_repeated: question.asked.is_some(),
            at: u64::try_from(self.now.since(self.setup.world.start).milliseconds()).unwrap_or(0),
        };
        let answer = answer(&asked, |attacker| self.method_of(attacker));
        let relay = Relay::new(actor.address);
        Some(Verification::new(relay, domain.clone(), question.side, (answer, answer.name()), self.now))
    }

    /// What an attacker does, by his number.
    fn method_of(&self, attacker: u32) -> Option<AttackMethod> {
        let attacker = self.attackers.iter().find(|of| of.attack.attacker == attacker)?;
        self.setup.world.attackers.get(usize::from(attacker.attack.row)).map(|spec| spec.method)
    }

    /// The number of the relay with an address.
    fn number_at(&self, prefix: Prefix) -> Option<u32> {
        let near = self.by_prefix.get(&Relay::new(prefix.network()).line())?;
        near.iter().copied().find(|&number| self.actors[number as usize].address == prefix.network())
    }
}
