"""A model's words in both spellings, and whatever else it may say."""

from __future__ import annotations

import ast
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preftree.interact.parse import is_computed, number_steps, parse, syntax_error

TASKS = ("Coding", "Math_PoT", "Math_CoT", "Logic")

_PIECES = (
    "<thought>",
    "</thought>",
    "<execute>",
    "</execute>",
    "<solution>",
    "</solution>",
    "<tho",
    "ught>",
    "```python\n",
    "```text\n",
    "```",
    "````",
    "\n```\n",
    "Step 7: ",
    "**Step 2**: ",
    "\nStep 3. ",
    "in Step 2.",
    "Answer: 42",
    "\nAnswer: ",
    "**Answer:** 5\n",
    "x = 1\n",
    "# Step 9: add\n",
    'print("Step 4: no")\n',
    "'''",
    '"""\n',
    "\\",
    "    y = 2\n",
    "\t",
    "Assistant:",
    ".",
    "\r\n",
    "\u2028",
)
messes = st.lists(st.sampled_from(_PIECES) | st.text(max_size=5), max_size=14).map("".join)


@given(messes | st.text(), st.sampled_from(TASKS), st.booleans())
@example("<tho<thought>x</thought>ught> y", "Logic", True)
@example("<thought>```python\nx = 1</thought><solution>x</solution>", "Math_PoT", True)
@example("Answer: 42", "Logic", True)
@example("```text\nx\n```", "Math_PoT", True)
def test_any_text_parses_and_its_flat_form_says_the_same(text: str, task: str, tests: bool) -> None:
    parsed = parse(text, task, tests=tests)
    again = parse(parsed.flat, task, tests=tests)
    assert again.flat == parsed.flat
    assert (again.code, again.answer) == (parsed.code, parsed.answer)


LINES = st.lists(
    st.sampled_from(
        [
            "x = 1",
            "# Step 5: count",
            "print('Step 6: x')",
            "for i in range(3):\n    x += i",
            "s = '# Step 8: no'",
            "t = '''```\nStep 2:\n```'''",
        ]
    ),
    min_size=1,
    max_size=5,
).map("\n".join)


def same_program(one: str, other: str) -> bool:
    return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))


@given(
    st.lists(st.sampled_from(["Step 1: think", "We look.", "See Step 2. Then go", "Use ```x``` here"]), min_size=1),
    LINES,
    st.sampled_from(["42", "x + 1", "3/4 of it", "B", "Answer: 7", "**7**"]),
    st.booleans(),
)
def test_tagged_action_keeps_program_and_answer(prose: list[str], code: str, answer: str, fenced: bool) -> None:
    body = f"\n```python\n{code}\n```\n" if fenced and "```" not in code else f"\n{code}\n"
    text = f"<thought>{' '.join(prose)}</thought>\n<execute>{body}</execute>\n<solution> {answer} </solution>"
    parsed = parse(text, "Math_PoT")
    assert parsed.code is not None
    assert same_program(parsed.code, code)
    assert parsed.answer == answer.removeprefix("Answer: ").strip("*")
    assert parsed.code in parsed.flat
    coding = parse(f"<thought>{' '.join(prose)}</thought><solution>{body}</solution>", "Coding")
    assert coding.code == parsed.code
    assert coding.answer is None


def test_tagged_action_becomes_the_flat_form() -> None:
    text = """<thought>
Step 1: Count the apples.
Step 2: Add them.
</thought>
<execute>
# Step 3: the apples
apples = 3 + 4
apples
</execute>
<solution> apples </solution>"""
    assert parse(text, "Math_PoT") == (
        "Step 1: Count the apples.\nStep 2: Add them.\n"
        "```python\n# Step 3: the apples\napples = 3 + 4\napples\n```\nAnswer: apples",
        "# Step 3: the apples\napples = 3 + 4\napples",
        "apples",
    )


FLAT = "Step 1: x\n```python\na = 1\na\n```\nAnswer: a"


@pytest.mark.parametrize(
    ("text", "task", "code", "answer"),
    [
        (FLAT, "Math_PoT", "a = 1\na", "a"),
        ("", "Logic", None, None),
        ("   \n", "Logic", None, None),
        ("no steps, no answer", "Logic", None, None),
        ("**Answer:** 42", "Math_CoT", None, "42"),
        ("**Answer: 42**", "Math_CoT", None, "42"),
        ("Final Answer: 42", "Math_CoT", None, "42"),
        ("Answer: 1\nwait\nAnswer: 2  ", "Math_CoT", None, "2"),
        ("Answer: 1\nAnswer:", "Math_CoT", None, "1"),
        ("My Answer: 1", "Math_CoT", None, None),
        ("Answer: `total`", "Math_PoT", None, "total"),
        # Only Python is a program; a block without a language is one where none says that it is Python.
        ("```\na = 1\n```", "Math_PoT", "a = 1", None),
        ("```text\nno code\n```\nSo:\n```python\na = 1\n```", "Math_PoT", "a = 1", None),
        ("```python\na = 1\n```\nwhich prints\n```\n1 apple\n```", "Math_PoT", "a = 1", None),
        ("```py\na = 1\n```\n```Python\na += 1\n```", "Math_PoT", "a = 1\na += 1", None),
        ("```py\na = 1\n```\n```Python\na += 1\n```", "Coding", "a += 1", None),
        ("```python\na = 1", "Math_PoT", "a = 1", None),
        ("```python\nprint(1)```\nAnswer: 1", "Math_PoT", "print(1)", "1"),
        ("```python\na = 1\n``` Answer: 1", "Math_PoT", "a = 1", "1"),
        ("Here: ```python\na = 1\n```", "Math_PoT", "a = 1", None),
        ("1. Do\n   ```python\n   a = 1\n   b = 2\n   ```", "Math_PoT", "a = 1\nb = 2", None),
        ("Use `x` and ```y``` here", "Math_PoT", None, None),
        # Tags in the wrong place, forgotten, or more than once.
        ("<thought> a <execute> b = 1", "Math_PoT", "b = 1", None),
        ("<thought> a </thought> <solution> 4", "Math_CoT", None, "4"),
        ("<execute>a = 1</execute><execute>a</execute><solution>a</solution>", "Math_PoT", "a = 1\na", "a"),
        ("<solution> 1 </solution> no: <solution> 2 </solution>", "Math_CoT", None, "2"),
        ("<solution></solution>", "Math_CoT", None, None),
        ("<solution>\n1,\n2\n</solution>", "Logic", None, "1, 2"),
        ("<thought> a </thought>\nAnswer: 7", "Math_CoT", None, "7"),
        ("<thought> Answer: 6 </thought><solution>7</solution>", "Math_CoT", None, "7"),
        ("<thought> a </thought>\n```python\nb = 1\n```", "Coding", "b = 1", None),
        ("<thought>```python\nc = 1\n```</thought><solution>c</solution>", "Math_PoT", "c = 1", "c"),
        ("<thought>like ```python\nc = 1\n```</thought><execute>d = 2</execute>", "Math_PoT", "d = 2", None),
        ("<execute>a = 1</execute><solution>b = 1</solution>", "Coding", "b = 1", None),
        ("<execute>\n    a = 1\n    b = 2\n</execute>", "Math_PoT", "a = 1\nb = 2", None),
        ("<execute> a = 1\nb = 2 </execute>", "Math_PoT", "a = 1\nb = 2", None),
        ("<solution>Here it is:\n```python\ndef f(): pass\n```\nDone.</solution>", "Coding", "def f(): pass", None),
        ("<execute>\n```python\na = 1\n```\n</execute>", "Math_PoT", "a = 1", None),
        ("<execute></execute><solution>5</solution>", "Math_PoT", None, "5"),
        ("Assistant: <solution>5</solution>", "Math_CoT", None, "5"),
    ],
)
def test_program_and_answer(text: str, task: str, code: str | None, answer: str | None) -> None:
    parsed = parse(text, task)
    assert (parsed.code, parsed.answer) == (code, answer)


def test_a_coding_problem_without_tests_has_an_answer() -> None:
    text = "<execute>total = 2</execute><solution>total</solution>"
    assert parse(text, "Coding", tests=False)[1:] == ("total = 2", "total")
    assert parse(text, "Coding")[1:] == ("total", None)


def test_program_with_backticks_survives_in_a_longer_fence() -> None:
    code = 's = """\n```python\nx\n```\n"""\nprint(s)'
    parsed = parse(f"<execute>\n{code}\n</execute>", "Math_PoT")
    assert parsed.code == code
    assert "````python" in parsed.flat


@pytest.mark.parametrize(
    ("text", "numbered"),
    [
        ("Step 3: a\nStep 9: b", "Step 1: a\nStep 2: b"),
        ("Step 4. a\nStep 4. b", "Step 1. a\nStep 2. b"),
        ("Step 1: a Step 1: b", "Step 1: a Step 2: b"),
        ("**Step 5**: a\n### Step 5: b", "**Step 1**: a\n### Step 2: b"),
        ("Step 2: as in Step 7. Then", "Step 1: as in Step 7. Then"),
        ("Step 2: by Step 7 we", "Step 1: by Step 7 we"),
        ("nothing numbered", "Step 1: nothing numbered"),
        ("", ""),
        (
            "Step 5: a\n```python\n# Step 5: b\nx = 1  # Step 5: c\n```\nStep 5: d",
            "Step 1: a\n```python\n# Step 2: b\nx = 1  # Step 3: c\n```\nStep 4: d",
        ),
        ("```python\nx = 1\n```", "Step 1:\n```python\nx = 1\n```"),
        ("Answer: 4", "Step 1:\nAnswer: 4"),
    ],
)
def test_steps_are_numbered_through_prose_and_comments(text: str, numbered: str) -> None:
    assert number_steps(text) == numbered
    assert number_steps(numbered) == numbered


@pytest.mark.parametrize(
    "string",
    ["'Step 7: x'", '"# Step 7: x"', "'''\n# Step 7: x\n'''", 'r"\\\\" + "Step 7: x"', '"a\\"# Step 7: x"', 'f"Step 7: {1}"'],
)
def test_a_step_in_a_string_is_not_renumbered(string: str) -> None:
    code = f"s = {string}  # Step 9: note"
    parsed = parse(f"Step 1: a\n```python\n{code}\n```", "Math_PoT")
    assert parsed.code == f"s = {string}  # Step 2: note"
    assert parsed.code in parsed.flat


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "<thought>",
            "</thought>",
            "<solution>",
            "```",
            "```\n",
            "```python\n",
            "`",
            "'''",
            '"',
            "\\",
            "'\\",
            "#",
            "(",
            "[",
            "\n",
            " ",
            "\t",
        ),
        *(
            "Answer: ",
            "Answer: a ",
            "\nAnswer:",
            "Step 1:",
            "Step ",
            "1",
            "*",
            "\nStep 1.",
            "<",
            "</",
            "````` ",
            "a```",
            "a\n  ",
            "Final ",
        ),
    ],
)
def test_time_is_linear_in_the_length(unit: str) -> None:
    # A quadratic pattern takes minutes on this length; the linear ones take well under a second.
    for head in ("", "<execute>", "```python\n"):
        text = head + unit * (200_000 // len(unit))
        started = time.monotonic()
        parse(text, "Math_PoT")
        parse(text[: len(text) // 4] + "\nAnswer: x" + " " * 50_000 + "y", "Coding")
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("code", ["x = 1", "", "def f():\n    return 1", "await g()", "x = '\\d'", "x is 1", "9**9**9**9"])
def test_programs_that_compile(code: str) -> None:
    assert syntax_error(code) is None


@pytest.mark.parametrize(
    "code",
    [
        *("x =", "print 1", "return 1", "break", "x = (", "  x = 1", "def f():", "\0", "x = '\ud800'", "!pip install x"),
        *(
            "(" * 100_000,
            "-" * 99_000 + "1",
            "a" + ".b" * 45_000,
            "f" + "()" * 45_000,
            "x" + "+x" * 45_000,
            "not " * 20_000 + "x",
        ),
        *("1" * 5_000, "if 1:pass\n" + "elif 1:pass\n" * 8_000, "2**" * 20_000 + "1", "x = 1\n" * 20_000),
    ],
)
def test_programs_that_do_not_compile(code: str) -> None:
    assert syntax_error(code)


@pytest.mark.parametrize(
    ("answer", "computed"),
    [
        *(("total", True), ("total + 1", True), ("round(x, 2)", True), ("d['a']", True), ("apples", True)),
        *(("42", False), ("3,000", False), ("-1/2", False), ("'text'", False), ("12 apples", False), ("\\frac{1}{2}", False)),
        *(("", False), ("$5", False), ("(" * 900, False), ("x" * 1001, False), ("9" * 900, False)),
        ("1" * 900 + "+x", True),
    ],
)
def test_what_is_evaluated_after_the_program(answer: str, computed: bool) -> None:
    assert is_computed(answer) is computed
