from dataclasses import replace


def test_two_unmeasured_individuals_that_agree_are_equal(individual) -> None:
    assert individual(1, fitness=float("nan")) == individual(1, fitness=float("nan"))


def test_a_measured_individual_differs_from_its_unmeasured_self(individual) -> None:
    unmeasured = individual(1, fitness=float("nan"))
    assert replace(unmeasured, fitness=0.5) != unmeasured


def test_an_individual_is_found_in_a_set_by_value(individual) -> None:
    assert individual(1) in {individual(1), individual(2)}
    assert individual(3) not in {individual(1), individual(2)}


def test_an_individual_is_not_its_id(individual) -> None:
    assert individual(1) != 1
