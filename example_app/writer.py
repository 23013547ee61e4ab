"""The product: texts about any topic. They are canned, and their length is counted honestly.

The same topic, length and key always make the same text, so nothing has to be stored.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import random


@dataclasses.dataclass(frozen=True)
class Length:
    """A size of text to choose, in words."""

    key: str
    name: str
    words: int

    @property
    def tokens(self) -> int:
        """About how many tokens it costs."""
        return tokens_of(self.words)


@dataclasses.dataclass(frozen=True)
class Text:
    """A finished text and what it cost."""

    paragraphs: tuple[str, ...]
    words: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def tokens(self) -> int:
        """All tokens of the call."""
        return self.prompt_tokens + self.completion_tokens


LENGTHS = (
    Length("note", "Short note", 110),
    Length("article", "Article", 900),
    Length("document", "Long document", 15_000),
    Length("book", "Whole book", 178_500),
)

_OPENINGS = (
    "Most people meet {topic} by accident, and stay for a reason they can't name.",
    "There is an old rule about {topic}: begin with what you can see.",
    "Ask ten people about {topic} and you will get eleven answers.",
    "The first thing to know about {topic} is how little of it is new.",
    "Nobody plans to care about {topic}, and then one morning they do.",
)
_SENTENCES = (
    "It rewards patience more than talent, which is good news for nearly everybody.",
    "What looks like a detail from far away turns out to be the whole point up close.",
    "The useful question is not how much, but how often.",
    "A short list helps: keep what works, change one thing at a time, write down what happened.",
    "Those who do it well tend to talk about it plainly.",
    "You can spend a great deal on {topic}, and the difference is smaller than you'd hope.",
    "Start with the smallest version that could possibly be of use to someone.",
    "It helps to know the names of things, because names are how we ask for them.",
    "There is no shortcut, but there is a shorter way, and it begins earlier in the day.",
    "When in doubt, do the part that somebody is waiting for.",
    "The mistake is seldom the first step; it is the third, taken too quickly.",
    "Half of {topic} is deciding what to leave out.",
    "A good habit here is worth more than a good week.",
    "It is easier to show than to explain, so let us look at an example.",
    "Numbers are fine servants in this matter, as long as somebody reads them.",
    "None of this needs a meeting.",
    "If it feels complicated, it is probably two things that share one name.",
    "The people who came before left notes, and most of them are still right.",
    "A little slack in the plan is what keeps {topic} enjoyable.",
    "Look at it again tomorrow, and it will have told you what it needs.",
)
_CLOSINGS = (
    "That is enough for a start.",
    "The rest is practice.",
    "Come back to this in a month and see what has changed.",
    "And that, more than anything, is why {topic} is worth the trouble.",
)


def length(key: str) -> Length | None:
    """The length of that key, or None."""
    return next((known for known in LENGTHS if known.key == key), None)


def write(topic: str, size: Length, key: str) -> Text:
    """Write a text of at least the length's words."""
    paragraphs: list[str] = []
    words = 0

    for paragraph in _paragraphs(topic, key):
        paragraphs.append(paragraph)
        words += len(paragraph.split())

        if words >= size.words:
            break

    return Text(
        tuple(paragraphs),
        words,
        prompt_tokens=tokens_of(len(topic.split())),
        completion_tokens=tokens_of(words),
    )


def tokens_of(words: int) -> int:
    """Four tokens for three words, rounded up: what English text comes to on average."""
    return -(-words * 4 // 3)


def _paragraphs(topic: str, key: str) -> c.Iterator[str]:
    chance = random.Random(f"{topic}/{key}")  # noqa: S311  (a text is no secret)

    while True:
        middle = chance.sample(_SENTENCES, chance.randint(3, 6))
        sentences = [chance.choice(_OPENINGS), *middle]

        if chance.random() < 0.4:
            sentences.append(chance.choice(_CLOSINGS))

        yield " ".join(sentences).format(topic=topic)
