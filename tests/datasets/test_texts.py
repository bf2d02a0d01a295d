"""Texts for language models."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
import pytest

from trainer.data.readers.text_file import decode
from trainer.errors import DataError
from trainer_datasets import grammar, grammar_entropy, sonnets


def test_sonnets_are_thirty_of_fourteen_lines() -> None:
    dataset = sonnets(length=1000, stride=1000)
    assert decode(dataset.inputs[0], dataset.class_names).startswith("From fairest creatures we desire increase,\n")
    everything = sonnets(length=64)
    text = decode(everything.inputs, everything.class_names)
    poems = text.split("\n\n")
    assert len(poems) == 30
    assert all(len(poem.splitlines()) == 14 for poem in poems[:-1])


def test_sonnets_come_as_bytes_too() -> None:
    assert len(sonnets(unit="bytes").class_names) == 256


def test_grammar_follows_its_rules() -> None:
    dataset = grammar(rng=np.random.default_rng(0))
    text = decode(dataset.inputs, dataset.class_names)
    d, a, n = "(a|the)", "(big|old|red|shy)", "(bird|cat|dog|fox|hen|owl|pig|rat)"
    sentence = re.compile(f"{d} {a} {n} (bites|finds|hears|sees) {d} ({a} )?{n}[.]")
    sentences = text.split("\n")[:-1]
    assert all(sentence.fullmatch(line) for line in sentences)


def test_the_entropy_of_the_grammar_is_that_of_its_sentences() -> None:
    # The logarithm of the number of sentences of each of the two forms, and the coin that chooses the form.
    short, long = 2 * 4 * 8 * 4 * 2 * 8, 2 * 4 * 8 * 4 * 2 * 4 * 8
    nats = math.log(2) + (math.log(short) + math.log(long)) / 2
    dataset = grammar(rng=np.random.default_rng(1), sentences=20_000)
    text = decode(dataset.inputs, dataset.class_names)
    lengths = [len(line) + 1 for line in text.split("\n")[:-1]]
    np.testing.assert_allclose(grammar_entropy(), nats / np.mean(lengths), rtol=2e-3)
    assert f"{grammar_entropy():.4f} nats" in dataset.description
    # No short context knows more than the grammar: characters given the twelve before them have no less entropy.
    pairs = Counter(text[i : i + 13] for i in range(len(text) - 13))
    contexts = Counter(text[i : i + 12] for i in range(len(text) - 13))
    conditional = -sum(c * math.log(c / contexts[p[:12]]) for p, c in pairs.items()) / sum(pairs.values())
    np.testing.assert_allclose(conditional, grammar_entropy(), rtol=0.05)


def test_a_grammar_without_sentences_is_refused() -> None:
    with pytest.raises(DataError, match=r"^grammar: 0 sentences are too few; there is nothing to learn from$"):
        grammar(rng=np.random.default_rng(0), sentences=0)
