import string
from collections.abc import Callable

import hypothesis.strategies as st
import pytest
from hypothesis import given

from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.experiment import (
    EvaluationSettings,
    Experiment,
    RetrainingSettings,
    RunSettings,
    SearchSettings,
    SupernetSettings,
    TaskSettings,
    TrainingSettings,
)
from emtnas_hpc.settings.names import StoredExperiment, dump_stored, parse_stored

Load = Callable[..., Experiment]

probability = st.floats(0, 1)
count = st.integers(1, 1_000_000)
positive = st.floats(0, exclude_min=True, allow_infinity=False)
names = st.text(string.ascii_letters + string.digits, min_size=1, max_size=20)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """Any settings that are allowed, sources with any text that a path may have."""
    tasks = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    population = st.integers(3, 1_000_000)
    search = st.builds(
        SearchSettings,
        generations=count,
        population=population,
        rmp=probability,
        reevaluate=st.booleans(),
        mutation=st.sampled_from(("redraw", "step")),
    )
    training = st.builds(
        TrainingSettings,
        batches=count | st.just("epoch"),
        learning_rate=positive,
        nesterov=st.booleans(),
    )
    task = st.builds(
        TaskSettings,
        source=st.text(st.characters(codec="utf-8")),
        pool=count,
        mean=st.lists(st.floats(allow_nan=False, allow_infinity=False)).map(tuple),
        std=st.lists(positive).map(tuple),
    )
    retraining = st.builds(
        RetrainingSettings,
        normal_cells=st.lists(st.integers(1, 9), unique=True).map(tuple),
        learning_rate=positive,
        origin=st.text(st.characters(codec="utf-8")),
    )
    return Experiment(
        name=draw(names),
        tasks=tuple(tasks),
        search=draw(search),
        supernet=draw(st.builds(SupernetSettings, channels=count)),
        training=draw(training),
        evaluation=draw(st.builds(EvaluationSettings, chunk_size=count)),
        retraining=draw(retraining),
        run=draw(st.builds(RunSettings, commit_interval_s=positive)),
        task={name: draw(task) for name in tasks},
    )


@given(experiments(), st.integers(0, 2**32 - 1))
def test_what_is_stored_comes_back_and_has_the_same_identity(
    experiment: Experiment, seed: int
) -> None:
    data = dict.fromkeys(experiment.tasks, "0a" * 32)
    stored = StoredExperiment(experiment, seed, data, {"search": "f" * 64})
    found = parse_stored(dump_stored(stored), "a file")
    assert found == stored
    assert found.identity.signature == stored.identity.signature


def test_a_run_of_before_there_were_retrainings_is_read_as_one_without(load: Load) -> None:
    stored = StoredExperiment(load("cifar"), 3, {"cifar10": "d"}, {"search": "s"})
    text = dump_stored(stored)
    section = text[text.index("[experiment.retraining]") : text.index("[experiment.run]")]
    found = parse_stored(text.replace(section, ""), "a file")
    assert found.experiment.retraining.normal_cells == ()
    assert found.identity.signature == stored.identity.signature


def test_the_file_says_who_wrote_it_and_reads_as_toml(load: Load) -> None:
    text = dump_stored(StoredExperiment(load("cifar"), 3, {"cifar10": "d"}, {"search": "s"}))
    assert text.startswith("# Written by emtnas-hpc when the run began;")
    assert "seed = 3\n" in text
    assert "[experiment.search]\ngenerations = 300\n" in text


WHOLE = 'seed = 3\ndata = {a = "d"}\nsignatures = {search = "s"}\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("seed = ", "Invalid value (at end of document)"),
        ("seed = 3", "data: Field required"),
        (WHOLE, "experiment: Field required"),
        (WHOLE.replace("3", '"3"'), "seed: Input should be a valid integer"),
        (WHOLE.replace('"d"', "1"), "data.a: Input should be a valid string"),
        (WHOLE + "experiment = 3", "experiment: Input should be a valid dictionary"),
        (WHOLE + "[experiment.search]\nrmp = 2", "search.rmp is 2, expected a number from 0 to 1"),
    ],
)
def test_a_file_that_is_none_of_ours_is_named_with_the_reason(text: str, reason: str) -> None:
    if "[experiment" in text:
        text += '\n[experiment]\nname = "x"\ntasks = ["a"]\n[experiment.task.a]\nsource = ""\n'
    with pytest.raises(InputError) as caught:
        parse_stored(text, "there/experiment.toml")
    assert str(caught.value) == (
        f"there/experiment.toml is not the experiment.toml of a run: {reason}"
    )
