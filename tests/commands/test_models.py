"""`confspec models …`: what is here, what can go, and models and pairs of one's own."""

import json

import pytest
from support.model_sources import sha256
from support.tiny_gguf import CHATML_TEMPLATE, OPEN_THINK_TEMPLATE, THINKING_TEMPLATE

from confspec_cli.app import main
from confspec_cli.errors import Exit
from confspec_cli.models.partial import part_of
from confspec_cli.models.registry import load
from confspec_cli.render.wording import columns

SMALL = b"small weights"
OWN = f"""\
# mine
schema: 1
models:
  small:  # a comment that stays
    licence: MIT
    files:
      - name: small.gguf
        bytes: {len(SMALL)}
        sha256: {sha256(SMALL)}
        sources: [{{packages: none-such, version: "1", member: m}}]
pairs:
  mine: {{draft: small, target: qwen2.5-coder-0.5b-q4_k_m}}
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user with a model of their own that is here, and a pair with it."""
    for folder in ("config", "models"):
        (tmp_path / folder).mkdir()
    (tmp_path / "config" / "models.yaml").write_text(OWN)
    (tmp_path / "models" / "small.gguf").write_bytes(SMALL)
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("CONFSPEC_YES", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def own(home):
    return load(home / "config" / "models.yaml")


def test_list_is_what_models_says_by_itself_and_quiet_is_for_scripts(home, capsys):
    assert main(["models"]) == main(["models", "list"]) == Exit.OK
    out = capsys.readouterr().out
    assert out[: len(out) // 2] == out[len(out) // 2 :]
    assert str(home / "models" / "small.gguf") in out
    assert main(["models", "list", "-q"]) == Exit.OK
    assert capsys.readouterr().out == "small\n"


def test_models_shows_what_is_here_and_all_shows_the_rest(home, capsys):
    def lines(*argv):
        assert main(["models", *argv]) == Exit.OK
        return [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]

    few, every = lines(), lines("--all")
    assert few[few.index("MODEL") + 1 : -1] == ["small"]
    assert few[-1].isdecimal()  # so many are not downloaded
    assert len(every[every.index("MODEL") + 1 :]) == int(few[-1]) + 1
    assert "mine" in few[: few.index("MODEL")]


def test_all_and_json_tell_of_what_an_interrupted_pull_left(home, capsys):
    (home / "models" / ".big.gguf.0123abcd.part").write_bytes(b"half")
    main(["models", "list", "--all"])
    assert "PARTIAL DOWNLOAD" in capsys.readouterr().out
    main(["models", "list", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert [one["bytes"] for one in document["partial"]] == [4]
    (small,) = [model for model in document["models"] if model["name"] == "small"]
    assert small["sources"] == ["packages none-such 1"]


def test_what_is_left_in_the_cache_of_the_hub_is_told_and_can_go(home, capsys):
    blobs = home / "hub" / "models--Qwen--Qwen3-4B-GGUF" / "blobs"
    (file,) = load(None).model("qwen3-4b-q4_k_m").files
    part = part_of(blobs, file)
    blobs.mkdir(parents=True)
    part.write_bytes(b"half")
    main(["models", "list", "--all"])
    assert str(part) in capsys.readouterr().out
    assert main(["models", "rm", "-y", "qwen3-4b-q4_k_m"]) == Exit.OK
    assert not part.exists()


def test_a_file_in_the_cache_of_the_hub_is_left_to_its_own_tool(home, capsys):
    (file,) = load(None).model("qwen3-4b-q4_k_m").files
    cache = home / "hub" / "models--Qwen--Qwen3-4B-GGUF"
    place = cache / "snapshots" / file.sources[0].revision / file.name
    place.parent.mkdir(parents=True)
    with place.open("wb") as stream:
        stream.truncate(file.bytes)  # a hole
    assert main(["models", "rm", "-y", "qwen3-4b-q4_k_m"]) == Exit.STORAGE
    assert capsys.readouterr().err.splitlines()[-1].strip() == "hf cache rm model/Qwen/Qwen3-4B-GGUF"
    assert place.exists()


def test_list_reads_what_the_registry_does_not_say(home, capsys, tiny):
    (home / "config" / "models.yaml").write_text(
        f"models: {{own: {{files: [{{name: a.gguf, sources: [{{path: {tiny('llama')}}}]}}]}}}}"
    )
    assert main(["models", "list", "--json"]) == Exit.OK
    (own,) = [model for model in json.loads(capsys.readouterr().out)["models"] if model["name"] == "own"]
    assert (own["context"], own["bytes"]) == (2048, tiny("llama").stat().st_size)
    assert int(own["parameters"]) > 100_000
    assert own["sources"] == [f"path {tiny('llama')}"]


def test_path_is_the_path_alone(home, capsys):
    assert main(["models", "path", "small"]) == Exit.OK
    assert capsys.readouterr().out == f"{home / 'models' / 'small.gguf'}\n"
    assert main(["models", "path", "qwen3-4b-q4_k_m"]) == Exit.MODEL_MISSING
    assert "confspec pull qwen3-4b-q4_k_m" in capsys.readouterr().err


def test_rm_says_what_it_frees_and_who_needs_it_and_asks_first(home, capsys):
    file = home / "models" / "small.gguf"
    assert main(["models", "rm", "--dry-run", "small"]) == Exit.OK
    out = capsys.readouterr().out
    assert f"13 bytes  {file}" in out
    assert "13 bytes would be freed" in out
    assert "also used by mine" in out
    assert main(["models", "rm", "small"]) == Exit.USAGE  # nobody can be asked
    assert file.exists()
    assert main(["models", "rm", "-y", "small"]) == Exit.OK
    assert not file.exists()
    assert main(["models", "rm", "-y", "small"]) == Exit.MODEL_MISSING


def test_rm_takes_what_an_interrupted_pull_left(home, capsys):
    (home / "models" / "small.gguf").unlink()
    part = home / "models" / f".small.gguf.{sha256(SMALL)[:8]}.part"
    part.write_bytes(b"half")
    wheel = part.with_suffix(".wheel")
    wheel.mkdir()
    (wheel / "some.whl").write_bytes(b"more")
    assert main(["models", "rm", "--dry-run", "small"]) == Exit.OK
    assert "8 bytes would be freed" in capsys.readouterr().out
    assert main(["models", "rm", "-y", "small"]) == Exit.OK
    assert list((home / "models").iterdir()) == []


def test_rm_refuses_a_file_of_the_users_own(home, capsys):
    mine = home / "mine.gguf"
    mine.write_bytes(b"mine")
    assert main(["models", "add", "my-own", str(mine)]) == Exit.OK
    assert main(["models", "rm", "-y", "my-own"]) == Exit.STORAGE
    told = capsys.readouterr().err
    assert "is your own file; confspec does not delete it" in told
    assert "confspec config edit" in told
    assert mine.exists()


def test_rm_never_deletes_a_file_of_the_users_own_that_lies_in_the_folder_of_models(home, capsys):
    mine = home / "models" / "mine.gguf"
    mine.write_bytes(b"mine")
    main(["models", "add", "my-own", str(mine)])
    main(["models", "add", "again", str(home / "models" / "small.gguf")])
    for name in ("my-own", "small"):
        assert main(["models", "rm", "-y", name]) == Exit.STORAGE
        assert "is your own file; confspec does not delete it" in capsys.readouterr().err
    assert mine.exists()
    assert (home / "models" / "small.gguf").exists()


def test_rm_takes_the_files_of_a_model_of_which_others_are_missing(home):
    file = home / "config" / "models.yaml"
    more = file.read_text().replace(
        "    files:\n",
        "    files:\n      - &f {name: b.gguf, bytes: 1, sha256: %s, sources: "
        "[{packages: none-such, version: '1', member: m}]}\n" % ("0" * 64),
    )
    file.write_text(more)
    assert main(["models", "rm", "-y", "small"]) == Exit.OK
    assert not (home / "models" / "small.gguf").exists()


def test_verify_reads_the_bytes_whatever_was_found_before(home, capsys):
    file = home / "models" / "small.gguf"
    assert main(["models", "verify", "small"]) == Exit.OK
    known = (home / "models" / ".checked.json").read_text()
    file.write_bytes(SMALL[::-1])
    told = file.stat()
    lie = [told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino, sha256(SMALL)]
    (home / "models" / ".checked.json").write_text(json.dumps({str(file): lie}))
    assert known
    capsys.readouterr()
    assert main(["models", "verify", "small"]) == Exit.STORAGE
    assert main(["models", "path", "small"]) == Exit.MODEL_MISSING  # now that it is known to be damaged


def test_verify_reads_what_is_here_and_finds_the_damaged_one(home, capsys):
    assert main(["models", "verify"]) == Exit.OK
    assert "small.gguf: matches its sha256" in capsys.readouterr().err
    (home / "models" / "small.gguf").write_bytes(SMALL[::-1])
    assert main(["models", "verify", "small"]) == Exit.STORAGE
    assert "confspec pull small" in capsys.readouterr().err
    assert main(["models", "verify", "qwen3-4b-q4_k_m"]) == Exit.MODEL_MISSING


def test_verify_names_no_command_that_would_take_away_a_file_of_the_users_own(home, capsys):
    mine = home / "mine.gguf"
    mine.write_bytes(b"mine")
    assert main(["models", "add", "my-own", str(mine)]) == Exit.OK
    mine.write_bytes(b"enim")
    capsys.readouterr()
    assert main(["models", "verify", "my-own"]) == Exit.STORAGE
    assert capsys.readouterr().err.splitlines()[-1] == "confspec: These models do not match their sha256: my-own."


def test_a_model_and_a_pair_of_ones_own_are_kept_with_the_comments(home, capsys):
    mine = home / "mine.gguf"
    mine.write_bytes(b"mine")
    assert main(["models", "add", "my-own", str(mine), "--licence", "MIT"]) == Exit.OK
    assert main(["models", "pair", "add", "ours", "my-own", "small", "--about", "Ours."]) == Exit.OK
    assert (
        main(["models", "pair", "set", "ours", "gate.accept=0.7", "gates.code.accept=0.97", "context=4096"]) == Exit.OK
    )
    assert main(["models", "pair", "default", "ours"]) == Exit.OK
    registry = own(home)
    pair = registry.pair("ours")
    assert (pair.draft, pair.target, pair.about, pair.context) == ("my-own", "small", "Ours.", 4096)
    assert (pair.gate.accept, pair.gates.code.accept, registry.default_pair) == (0.7, 0.97, "ours")
    assert registry.model("my-own").licence == "MIT"
    (file,) = registry.model("my-own").files
    assert (file.bytes, file.sha256) == (4, sha256(b"mine"))  # as it stands now
    assert "# a comment that stays" in (home / "config" / "models.yaml").read_text()
    assert main(["models", "pair", "set", "ours", "context="]) == Exit.OK
    assert own(home).pair("ours").context is None
    assert main(["models", "pair", "rm", "ours"]) == Exit.USAGE  # the default
    assert main(["models", "pair", "default", "starter"]) == Exit.OK
    assert main(["models", "pair", "rm", "ours"]) == Exit.OK
    assert "ours" not in own(home).pairs


def test_comments_stay_whatever_is_taken_out(home):
    file = home / "config" / "models.yaml"
    before = "# mine\npairs:  # here\n  # of one\n  one: {draft: small, target: small}\n\n  # of two\n  two:\n"
    rest = "    draft: small\n    target: small\n    gate:\n      accept: 0.5  # mine\n# the end\n"
    file.write_text(OWN.partition("pairs:")[0] + before + rest)
    assert main(["models", "pair", "set", "two", "gate.accept="]) == Exit.OK
    assert "gate" not in file.read_text()
    assert main(["models", "pair", "rm", "two"]) == Exit.OK
    assert main(["models", "pair", "rm", "one"]) == Exit.OK
    assert "pairs:  # here\n  # of one\n\n  # of two\n# the end\n" in file.read_text()
    assert set(own(home).pairs) == set(load(None).pairs)


def test_a_file_of_comments_alone_keeps_them(home):
    file = home / "config" / "models.yaml"
    file.write_text("# mine, some day")
    assert main(["models", "pair", "default", "tiny"]) == Exit.OK
    assert file.read_text() == "# mine, some day\nschema: 2\ndefault_pair: tiny\n"


def test_two_files_of_ones_own_may_have_one_name(home):
    for name in ("a", "b"):
        (home / name).mkdir()
        (home / name / "model.gguf").write_bytes(name.encode())
        assert main(["models", "add", name, str(home / name / "model.gguf")]) == Exit.OK
    assert own(home).model("a").files[0].sha256 != own(home).model("b").files[0].sha256


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["pair", "add", "auto", "small", "small"], Exit.USAGE, '"auto" stands for the best pair that fits'),
        (["add", "small", "x.gguf"], Exit.USAGE, 'A model or pair named "small" already exists'),
        (["add", "new", "none.gguf"], Exit.MODEL_MISSING, "No such file: none.gguf"),
        (["pair", "add", "mine", "small", "small"], Exit.USAGE, 'A model or pair named "mine" already exists'),
        (["pair", "add", "new", "smal", "small"], Exit.MODEL_MISSING, 'did you mean "small"?'),
        (
            ["pair", "set", "mine", "gate.acept=1"],
            Exit.USAGE,
            'has no setting "gate.acept"; did you mean "gate.accept"?',
        ),
        (["pair", "set", "mine", "gate.accept=2"], Exit.USAGE, "accept must be a number from 0 to 1"),
        (["pair", "rm", "qwen3-8b"], Exit.USAGE, "qwen3-8b is built in"),
        (["pair", "default", "none"], Exit.MODEL_MISSING, 'Unknown pair "none"'),
        (["pair", "check", "mine"], Exit.MODEL_MISSING, "confspec pull mine"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_changed(home, capsys, arguments, code, says):
    assert main(["models", *arguments]) == code
    assert says in capsys.readouterr().err
    assert (home / "config" / "models.yaml").read_text() == OWN


def test_check_tells_what_is_missing_and_what_was_never_measured(home, capsys):
    main(["models", "pair", "check", "mine"])
    out = capsys.readouterr().out
    assert "qwen2.5-coder-0.5b-q4_k_m is not downloaded: confspec pull qwen2.5-coder-0.5b-q4_k_m" in out
    assert "thresholds for math, qa, code, plain are defaults, not tuned" in out


@pytest.mark.parametrize(
    ("template", "says"),
    [
        (CHATML_TEMPLATE, "not a reasoning model"),
        (THINKING_TEMPLATE, "thinks in a <think> block, unless told not to"),
        (OPEN_THINK_TEMPLATE, "always begins in a <think> block"),
    ],
)
def test_show_tells_the_style_of_thinking(home, capsys, tiny, template, says):
    assert main(["models", "show", str(tiny("llama", template=template))]) == Exit.OK
    assert says in capsys.readouterr().out


def test_show_says_what_a_pair_is_made_of_and_how_much_dearer_its_target_is(home, capsys):
    assert main(["models", "show", "qwen3.8-27b-2b"]) == Exit.OK
    out = capsys.readouterr().out
    assert (
        "qwen3.5-2b-q4_k_m: 2B parameters, Q4_K_M, 1.3 GB, Apache-2.0, thinks before it answers, not downloaded" in out
    )
    assert "cost ratio   about 13.4, by the size of the weights" in out
    assert "thresholds   a cautious guess, not measured on this pair" in out
    assert main(["models", "show", "starter", "--json"]) == Exit.OK
    known = json.loads(capsys.readouterr().out)
    assert known["cost_ratio"] == pytest.approx(1117320768 / 491400064)
    assert known["calibrated_for"] == ["math", "code"]
    assert known["draft"]["here"] is False


def test_show_says_what_a_file_holds(home, capsys, tiny):
    path = str(tiny("llama"))
    assert main(["models", "show", path, "--context", "1000"]) == Exit.OK
    out = capsys.readouterr().out
    assert "architecture llama, " in out
    assert "for 1000 tokens" in out
    assert "on the CPU: weights " in out
    assert main(["models", "show", path, "--json"]) == Exit.OK
    known = json.loads(capsys.readouterr().out)
    assert known["vocabulary"] > 100
    assert known["memory"]["total"] > known["memory"]["weights"] > 0
    assert known["context"] == known["trained_context"] == 2048  # no more than that
    assert known["kv_cache"]["f16"] > known["kv_cache"]["q8_0"] > known["kv_cache"]["q4_0"] > 0
    assert main(["models", "show", path, "--template"]) == Exit.OK
    assert capsys.readouterr().out.rstrip("\n") == known["chat_template"].rstrip("\n")
    assert main(["models", "show", "qwen3-4b-q4_k_m"]) == Exit.MODEL_MISSING


def test_a_table_too_wide_for_a_terminal_folds_its_last_cells_below_each_row():
    rows = [("MODEL", "SIZE", "LICENCE", "PATH"), ("a", "1.0 GB", "MIT", "/models/a.gguf"), ("b", "2.0 GB", "MIT", "-")]
    wide = columns(rows)
    assert columns(rows, width=max(map(len, wide.splitlines())), folded=2) == wide
    assert columns(rows, width=24, folded=2).splitlines() == [
        "MODEL  SIZE",
        "    LICENCE  PATH",
        "a      1.0 GB",
        "    MIT  /models/a.gguf",
        "b      2.0 GB",
        "    MIT",
    ]
