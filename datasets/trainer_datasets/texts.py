"""Texts for small language models: what follows each character?"""

from __future__ import annotations

import math

import numpy as np

from trainer.data import Dataset
from trainer.data.readers.text_file import Unit, windows
from trainer.errors import DataError

__all__ = ["grammar", "grammar_entropy", "sonnets"]

# Each kind of word, equally likely; all that is free in a sentence besides is whether the object has an adjective.
DETERMINERS = ("a", "the")
ADJECTIVES = ("big", "old", "red", "shy")
NOUNS = ("bird", "cat", "dog", "fox", "hen", "owl", "pig", "rat")
VERBS = ("bites", "finds", "hears", "sees")


def sonnets(*, unit: Unit = "characters", length: int = 64, stride: int | None = None) -> Dataset:
    """Shakespeare's sonnets, 30 of them: at each position, which character follows?

    unit: "characters", or "bytes" with 256 classes. length: positions per row. stride: from one row to the next;
    by default rows only touch.
    Source: W. Shakespeare, *Sonnets* (1609), in modern spelling; in the public domain.
    """
    from importlib.resources import files  # imports a good deal more

    text = files("trainer_datasets").joinpath("sonnets.txt").read_text(encoding="utf-8")
    return windows("sonnets", text, unit=unit, length=length, stride=stride, description="30 sonnets of Shakespeare's")


def grammar(*, rng: np.random.Generator, sentences: int = 2000, length: int = 64, stride: int | None = None) -> Dataset:
    """Sentences of a small grammar, such as "the old cat sees a dog.": at each position, which character follows?

    A sentence is DETERMINER ADJECTIVE NOUN VERB DETERMINER NOUN or, every other time, has one more ADJECTIVE before the
    last NOUN; every word of a kind is equally likely. The entropy is known, `grammar_entropy()` in nats per character,
    so that a language model can be held to the best cross-entropy that there is, but for what it cannot see before a
    row begins.

    sentences: how many. length: positions per row. stride: from one row to the next; by default rows only touch.

    >>> grammar(rng=np.random.default_rng(0))
    Dataset 'grammar': 844 rows, inputs (64,), classification of 22 classes
    """
    if sentences < 1:
        raise DataError(f"grammar: {sentences} sentences are too few; there is nothing to learn from")
    text = "".join(_sentence(rng) for _ in range(sentences))
    what = f"Sentences of a grammar of entropy {grammar_entropy():.4f} nats per character"
    return windows("grammar", text, length=length, stride=stride, description=what)


def grammar_entropy() -> float:
    """The entropy of `grammar`'s text in nats per character: that of a sentence by its mean length.

    A sentence can be told from its characters, so the two entropies are the same, and sentences are independent.

    >>> round(grammar_entropy(), 4)
    0.3594
    """
    kinds = (DETERMINERS, ADJECTIVES, NOUNS, VERBS, DETERMINERS, NOUNS)
    nats = sum(math.log(len(kind)) for kind in kinds) + math.log(2) + math.log(len(ADJECTIVES)) / 2
    characters = sum(_mean_length(kind) + 1 for kind in kinds) + (_mean_length(ADJECTIVES) + 1) / 2 + 1
    return nats / characters


def _mean_length(words: tuple[str, ...]) -> float:
    return sum(map(len, words)) / len(words)


def _sentence(rng: np.random.Generator) -> str:
    kinds = [DETERMINERS, ADJECTIVES, NOUNS, VERBS, DETERMINERS, NOUNS]
    if rng.integers(2):
        kinds.insert(5, ADJECTIVES)
    return " ".join(kind[rng.integers(len(kind))] for kind in kinds) + ".\n"
