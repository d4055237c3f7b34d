"""The kind of work is told from signs that are hard to mistake; whatever has none is plain."""

import pytest

from confspec_cli.core.kind_of_work import kind_of
from confspec_cli.core.tasks import TaskName

MATH = (
    "What is 17 times 23?",
    "What's 15% of 80?",
    "2+2",
    "Is 3^5 larger than 2 ^ 8?",
    "Solve x^2 - 5x + 6 = 0.",
    "Let $f(x) = 3x + 1$. Find $f(2)$.",
    r"Simplify \frac{12}{18}.",
    "A bakery sells muffins for $3 each and cookies for $2 each. It sold 14 and 28. What did it take in?",
    "Tom has three times as many apples as Ann, who has four. How many do the two have together?",
    "A train leaves at 9:15 and arrives at 11:40. How long does the journey take?",
    "What is the square root of 144?",
    "What is the area of a circle of radius 3?",
    "What is the sum of the first ten positive integers?",
    "Wie viel ist 17 * 23?",
    "If 5 machines make 5 widgets in 5 minutes, how long do 100 machines take for 100 widgets?",
)
CODE = (
    "Write a Python function that reverses a list.",
    "Please write a function to check whether a number is prime",
    "A Python function that reverses a list",
    "Implement quicksort as a function. It should sort in place.",
    "I need a bash script that renames all files in a folder.",
    "Can you write a SQL query for the ten best customers?",
    "Here is my code.\n\n```python\nprint(1\n```\n\nFix this code.",
    "Translate this program from Java to Rust:\n```java\nclass A {}\n```",
    'def add(a, b):\n    """The sum of both."""\n',
    "from typing import List\n\n\ndef mean(numbers: List[float]) -> float:\n    ...",
    "Write a regular expression for e-mail addresses",
    "Create a class Stack in TypeScript with push and pop",
    "Write a function that returns 3 * n + 1 if n is odd, else n / 2.",
)
QA = (
    "Which planet is the largest?\nA) Mars\nB) Jupiter\nC) Venus\nD) Earth",
    "What is the capital of France? (A) Rome (B) Paris (C) Madrid",
    "What is 2 + 2?\n\nA. 3\nB. 4\nC. 5",
)
PLAIN = (
    "Why is the sky blue?",
    "What is the capital of France?",
    "Hello",
    "Summarise this",
    "Who won the world cup in 1998?",
    "What happened on 9/11?",
    "Write a poem about autumn.",
    "Write a script for a best man's speech.",
    "What's the dress code for a wedding in a garden?",
    "What is Python?",
    "How do I reverse a list in Python?",
    "What does this code do?\n\n```python\nprint(sum(range(10)))\n```",
    "main.py:\n```\ndef f(x):\n    return x * 2 + 1\n```\n\nExplain this file.",
    "def f(x):\n    return x\n\nWhat does this do?",
    "Explain recursion to a child.",
    "What is the function of the liver?",
    "Make a list of birds for a class of children.",
    "Create a programme for a weekend in Rome.",
    "Who is the prime minister of Canada?",
    "What is the plot of The Matrix?",
    "Write a letter to my bank about my account number 1234567.",
    "When did the second world war end?",
    "Is the shop open 24/7?",
    "What are the differences between HTTP/1.1 and HTTP/2?",
    "Rewrite this sentence more politely: I want my money back.",
    "Translate to German: The house has two doors.",
    "Give me three ideas for dinner.",
    "What is the meaning of life?",
    "Tell me about the Apollo 11 mission.",
    "Convert this text to bullet points.",
    "Show me how to tie a tie.",
    "Why do cats purr? Answer in two sentences.",
    "I want to learn Rust. Where do I begin?",
    "Was ist der Unterschied zwischen Wein und Bier?",
    "空はなぜ青いのですか。",
    "What is vitamin B12 good for?",
    "Add a paragraph about the method of payment.",
    "Complete the sentence: The early bird",
    "Is a tomato a fruit?",
    "My children are 5 and 7. Suggest a holiday by the sea.",
)


@pytest.mark.parametrize(
    ("kind", "question"),
    [
        (kind, question)
        for kind, questions in (("math", MATH), ("code", CODE), ("qa", QA), ("plain", PLAIN))
        for question in questions
    ],
)
def test_the_kind_of_work_is_told_from_the_question(kind, question):
    assert kind_of(question) is TaskName(kind)


def test_of_a_long_text_only_what_is_asked_about_it_counts():
    report = "How many of each, of 12 and 15? 3 + 4 = 7.\ndef f(x):\n" * 20_000
    assert kind_of(f"{report}\n\nSummarise this.") is TaskName.PLAIN
    assert kind_of(f"{report}\n\nWrite a Python function for it.") is TaskName.CODE
