//! The beginnings of the subjects of automatic replies.
//!
//! Exchange and Microsoft 365 write them in the language of the responder's mailbox. In languages
//! with another alphabet than the Latin one, letters match in one case only, so the phrase begins
//! at the second letter.

/// Subjects of automatic replies that a program wrote because the responder is away.
pub(super) const SUBJECTS: &[&str] = &[
    // English
    "automatic reply",
    "automatic response",
    "automated reply",
    "automated response",
    "out of office",
    "out of the office",
    "out-of-office",
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "auto-response",
    "autoresponse",
    "away from my mail",
    // German
    "automatische antwort",
    "abwesenheit",
    "abwesend:",
    // French
    "réponse automatique",
    "absence du bureau",
    "absent du bureau",
    // Spanish, Catalan, Galician and Basque
    "respuesta automática",
    "fuera de la oficina",
    "fuera de oficina",
    "resposta automàtica",
    "erantzun automatikoa",
    // Portuguese, and Galician
    "resposta automática",
    "fora do escritório",
    "ausência temporária",
    // Italian
    "risposta automatica",
    "fuori sede",
    // Dutch and Afrikaans
    "automatisch antwoord",
    "afwezig:",
    "outomatiese antwoord",
    // Swedish, Danish, Norwegian and Icelandic
    "autosvar",
    "automatiskt svar",
    "automatisk svar",
    "frånvaro",
    "ikke til stede:",
    "sjálfvirkt svar",
    // Finnish
    "automaattinen vastaus",
    "poissa:",
    // Polish, Czech, Slovak and Slovenian
    "automatyczna odpowiedź",
    "automatická odpověď",
    "automatická odpoveď",
    "samodejni odgovor",
    // Croatian, Bosnian and Serbian
    "automatski odgovor",
    "утоматски одговор",
    // Hungarian and Romanian
    "automatikus válasz",
    "răspuns automat",
    // Estonian, Latvian and Lithuanian
    "automaatvastus",
    "automātiska atbilde",
    "automatinis atsakymas",
    // Russian, Ukrainian, Bulgarian, Macedonian and Kazakh
    "втоматический ответ",
    "втоответ",
    "втоматична відповідь",
    "втоматичен отговор",
    "втоматски одговор",
    "втоматты жауап",
    // Greek
    "υτόματη απάντηση",
    // Turkish and Azerbaijani
    "otomatik yanıt",
    "avtomatik cavab",
    // Arabic, Persian and Hebrew
    "رد تلقائي",
    "الرد التلقائي",
    "پاسخ خودکار",
    "תשובה אוטומטית",
    "מענה אוטומטי",
    // Hindi and Thai
    "स्वचालित उत्तर",
    "ตอบกลับอัตโนมัติ",
    // Vietnamese, Indonesian, Malay and Filipino
    "trả lời tự động",
    "balasan otomatis",
    "balasan automatik",
    "awtomatikong tugon",
    // Japanese, Chinese and Korean
    "自動応答",
    "自動返信",
    "自动回复",
    "自动答复",
    "自動回覆",
    "自動回復",
    "자동 회신",
    "자동 응답",
    // Welsh and Irish
    "ateb awtomatig",
    "freagra uathoibríoch",
];
