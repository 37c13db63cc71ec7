//! Phrases of the sentences before an address, in the languages of the reports.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

/// Where the last phrase of each sort begins in a sentence, in octets.
#[derive(Default)]
pub(super) struct LastPhrases {
    /// A phrase that invites the reader to write to an address.
    pub(super) invitation: Option<usize>,
    /// A word of a sentence that introduces failed recipients.
    pub(super) recipients: Option<usize>,
}

impl LastPhrases {
    /// Looks for the phrases in a sentence in lower case.
    pub(super) fn find(sentence: &str) -> Self {
        let mut last = LastPhrases::default();
        for phrase in PHRASES.find_overlapping_iter(sentence) {
            let invites = phrase.pattern().as_usize() < INVITATIONS.len();
            let place = if invites { &mut last.invitation } else { &mut last.recipients };
            *place = (*place).max(Some(phrase.start()));
        }
        last
    }
}

/// The automaton of [`INVITATIONS`] and, after them, [`RECIPIENT_WORDS`].
static PHRASES: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasickBuilder::new()
        .kind(Some(AhoCorasickKind::DFA))
        .build(INVITATIONS.iter().chain(RECIPIENT_WORDS))
        .expect("the phrases are few and short enough for an automaton")
});

/// Phrases that invite the reader to write to an address, in lower case.
const INVITATIONS: &[&str] = &[
    // English
    "please contact",
    "contact us",
    "contact me",
    "contact your",
    "contact our",
    "contact the",
    "contact:",
    "contact is",
    "assistance",
    "need help",
    "for help",
    "more help",
    "please send",
    "please write to",
    "write to us",
    "send mail to",
    "send a mail to",
    "send an email to",
    "send e-mail to",
    "questions",
    "report this to",
    "in case of problems",
    // German
    "wenden sie sich",
    "kontaktieren sie",
    "kontakt:",
    "nehmen sie kontakt",
    "schreiben sie",
    "bei fragen",
    "rückfragen",
    "bei problemen",
    "für hilfe",
    "hilfe benötigen",
    "hilfe brauchen",
    // French
    "contactez",
    "veuillez contacter",
    "merci de contacter",
    "écrivez",
    "adressez-vous",
    "besoin d'aide",
    "pour toute question",
    "obtenir de l'aide",
    // Spanish
    "en contacto con",
    "contacte con",
    "contacte a",
    "escriba a",
    "escríbanos",
    "diríjase a",
    "necesita ayuda",
    "obtener ayuda",
    "si tiene preguntas",
    "si tiene dudas",
    // Portuguese
    "em contato com",
    "em contacto com",
    "contate o",
    "contacte o",
    "escreva para",
    "precisar de ajuda",
    "precisa de ajuda",
    "obter ajuda",
    "em caso de dúvida",
    // Italian
    "si prega di contattare",
    "contatta ",
    "contattate",
    "scrivi a",
    "scrivere a",
    "scriva a",
    "rivolgersi a",
    "bisogno di aiuto",
    "per assistenza",
    // Dutch
    "neem contact",
    "neemt u contact",
    "hulp nodig",
    "schrijf naar",
    "bij vragen",
    "heeft u vragen",
    "hebt u vragen",
    // Polish
    "skontaktuj",
    "prosimy o kontakt",
    "napisz do",
    "napisz na",
    "w razie pytań",
    "potrzebujesz pomocy",
    // Russian
    "обратитесь",
    "обращайтесь",
    "свяжитесь",
    "напишите",
    "пишите",
    "нужна помощь",
    "за помощью",
    "по вопросам",
    // Japanese
    "問い合わせ",
    "問い合せ",
    "問合せ",
    "連絡先",
    "ご連絡",
    // Chinese
    "请联系",
    "請聯絡",
    "請聯繫",
    "请与",
    "請與",
    "如需帮助",
    "如需協助",
    "如有疑问",
    "如有疑問",
    "如有问题",
    "如有問題",
    // Korean
    "문의",
    "연락하",
    "연락 주",
    "도움이 필요",
    // Turkish
    "iletişime geç",
    "bize yaz",
    "başvurun",
    "yardım için",
    "yardıma ihtiya",
    // Swedish
    "vänligen kontakta",
    "kontakta oss",
    "kontakta din",
    "behöver hjälp",
    "skriv till",
    "vid frågor",
    // Danish and Norwegian
    "kontakt venligst",
    "vennligst kontakt",
    "ta kontakt",
    "kontakt os",
    "brug for hjælp",
    "trenger hjelp",
    "trenger du hjelp",
    "skriv til",
    "spørgsmål",
    "spørsmål",
    "henvend dig",
];

/// Words of a sentence that introduces failed recipients, in lower case. Most are the beginnings
/// of words.
const RECIPIENT_WORDS: &[&str] = &[
    // English
    "recipient",
    "deliver",
    "failed",
    "failing",
    "unknown user",
    "user unknown",
    "following addresses",
    "address(es)",
    "rcpt to",
    // German
    "empfänger",
    "zugestellt",
    "zustell",
    // French
    "destinatair",
    "remis",
    "distribu",
    // Spanish, Portuguese and Italian
    "destinat",
    "entreg",
    "consegn",
    "recapit",
    // Dutch
    "ontvanger",
    "geadresseerde",
    "bezorg",
    "aflever",
    // Polish
    "odbiorc",
    "adresat",
    "dostarcz",
    // Russian
    "адресат",
    "получател",
    "достав",
    // Japanese
    "宛先",
    "受信者",
    "配信",
    "配達",
    "送信でき",
    "届け",
    // Chinese
    "收件人",
    "送达",
    "送達",
    "投递",
    "投遞",
    "发送",
    "傳送",
    "寄達",
    // Korean
    "받는",
    "수신",
    "배달",
    "전송",
    "전달",
    // Turkish
    "alıcı",
    "teslim",
    "iletilem",
    "ulaştır",
    // Swedish, Danish and Norwegian
    "mottagar",
    "modtager",
    "mottaker",
    "lever",
];
