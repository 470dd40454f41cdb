from pathlib import Path

import pytest

from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.loading import Typed, experiments_of, read_study
from emtnas_hpc.settings.presets import preset_names, read_preset, study_names

STUDY = """
[[experiments]]
preset = "quickstart"
set = ["search.rmp=0.1"]

[[experiments]]
preset = "cifar10-single"
set = ['retraining.transfer=["cifar100"]']
"""
TRANSFER = 'retraining.transfer=["cifar100"]'


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of one's own."""
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    return file


def test_a_study_is_its_experiments_as_one_types_them(study: Path) -> None:
    first, second = read_study(str(study)) or ()
    assert first == Typed("quickstart", ("search.rmp=0.1",))
    assert str(first) == "quickstart --set search.rmp=0.1"
    assert str(second) == f"cifar10-single --set '{TRANSFER}'"
    assert second.words == ["cifar10-single", "--set", TRANSFER]


def test_whatever_is_no_study_is_an_experiment_with_all_overrides(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('extends = "cifar"\n')
    for name in ("cifar", str(file), "nowhere"):
        assert read_study(name) is None
        assert experiments_of(name, ["search.rmp=0.2"]) == (Typed(name, ("search.rmp=0.2",)),)


def test_no_study_has_the_name_of_a_preset() -> None:
    assert not set(study_names()) & set(preset_names())


def test_overrides_go_over_those_of_the_study(study: Path) -> None:
    first, second = experiments_of(str(study), ["search.rmp=0.2"])
    assert first.overrides == ("search.rmp=0.1", "search.rmp=0.2")
    assert second.overrides == (TRANSFER, "search.rmp=0.2")


def test_an_override_of_a_task_goes_over_the_experiments_that_have_it(study: Path) -> None:
    digits, cifar100 = "task.digits.padding=2", "task.cifar100.source=npz:cifar100.npz"
    first, second = experiments_of(str(study), [digits, "threads=2", cifar100])
    assert first.overrides == ("search.rmp=0.1", "threads=2", digits)
    assert second.overrides == (TRANSFER, "threads=2", cifar100)


def test_an_override_of_a_task_that_no_experiment_has_is_refused(study: Path) -> None:
    with pytest.raises(InputError) as caught:
        experiments_of(str(study), ["task.pathmnist.padding=2"])
    assert str(caught.value) == (
        "task.pathmnist is set, but the tasks of the study are mnist5k, digits, cifar10, cifar100"
    )


def test_an_experiment_beside_its_study_is_found_from_everywhere(study: Path) -> None:
    (study.parent / "mine.toml").write_text('extends = "quickstart"\n')
    study.write_text('[[experiments]]\npreset = "mine.toml"\n')
    assert read_study(str(study)) == (Typed(str(study.parent / "mine.toml")),)


def test_an_experiment_that_cannot_be_read_is_told_with_its_study(study: Path) -> None:
    study.write_text(f'{STUDY}\n[[experiments]]\npreset = "cifra"\n')
    with pytest.raises(InputError) as caught:
        experiments_of(str(study), [])
    assert str(caught.value).startswith(f"{study}, cifra: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("experiments = []", "a study is one or more tables [[experiments]]"),
        ("experiments = 3", "a study is one or more tables [[experiments]]"),
        (f"threads = 2\n{STUDY}", "a study is one or more tables [[experiments]]"),
        ("experiments = [3]", 'experiment 1 is 3, expected preset = "cifar" and, if need be, '),
        ("[[experiments]]\nset = []", "experiment 1 is {'set': []}, expected preset = "),
        (f'{STUDY}\n[[experiments]]\npreset = "a"\nseeds = 5', "experiment 3 is {'preset': 'a', "),
        ("[[experiments]]\npreset = 3", "preset of experiment 1 is 3, expected text"),
        (
            '[[experiments]]\npreset = "cifar"\nset = "a=1"',
            "set of experiment 1 is 'a=1', expected",
        ),
        ('[[experiments]]\npreset = "cifar"\nset = [1]', "set of experiment 1 is [1], expected a"),
    ],
)
def test_a_study_of_another_form_is_refused(study: Path, text: str, message: str) -> None:
    study.write_text(text)
    with pytest.raises(InputError) as caught:
        read_study(str(study))
    assert str(caught.value).startswith(f"{study}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["experiments = 3", "experiments = [3, {set = 3}]"])
def test_a_study_of_another_form_is_no_experiment_either(study: Path, text: str) -> None:
    study.write_text(text)
    with pytest.raises(InputError, match="is a study, expected one experiment; its experiments"):
        read_preset(str(study))
