"""What the robots say."""

from __future__ import annotations

NAMES = (
    "Alba", "Benno", "Cleo", "Dario", "Elin", "Fenn", "Greta", "Hugo", "Iris", "Jonas", "Kaia", "Levi", "Mira", "Nils",
    "Orla", "Pavel", "Quill", "Rosa", "Sami", "Tilda", "Ugo", "Vera", "Wren", "Xeno", "Yara", "Zeno", "Ava", "Bela",
    "Cato", "Dora", "Emil", "Frida", "Gus", "Hedi",
)  # fmt: skip
OPENINGS = (
    "Hello! Is the Glowmoth night light safe for a nursery?",
    "My kettle arrived today. How do I descale it the first time?",
    "Can I still change the engraving on my mug?",
    "Which kettle is best for loose leaf tea?",
    "I would like to send something back. How does that work?",
    "Do you ship to Norway, and how long does it take?",
    "The code from the leaflet does not work at checkout.",
    "Is there a discount for ten mugs?",
    "Wo finde ich die Rechnung zu meiner Bestellung?",
    "Hallo, passt der Deckel vom alten Kessel auf den neuen?",
    "¿Hacéis envíos a Canarias?",
    "Bonjour, les gouttes contiennent-elles de la lanoline ?",
)
ANSWERS = (
    "Hello, good that you ask. Let me look that up for you.",
    "Hi! Yes, that works. Would you tell me your order number?",
    "Thank you for waiting. I found it: that takes three working days.",
    "Good question. It is fine, and I have put a note in your order.",
    "I have written to the workshop and will tell you what they say.",
)
REPLIES = (
    "Oh, brilliant, thank you.",
    "It is BW-2044, I think.",
    "And would that cost extra?",
    "Good to know. I will try that tonight.",
    "Could you send it as a gift, please?",
)
GOODBYES = ("Perfect, that is all I needed.", "Thanks, have a lovely day.", "Super, danke!")
