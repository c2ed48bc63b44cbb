"""The pages of heddle.families are what their sources say, every spec on them computes its equation, and none of the combinators is forgotten."""
import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
from assembly import ROOT
from family_references import REFERENCES

import heddle
from heddle import families
from heddle.families import _pages

FOLDER = ROOT / "python/heddle/families"
PRELUDE = (ROOT / "dialects/Attn/Prelude.mlir").read_text()
IDEAS = [(family, idea) for family in families.FAMILIES for idea in families.load(family)[1]]
COMBINATORS = (heddle.masks, heddle.feature_maps, heddle.gates, heddle.normalizers, heddle.positions, heddle.norms, heddle.convolutions)


@pytest.mark.parametrize("family, idea", [pytest.param(*pair, id=f"{pair[0]}-{pair[1].name}") for pair in IDEAS])
def test_a_spec_computes_its_equation(family, idea):
    given = idea.draw()
    wide = [x.astype(np.float64) if x.dtype == np.float32 else x for x in given]
    expected, got = REFERENCES[family][idea.name](*wide), idea.spec(*given)
    expected, got = (x if isinstance(x, tuple) else (x,) for x in (expected, got))
    assert len(expected) == len(got)
    for one, other in zip(expected, got):
        assert one.shape == other.shape and np.isfinite(other).all()
        assert np.abs(one - other).max() <= 2e-5 * max(1.0, np.abs(one).max())


def test_every_idea_has_a_reference_and_every_reference_an_idea():
    assert {(family, name) for family, group in REFERENCES.items() for name in group} == {(family, idea.name) for family, idea in IDEAS}


@pytest.mark.parametrize("name", _pages.pages())
def test_a_page_is_what_its_source_says(name):
    assert (FOLDER / name).read_text() == _pages.pages()[name], "python -m heddle.families --write"


def test_no_page_is_left_over():
    assert {path.name for path in FOLDER.glob("*.md")} == set(_pages.pages())


def test_the_command_says_what_has_changed():
    done = subprocess.run([sys.executable, "-m", "heddle.families"], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("family", families.FAMILIES)
def test_the_python_of_a_page_prints_the_text_of_the_page(family):
    """As a reader would: every block in order, each spec's text after it."""
    names = {}
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", (FOLDER / f"{family}.md").read_text(), re.M | re.S)
    shown = 0
    for language, text in blocks:
        if language == "python":
            exec(text, names)
            made = [names[name] for name in re.findall(r"^def (\w+)", text, re.M) if isinstance(names[name], heddle.Spec)]
        elif language == "mlir" and text.strip() not in PRELUDE:
            assert len(made) == 1 and made[0].text.strip() == text.strip()
            shown += 1
    assert shown == len(families.load(family)[1])


@pytest.mark.parametrize("module", COMBINATORS, ids=lambda module: module.__name__.split(".")[-1])
def test_no_combinator_is_forgotten(module):
    short = module.__name__.split(".")[-1]
    public = getattr(module, "__all__", None) or [name for name, value in vars(module).items()
                                                  if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")]
    pages = "".join((FOLDER / f"{family}.md").read_text() for family in families.FAMILIES)
    assert public and not [name for name in public if f"{short}.{name}" not in pages]


def test_a_title_begins_one_section_and_every_link_leads_somewhere():
    for name, text in _pages.pages().items():
        titles = re.findall(r"^## (.*)$", text, re.M)
        assert len(set(map(_pages.anchor, titles))) == len(titles), name
        for path, anchor in re.findall(r"\]\(([^)#:]+)(#[^)]*)?\)", text):
            assert (FOLDER / path).exists(), f"{name}: {path}"
            if anchor and path.endswith(".md") and "/" not in path:
                headings = re.findall(r"^#+ (.*)$", (FOLDER / path).read_text(), re.M)
                assert anchor[1:] in map(_pages.anchor, headings), f"{name}: {path}{anchor}"
