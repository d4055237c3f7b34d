"""Who may import whom, checked over the syntax tree: an allow-list, so that a new module must choose its place."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "confspec_cli"
OWN = "confspec_cli"

# Third-party packages by module prefix; everything else may use the standard library alone.
THIRD_PARTY = {
    "engines/llamacpp": {"llama_cpp", "numpy"},
    "engines/prompts": {"jinja2"},
    "engines/remote": {"httpx2"},
    "evaluate/grader": {"math_verify"},
    "evaluate/datasets": {"pyarrow"},
    "evaluate/plots": {"matplotlib"},
    "evaluate/sandbox/child": {"calls", "walls"},  # its neighbours: it runs as a script, outside the package
    "evaluate/sandbox/walls": {"kernel"},
    "evaluate/statistics": {"numpy"},
    "models/hub": {"huggingface_hub"},
    "models/hub_cache": {"huggingface_hub"},
    "models/hub_requests": {"huggingface_hub"},
    "yaml_reading": {"yaml"},
    "models/yaml_editing": {"ruamel"},
    "runtime": {"platformdirs"},
    "runtime/json_schema": {"jsonschema", "referencing"},
    "repl": {"prompt_toolkit"},
    "serve": {"starlette", "uvicorn"},
    "render": {"rich"},
    "commands": {"typer"},
    "app": {"typer"},
    "help_page": {"typer"},
}
# Our own modules by importer; a prefix stands for everything under it. Imports point down this list, never up.
ALLOWED = {
    "app": {"commands", "help_page", "render/console", "render/layout", "files", "errors", "__init__"},
    "help_page": {"render/console"},
    "__init__": {"runtime", "core", "errors"},
    "__main__": {"app", "files", "errors", "runtime/signals"},
    "commands": {
        "commands",
        "repl",
        "serve",
        "evaluate",
        "render",
        "runtime",
        "models",
        "storage",
        "engines",
        "core",
        "child_process",
        "files",
        "errors",
    },
    "repl": {"repl", "render", "runtime", "storage", "core", "files", "errors"},
    "serve": {"serve", "runtime", "storage", "core", "errors", "__init__"},
    "evaluate": {"evaluate", "runtime", "models", "storage", "core", "files", "errors"},
    "runtime": {
        "runtime",
        "models",
        "storage",
        "engines",
        "core",
        "child_process",
        "files",
        "errors",
        "__init__",
    },
    "render": {"render", "core", "files", "errors"},
    "models": {"models", "core", "child_process", "files", "yaml_reading", "yaml_tables", "errors"},
    "engines": {"engines", "models/gguf", "core", "child_process", "files", "errors"},
    "storage": {"storage", "core", "files", "yaml_reading", "yaml_tables", "errors"},
    "core": {"core", "errors"},
    "files": {"errors"},
    "yaml_tables": {"core", "errors"},
    "yaml_reading": {"yaml_tables", "files", "errors"},
    "errors": set(),
    "child_process": set(),
}


def modules():
    return sorted(path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))


def imports(module):
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} uses a relative import"
            inner = node.module or ""
            is_package = (PACKAGE.parent / inner.replace(".", "/")).is_dir()
            yield from (f"{inner}.{alias.name}" for alias in node.names) if is_package else (inner,)


def under(module, prefixes):
    return any(prefix == "*" or module == prefix or module.startswith(f"{prefix}/") for prefix in prefixes)


def granted(module, table):
    return {name for prefix, names in table.items() if under(module, {prefix}) for name in names}


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_layer_allows(module):
    assert any(under(module, {prefix}) for prefix in ALLOWED), f"{module} has no place in the layering"
    for name in imports(module):
        top = name.split(".")[0]
        if top == OWN:
            inner = "/".join(name.split(".")[1:]) or "__init__"
            if not (PACKAGE / f"{inner}.py").exists() and not (PACKAGE / inner).is_dir():
                inner = inner.rpartition("/")[0] or "__init__"
            assert under(inner, granted(module, ALLOWED)), f"{module} may not import {inner}"
        elif top not in sys.stdlib_module_names:
            assert top in granted(module, THIRD_PARTY), f"{module} may not import {top}"


@pytest.mark.parametrize("module", [m for m in modules() if under(m, {"core"})])
def test_the_core_neither_prints_nor_reads_the_environment(module):
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"print", "open", "os", "sys"}


@pytest.mark.parametrize("argv", [["--help"], ["--version"], []])
def test_the_app_imports_nothing_but_typer_until_a_command_is_called(argv):
    heavy = "llama_cpp httpx2 huggingface_hub numpy yaml ruamel jinja2 prompt_toolkit rich matplotlib jsonschema "
    heavy += "math_verify starlette uvicorn"
    code = (
        f"import sys; from confspec_cli.app import main; main({argv}); "
        f"loaded = set('{heavy}'.split()) & set(sys.modules); "
        "loaded |= {name for name in sys.modules if name.startswith('confspec_cli.commands.')}; "
        "sys.exit(f'loaded: {loaded}' if loaded else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr


def test_a_command_imports_no_other_commands_module():
    code = (
        "import sys; from confspec_cli.app import main; main(['replay', '--help']); "
        "print([name for name in sys.modules if name.startswith('confspec_cli.commands.') and '._' not in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "['confspec_cli.commands.replay']"


@pytest.mark.parametrize("module", modules())
def test_modules_stay_readable(module):
    assert len((PACKAGE / f"{module}.py").read_text(encoding="utf-8").splitlines()) <= 300


def test_the_engine_for_servers_loads_llama_cpp_for_a_vocabulary_file_alone():
    folder = PACKAGE / "engines"
    for path in [*(folder / "remote").glob("*.py"), *(folder / "prompts").glob("*.py")]:
        found = [name for name in imports(path.relative_to(PACKAGE).with_suffix("").as_posix()) if ".llamacpp" in name]
        assert set(found) <= {f"{OWN}.engines.llamacpp.vocabulary_file"}, path.name
