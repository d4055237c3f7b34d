"""Calls of an engine and prompts for them, for tests of what engines promise."""

from confspec_cli.core.messages import Message, Prompt, Sampling

QUESTION = "Is the last step correct? Answer Yes or No."
LABELS = ("Yes", "No")
PROMPTS = [
    "How many eggs are left?",
    "Count to ten, please.",
    "Why is the sky blue?",
    "Schreibe ein Gedicht über Züge 🚂",
    "What is 17 times 23?",
]


def asked(text, **more):
    return Prompt((Message("system", "Reason."), Message("user", text)), **more)


def written(engine, prompt, most=60, sampling=Sampling()):  # noqa: B008
    return list(engine.generate(prompt, sampling, most))


def text_of(tokens):
    return "".join(token.text for token in tokens)
