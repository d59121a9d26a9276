"""A configuration becomes objects, or one sentence says what is wrong with it."""

import dataclasses
import re
import tomllib

import pytest

from sosjax._errors import InputError
from sosjax.cli._config import example_text, parse_config, read_config, with_seed
from sosjax.cli._keys import KEYS
from sosjax.environments._environment import Environment
from sosjax.search._settings import Settings
from sosjax.training._adaptation import Adaptation
from sosjax.training._recovery import Recovery

MODEL = '[model]\nname = "fashion-resnet"\n'
DATA = '[data]\nname = "fashion-mnist"\n'
TASK = '[[tasks]]\nname = "tops"\nclasses = ["Coat", "Shirt"]\n'
SMALL = MODEL + DATA + TASK
OWN = '[model]\npath = "w"\n'


def parse(text, folder):
    return parse_config(text, folder, "the text")


def test_example_is_valid_and_means_the_defaults(tmp_path):
    config = parse(example_text(), tmp_path)
    assert config.settings == Settings()
    assert config.recovery == Recovery()
    assert config.text == example_text()
    assert [task.name for task in config.tasks] == ["tops", "accessories", "long", "summer"]
    assert config.environments == (
        Environment("sensor", bytes=32_000),
        Environment("watch", parameters=20_000),
        Environment("phone", flops=2_500_000),
    )
    assert config.model.name == "fashion-resnet"
    assert config.data.path is None


def test_example_shows_every_key_and_no_other():
    every_line = re.sub(r"(?m)^# (\w+ = |\[\w+\]$)", r"\1", example_text())
    shown = {"": set()}
    for key, value in tomllib.loads(every_line).items():
        shown[""].add(key)
        tables = value if isinstance(value, list) else [value]
        for table in tables:
            if isinstance(table, dict):
                shown.setdefault(key, set()).update(table)
    assert shown == {section: set(keys) for section, keys in KEYS.items()}


def test_search_keys_are_the_fields_of_settings():
    assert set(KEYS["search"]) == {field.name for field in dataclasses.fields(Settings)}


def test_adaptation_is_as_asked_or_none(tmp_path):
    assert set(KEYS["adaptation"]) == {field.name for field in dataclasses.fields(Adaptation)}
    assert parse(SMALL, tmp_path).adaptation is None
    assert parse(example_text(), tmp_path).adaptation is None
    assert parse(SMALL + "[adaptation]\n", tmp_path).adaptation == Adaptation()
    shown = re.sub(r"(?m)^# (\w+ = |\[\w+\]$)", r"\1", example_text())
    values = tomllib.loads(shown)["adaptation"]
    assert Adaptation(**values | {"images": None}) == Adaptation()


def test_recovery_keys_are_the_fields_of_recovery():
    assert set(KEYS["recovery"]) == {field.name for field in dataclasses.fields(Recovery)}


def test_small_configuration_has_defaults(tmp_path):
    config = parse(SMALL, tmp_path)
    assert config.settings == Settings()
    assert config.recovery == Recovery()
    assert config.environments == ()


def test_whole_numbers_serve_as_numbers(tmp_path):
    assert parse(SMALL + "[search]\nrmp = 1\n", tmp_path).settings.rmp == 1


def test_seed_is_the_only_change(tmp_path):
    text = with_seed(example_text(), 7)
    assert parse(text, tmp_path).settings == Settings(seed=7)
    assert parse(text, tmp_path).recovery == Recovery(seed=7)
    changed = set(text.splitlines()) ^ set(example_text().splitlines())
    assert {line.split("#")[0].rstrip() for line in changed} == {"seed = 0", "seed = 7"}


def test_byte_order_mark_and_windows_lines_are_read(tmp_path):
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert read_config(path).tasks[0].name == "tops"


def test_relative_paths_are_relative_to_the_file_and_survive_a_copy(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "w").write_bytes(b"")
    path = tmp_path / "c.toml"
    path.write_text(OWN + DATA + TASK)
    config = read_config(path)
    assert config.model.path == tmp_path / "w"
    copy = tmp_path / "run" / "config.toml"
    copy.write_text(config.text)
    again = read_config(copy)
    assert again.model == config.model
    assert again.text == config.text


def test_absolute_paths_leave_the_text_alone(tmp_path):
    text = MODEL + DATA + f"folder = '{tmp_path}'\n" + TASK
    assert parse(text, tmp_path).text == text


def sentence(text, folder):
    with pytest.raises(InputError) as caught:
        parse(text, folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[search]\npoplation = 2", "`search.poplation` is not a known key"),
        ("[search]\npoplation = 2", "(did you mean `search.population`?)"),
        ("[search]\nclasses = 2", "(did you mean `tasks.classes`?)"),
        ("[adaptation]\nepoch = 2", "(did you mean `adaptation.epochs`?)"),
        ("[adaptation]\nrate = '1'", "`adaptation.rate` must be a number, got '1'."),
        ("[adaptation]\nlow = 0.9\nhigh = 0.8", "`adaptation.high` must be a number from 0.9 to"),
        ("[recovery]\nepoch = 2", "(did you mean `recovery.epochs`?)"),
        ("[recovery]\nepochs = 2.5", "`recovery.epochs` must be a whole number, got 2.5."),
        ("[recovery]\nepochs = 0", "`recovery.epochs` must be a whole number from 1 to 1e+06"),
        ("[recovery]\nparts = 'norm'", "got 'norm' (did you mean 'norms'?)."),
        ("[recovery]\nimages = 9", "`recovery.images` must be at least a batch of 64, got 9."),
        ("[[recovery]]\n", "`recovery` must be a section ([recovery]), got a list of sections."),
        ("[serch]\n", "`serch` is not a known key"),
        ("[serch]\n", "(did you mean `search`?)"),
        ("[[environments]]\nname = 'a'\nflop = 1", "(did you mean `environments.flops`?)"),
        ("[[environments]]\nname = 'a'\nflop = 1", " in [[environments]] number 1"),
        ("[[tasks]]\nname = 'b'\nclass = ['Bag']", "`tasks.class` is not a known key in [[tasks]]"),
        ("[[tasks]]\nname = 'b'\nclass = ['Bag']", "number 2"),
        ("[[tasks]]\nname = 'b'\nclass = ['Bag']", "(did you mean `tasks.classes`?)"),
        ("[search]\nzzzzz = 2", "must be one of objectives, strategy, encoding"),
        ("[search]\nhalving = 64", "`search.halving` must be a list of whole numbers, got 64."),
        ("[search]\nhalving = [64.5]", "must be a list of whole numbers, got [64.5]."),
        ("[search]\npopulation = '40'", "`search.population` must be a whole number, got '40'."),
        ("[search]\npopulation = 40.0", "`search.population` must be a whole number, got 40.0."),
        ("[search]\npopulation = true", "`search.population` must be a whole number, got True."),
        ("[search]\nrmp = 'x'", "`search.rmp` must be a number, got 'x'."),
        ("[search]\nrmp = nan", "`search.rmp` must be a number from 0 to 1, got nan."),
        ("[search]\nrmp = 1.5", "`search.rmp` must be a number from 0 to 1, got 1.5."),
        ("[search]\nstrategy = 2", "`search.strategy` must be a text in quotes, got 2."),
        ("[search]\nstrategy = 'mo-mfa'", "(did you mean 'mo-mfea'?)"),
        (
            "[search]\nobjectives = 'error'",
            "`search.objectives` must be a list of texts in quotes, got 'error'.",
        ),
        ("[search]\nobjectives = ['error', 2]", "must be a list of texts in quotes"),
        ("[[search]]\n", "`search` must be a section ([search]), got a list of sections."),
        (
            "[environments]\nname = 'a'",
            "`environments` must be a list of sections ([[environments]]), got a section.",
        ),
        ("[[environments]]\nbytes = 1", "`environments.name` must be a text in quotes, got none"),
        ("[[environments]]\nname = 'a'", "must limit parameters, bytes, flops or, with a device, "),
        ("[[environments]]\nname = 'a'\nbytes = -1", "must be a number at least 1, got -1."),
        ("[[environments]]\nname = 'a'\nbytes = '1k'", "must be a number, got '1k' in"),
        (
            "[[environments]]\nname = 'a'\nbytes = 1\n[[environments]]\nname = 'a'\nflops = 1",
            "`environments` must have different names, got twice: a.",
        ),
        (TASK, "`tasks` must have different names, got twice: tops."),
        ("[[tasks]]\nname = 'b'\nclasses = []", "must name two or more classes, got 0."),
        ("[[tasks]]\nname = 'b'", "`tasks.classes` must be a list of texts in quotes, got none"),
        ("[[tasks]]\nname = ' '\nclasses = ['Bag']", "must be a printable name"),
        ("[[tasks]]\nname = 'b'\nclasses = ['Bag', 'Bag']", "got twice: Bag."),
        ("[[tasks]]\nname = 'b'\nclasses = ['Bag', 'Cot']", "(did you mean 'Coat'?)"),
        ("[[tasks]]\nname = 'b'\nclasses = 'Bag'", "must be a list of texts in quotes, got 'Bag'"),
        ("x = = 2", "the text must be TOML, got a mistake: Invalid value (at line 8, column 5)."),
    ],
)
def test_bad_section(text, wanted, tmp_path):
    assert wanted in sentence(SMALL + text, tmp_path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "`model` must be a section, got none: add [model]"),
        (MODEL + TASK, "`data` must be a section, got none: add [data]"),
        (MODEL + DATA, "`tasks` must be one or more sections, got none: add [[tasks]]"),
        ("tasks = []\n" + MODEL + DATA, "`tasks` must be one or more sections, got none"),
        ("population = 2\n" + SMALL, "(did you mean `search.population`?)"),
        ("model = 'resnet'\n" + DATA + TASK, "`model` must be a section ([model]), got 'resnet'."),
        ("[model]\n" + DATA + TASK, "`model.name` must be a text in quotes, got none."),
        ("base = 'here'\n" + SMALL, "`base` must be an absolute path, got 'here'."),
    ],
)
def test_bad_whole(text, wanted, tmp_path):
    assert wanted in sentence(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (MODEL + "family = 'bert'\n", "`model.family` must be left out unless `model.path` is"),
        (MODEL + "license = 'mit'\n", "`model.license` must be left out unless `model.path` is"),
        (MODEL + "weights = 'w'\n", "`model.weights` is not a known key: it must be one of"),
        ("[model]\nname = 'resnet'\n", "`model.name` must be one of fashion-resnet, got 'resnet'"),
        (OWN.replace('"w"', '"v"'), "must be a folder or a weights file, got no such path: "),
        (OWN.replace('"w"', '""'), "`model.path` must be a path, got ''."),
        (OWN.replace('"w"', r'"\u0000"'), r"`model.path` must be a path, got '\x00'."),
        (OWN.replace('"w"', '"~nobody-here/w"'), "of an unknown user: ~nobody-here/w."),
        (OWN + "options = 3\n", "`model.options` must be a section"),
        (OWN + "granularity = 0\n", "`model.granularity` must be a whole number at least 1"),
    ],
)
def test_bad_model(text, wanted, tmp_path):
    (tmp_path / "w").write_bytes(b"")
    assert wanted in sentence(text + DATA + TASK, tmp_path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name = 'mnist'", "`data.name` must be one of fashion-mnist, got 'mnist'"),
        ("name = 'fashion-mnist'\nfolder = 'v'", "with the four idx files, got no such folder: "),
        ("name = 'fashion-mnist'\nfolder = 'w'", "with the four idx files, got a file: "),
        ("name = 'fashion-mnist'\npath = 'w'", "`data.path` must be left out unless `data.format`"),
        ("format = 'idy'\npath = 'w'", "`data.format` must be one of idx, cifar10, cifar100"),
        ("format = 'idx'", "`data.path` must be a text in quotes, got none."),
        ("format = 'idx'\npath = 'v'", "`data.path` must be a file or a folder, got none: "),
        ("format = 'idx'\npath = 'w'\nlabel = 'a'", "`data.label` must be left out for the format"),
        ("format = 'table'\npath = 'w'", "`data.label` must be a text in quotes, got none."),
        ("format = 'table'\npath = 'w'\nlabel = 'a'", "`text` or columns `inputs`, got neither."),
        ("format = 'series'\npath = 'w'\ninputs = []", "`data.values` must be a list of texts"),
        ("format = 'images'\npath = 'w'\nsize = [8, 8]", "`data.size` is not a known key"),
        ("format = 'idx'\npath = 'w'\nshares = 1", "`data.shares` must be a list of numbers"),
    ],
)
def test_bad_data(text, wanted, tmp_path):
    (tmp_path / "w").write_bytes(b"")
    assert wanted in sentence(f"{MODEL}[data]\n{text}\n{TASK}", tmp_path)


def test_bad_files(tmp_path):
    for path, content, wanted in (
        (tmp_path / "none.toml", None, "`CONFIG` must be a TOML file, got no such file: "),
        (tmp_path, None, "`CONFIG` must be a TOML file, got a folder: "),
        (tmp_path / "latin.toml", b"# caf\xe9", "`CONFIG` must be TOML in UTF-8, got byte 5 of "),
    ):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=re.escape(f"{wanted}{path}")):
            read_config(path)
