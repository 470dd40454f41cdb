"""A setting that came later: experiments from before it stay what they were."""

from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.settings.experiment import TaskSettings, identify
from emtnas_hpc.settings.loading import load_experiment
from emtnas_hpc.settings.names import StoredExperiment, dump_stored, parse_stored


def test_a_plain_stem_is_no_part_of_a_search_signature() -> None:
    plain = load_experiment("quickstart", registry=REGISTRY)
    strided = load_experiment("quickstart", ["task.digits.stem=strided"], registry=REGISTRY)
    data = {"mnist5k": "a", "digits": "b"}
    assert not [name for name in identify(plain, 0, data).values if name.endswith(".stem")]
    assert identify(strided, 0, data).values["task.digits.stem"] == "strided"


def test_a_stored_experiment_from_before_it_is_read_and_written_as_it_was() -> None:
    experiment = load_experiment("quickstart", registry=REGISTRY)
    text = dump_stored(StoredExperiment(experiment, 0, {}, {}))
    assert "stem" not in text
    read = parse_stored(text, "experiment.toml").experiment
    assert read == experiment
    assert read.task["digits"].stem == "plain"


def test_a_strided_stem_is_stored_and_read_back() -> None:
    task = TaskSettings(source="npz:a.npz", stem="strided")
    assert TaskSettings(**task.model_dump()) == task


def test_the_number_of_data_workers_is_no_part_of_any_identity_or_name() -> None:
    from emtnas_hpc.settings.names import recipe_label

    few, many = (
        load_experiment("quickstart", [f"retraining.data_workers={n}"], registry=REGISTRY)
        for n in (0, 9)
    )
    assert identify(few, 0, {}) == identify(many, 0, {})
    assert recipe_label(few.retraining) == recipe_label(many.retraining) == "quick"
