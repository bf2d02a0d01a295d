import os
import re
import subprocess
import sys
import threading
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pluggy
import pytest

from tests.hints import advised
from trainer import Tensor
from trainer.engine import provider
from trainer.errors import PluginError, TrainerError
from trainer.plugins import KINDS, Plugins, hookspecs, shared
from trainer.plugins.registry import Component
from trainer.plugins.traits import CostTraits

GOOD = """
from trainer import hookimpl

def {name}(predictions, targets): ...

@hookimpl
def register_costs(register):
    register({name}, targets="values")
"""


@pytest.fixture
def write(tmp_path):
    """Writes a plugin file and returns its name."""

    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return name

    return write


@pytest.fixture
def installed(monkeypatch):
    """Makes modules look as if packages had brought them through the entry point group `trainer`."""

    def install(**sources: str) -> None:
        entries = []
        for name, text in sources.items():
            module_name = f"installed_{name}"
            entries.append(EntryPoint(name, module_name, "trainer"))
            finder.sources[module_name] = text
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: EntryPoints(entries))

    finder = Finder()
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    yield install
    for name in finder.sources:
        sys.modules.pop(name, None)


class Finder:
    """Imports modules from texts."""

    def __init__(self):
        self.sources: dict[str, str] = {}

    def find_spec(self, name, path=None, target=None):
        from importlib.util import spec_from_loader

        return spec_from_loader(name, self) if name in self.sources else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        exec(compile(self.sources[name], f"{name}.py", "exec"), module.__dict__)  # noqa: S102


def listed(source: str, folder) -> str:
    """The message with which a listed plugin fails."""
    with pytest.raises(PluginError) as caught:
        Plugins([source], folder=folder, entry_points=False)
    return str(caught.value)


def test_every_kind_has_a_hook_with_a_line_of_help():
    hooks = [name for name in vars(hookspecs) if name.startswith("register_")]
    assert hooks == [f"register_{kind}" for kind in KINDS]
    assert all(getattr(hookspecs, hook).__doc__ for hook in hooks)


def test_a_file_adds_its_components(write, tmp_path):
    plugins = Plugins([write("mine.py", GOOD.format(name="mine"))], folder=tmp_path, entry_points=False)
    component = plugins.get("costs", "mine")
    assert isinstance(component, Component)
    assert component.origin == "plugin 'mine.py'"
    assert component.traits == CostTraits(targets="values")
    assert plugins.names("costs") == ["mine"]
    assert plugins.names("ops") == []
    assert repr(plugins) == "<Plugins: 1 costs>"


def test_an_unknown_name_gets_the_nearest_or_the_list(write, tmp_path):
    plugins = Plugins([write("mine.py", GOOD.format(name="huber"))], folder=tmp_path, entry_points=False)
    for kind, name, message in [
        ("costs", "hubber", "unknown cost 'hubber'; did you mean 'huber'?"),
        ("costs", "zzz", "unknown cost 'zzz'; there are: huber"),
        ("datasets", "zzz", "unknown data set 'zzz'; there are: none"),
        ("cost", "huber", "there are no components of kind 'cost'; did you mean 'costs'?"),
    ]:
        with pytest.raises(PluginError) as caught:
            plugins.get(kind, name)
        assert str(caught.value) == message


def test_a_missing_file_is_reported_with_the_nearest_that_exists(write, tmp_path):
    write("swish.py", "")
    folder = tmp_path.resolve()
    assert listed("swich.py", tmp_path) == (
        f"plugin file 'swich.py' does not exist in {folder}; did you mean 'swish.py'?"
    )
    assert listed("sub/swish.py", tmp_path) == (
        f"plugin file 'sub/swish.py' does not exist in {folder / 'sub'}, which does not exist either"
    )


def test_a_file_that_only_ends_alike_is_not_suggested(write, tmp_path):
    write("tor.py", "")
    assert listed("nothere.py", tmp_path) == f"plugin file 'nothere.py' does not exist in {tmp_path.resolve()}"


def test_a_missing_module_is_reported(write, tmp_path):
    write("swish.py", "")
    assert listed("swish", tmp_path) == (
        "plugin module 'swish' cannot be found; for the file beside the config write 'swish.py'"
    )
    assert listed("no_such_package.ops", tmp_path) == (
        "plugin module 'no_such_package.ops' cannot be found; is it installed?"
    )


def test_a_plugin_that_raises_on_import_is_named_with_the_line(write, tmp_path):
    write("broken.py", "import math\n\n1 / 0\n")
    assert listed("broken.py", tmp_path) == (
        "plugin 'broken.py' failed to import: ZeroDivisionError: division by zero (broken.py, line 3)"
    )
    write("exits.py", "import sys\nsys.exit(4)\n")
    assert listed("exits.py", tmp_path) == "plugin 'exits.py' failed to import: SystemExit: 4 (exits.py, line 2)"
    write("needs.py", "import absent_package\n")
    assert listed("needs.py", tmp_path) == (
        "plugin 'needs.py' failed to import: ModuleNotFoundError: No module named 'absent_package' (needs.py, line 1); "
        f"install 'absent_package' into the environment of {sys.executable}"
    )
    write("parts.py", "import numpy.absent_part\n")
    assert listed("parts.py", tmp_path).endswith("No module named 'numpy.absent_part' (parts.py, line 1)")
    write("typo.py", "def f(:\n")
    assert listed("typo.py", tmp_path) == (
        "plugin 'typo.py' failed to import: SyntaxError: invalid syntax (typo.py, line 1)"
    )


def loads(source: str, folder) -> Plugins:
    return Plugins([source], folder=folder, entry_points=False)


def test_what_a_plugin_imports_is_found_as_the_message_says(write, tmp_path, monkeypatch):
    text = GOOD.format(name="mine")
    needs, beside = write("needs.py", f"import lacked_package\n{text}"), write("beside.py", f"import helping\n{text}")
    advised(listed(needs, tmp_path), f"; install 'lacked_package' into the environment of {sys.executable}")
    environment = tmp_path / "site-packages"  # where an installation puts it
    environment.mkdir()
    (environment / "lacked_package.py").write_text("")
    monkeypatch.syspath_prepend(environment)
    assert loads(needs, tmp_path).names("costs") == ["mine"]
    write("helping.py", "")
    folder = tmp_path.resolve()
    said = advised(listed(beside, tmp_path), f"; set PYTHONPATH={folder}, and Python finds the helping.py beside it")
    code = "from trainer.plugins import Plugins; print(Plugins(['beside.py'], entry_points=False).names('costs'))"
    environ = {**os.environ, "PYTHONPATH": re.findall(r"PYTHONPATH=(\S+),", said)[0]}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.stdout == "['mine']\n", done.stderr


HOOKLESS = """
from trainer import op

@op
def my_op(x):
    return x
"""


def test_a_hook_that_is_written_as_the_message_says_is_called(write, tmp_path):
    name = write("mine.py", HOOKLESS)
    said = advised(
        listed(name, tmp_path),
        "write one: @hookimpl (from trainer import hookimpl), and under it def register_ops(register): register(my_op)",
    )
    (hook,) = re.findall(r"under it (def .+)$", said)
    write(name, f"{HOOKLESS}\n{hook}\n")
    said = advised(listed(name, tmp_path), "put @hookimpl above it (from trainer import hookimpl)")
    (imported,) = re.findall(r"\((from .+)\)", said)
    write(name, f"{imported}\n{HOOKLESS}\n@hookimpl\n{hook}\n")
    assert loads(name, tmp_path).names("ops") == ["my_op"]


def test_a_hook_that_nobody_would_call_is_reported(write, tmp_path):
    write("misspelt.py", "from trainer import hookimpl\n@hookimpl\ndef register_opps(register): ...\n")
    assert listed("misspelt.py", tmp_path) == (
        "plugin 'misspelt.py' implements an unknown hook 'register_opps'; did you mean 'register_ops'?"
    )
    write("unmarked.py", "def register_ops(register): ...\n")
    assert listed("unmarked.py", tmp_path) == (
        "plugin 'unmarked.py': register_ops is never called, because nothing marks it as a hook; "
        "put @hookimpl above it (from trainer import hookimpl)"
    )
    write("empty.py", "")
    assert listed("empty.py", tmp_path) == (
        "plugin 'empty.py' implements no hook, so it adds nothing; "
        "write one: @hookimpl (from trainer import hookimpl), and under it def register_ops(register): register(my_op)"
    )
    write("wrong_parameter.py", "from trainer import hookimpl\n@hookimpl\ndef register_ops(registry): ...\n")
    assert listed("wrong_parameter.py", tmp_path) == (
        "plugin 'wrong_parameter.py': register_ops takes one parameter, which is called 'register': "
        "def register_ops(register): ..."
    )


def test_a_hook_that_raises_is_reported_with_the_line(write, tmp_path):
    write("raises.py", "from trainer import hookimpl\n@hookimpl\ndef register_ops(register):\n    [][1]\n")
    assert listed("raises.py", tmp_path) == (
        "plugin 'raises.py': register_ops raised IndexError: list index out of range (raises.py, line 4)"
    )


def test_a_duplicate_name_names_both_plugins(write, tmp_path, installed):
    write("first.py", GOOD.format(name="huber"))
    write("second.py", GOOD.format(name="huber"))
    with pytest.raises(PluginError) as caught:
        Plugins(["first.py", "second.py"], folder=tmp_path, entry_points=False)
    assert str(caught.value) == (
        "plugin 'second.py' registers the cost 'huber', which plugin 'first.py' has registered already; "
        "rename one of the two: register(..., name='my_huber')"
    )
    said = advised(caught.value, "rename one of the two: register(..., name='my_huber')")
    (renamed,) = re.findall(r"name='\w+'", said)
    write("second.py", GOOD.format(name="huber").replace("targets=", f"{renamed}, targets="))
    both = Plugins(["first.py", "second.py"], folder=tmp_path, entry_points=False)
    assert both.names("costs") == ["huber", "my_huber"]
    installed(theirs=GOOD.format(name="huber"))
    with pytest.raises(PluginError) as caught:
        Plugins(["first.py"], folder=tmp_path)
    assert str(caught.value).startswith(
        "plugin 'first.py' registers the cost 'huber', which plugin 'theirs' has registered already"
    )


def test_two_components_of_one_name_in_one_plugin_are_refused(write, tmp_path):
    write("twice.py", GOOD.format(name="huber") + "    register(lambda p, t: p, name='huber')\n")
    assert (
        listed("twice.py", tmp_path) == "plugin 'twice.py': register_costs registers two costs under the name 'huber'"
    )


def test_a_refused_plugin_leaves_nothing_behind(write, tmp_path):
    plugins = Plugins([write("first.py", GOOD.format(name="huber"))], folder=tmp_path, entry_points=False)
    write("second.py", GOOD.format(name="other") + "    register(len, name='huber')\n")
    with pytest.raises(PluginError):
        plugins.add("second.py", folder=tmp_path)
    assert plugins.names("costs") == ["huber"]


def test_what_is_installed_and_broken_is_reported_and_the_rest_works(installed):
    installed(
        bad_import="1 / 0",
        bad_hook="from trainer import hookimpl\n@hookimpl\ndef register_costs(register):\n    register(3)\n",
        misspelt=GOOD.format(name="fine") + "@hookimpl\ndef register_lyers(register): ...\n",
        one=GOOD.format(name="mine"),
        two=GOOD.format(name="mine"),
    )
    plugins = Plugins()
    assert plugins.problems == []  # nothing is imported before it is needed
    assert plugins.names("costs") == ["fine", "mine"]
    assert plugins.get("costs", "mine").plugin == "one"
    assert {problem.plugin: problem.message for problem in plugins.problems} == {
        "bad_import": "plugin 'bad_import' failed to import: ZeroDivisionError: division by zero "
        "(installed_bad_import.py, line 1)",
        "bad_hook": "plugin 'bad_hook': register_costs: register(3) has no name that a config could write; "
        "pass one of letters, digits and underscores: register(..., name='my_name')",
        "misspelt": "plugin 'misspelt' implements an unknown hook 'register_lyers'; did you mean 'register_layers'?",
        "two": "plugin 'two' registers the cost 'mine', which plugin 'one' has registered already; "
        "rename one of the two: register(..., name='my_mine')",
    }


def test_a_file_loaded_twice_is_one_module_until_it_changes(write, tmp_path):
    name = write("mine.py", GOOD.format(name="mine"))
    first, again = (Plugins([name], folder=tmp_path, entry_points=False).get("costs", "mine") for _ in range(2))
    assert first.target is again.target
    (tmp_path / name).write_text(GOOD.format(name="mime"))  # as long, and within the same second
    os.utime(tmp_path / name, ns=(1, 1))
    assert Plugins([name], folder=tmp_path, entry_points=False).names("costs") == ["mime"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]  # no __pycache__ beside a person's config


def test_of_what_is_installed_only_some_may_be_wanted(installed):
    installed(bad_import="raise SystemExit", one=GOOD.format(name="mine"), two=GOOD.format(name="theirs"))
    plugins = Plugins(entry_points={"one"})
    assert plugins.names("costs") == ["mine"]
    assert plugins.problems == []  # what is not wanted is not imported


def test_a_listed_plugin_that_is_installed_too_is_no_duplicate(installed):
    installed(mine=GOOD.format(name="mine"))
    assert Plugins(["installed_mine"]).names("costs") == ["mine"]


def test_shared_is_made_once_for_all_threads():
    found = []
    threads = [threading.Thread(target=lambda: found.append(shared())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_importing_the_package_imports_neither_pluggy_nor_numpy():
    program = "import sys, trainer.plugins; print(sorted({'pluggy', 'numpy', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_looking_for_commands_does_not_import_what_ships():
    program = "from trainer.plugins import Plugins; Plugins().names('commands')"
    program = f"import sys; {program}; print('trainer_ops' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_what_ships_comes_before_a_strangers_even_when_it_is_imported_later():
    plugins = Plugins()
    plugins.names("commands")
    assert plugins.get("ops", "relu").package.startswith("tape-trainer ")
    assert plugins.get("layers", "dense").plugin == "trainer"


def test_hookimpl_is_pluggys_marker():
    from trainer import hookimpl

    assert isinstance(hookimpl, pluggy.HookimplMarker)


def test_whoever_misses_something_is_told_which_plugin_is_not_there(installed, monkeypatch):
    installed(good=GOOD.format(name="mine"), broken="import absent_package\n")
    plugins = Plugins()
    why = "plugin 'broken' failed to import: ModuleNotFoundError: No module named 'absent_package'"
    assert plugins.get("costs", "mine").name == "mine"
    with pytest.raises(PluginError) as caught:
        plugins.get("ops", "theirs")
    assert str(caught.value).startswith(f"unknown op 'theirs'; there are: none; {why}")
    monkeypatch.setattr(provider, "_provider", lambda: plugins)
    with pytest.raises(TrainerError) as caught:
        np.union1d(Tensor(np.ones(2)), np.ones(2))
    assert f"It may be one of a plugin's that is not there: {why}" in str(caught.value)
