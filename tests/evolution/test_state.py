from emtnas_hpc.evolution.state import Incumbent, name_incumbent


def test_the_first_true_fitness_names_an_incumbent() -> None:
    assert name_incumbent(None, Incumbent(3, 0.1)) == Incumbent(3, 0.1)


def test_a_worse_individual_does_not_take_over() -> None:
    assert name_incumbent(Incumbent(3, 0.5), Incumbent(9, 0.4)) == Incumbent(3, 0.5)


def test_of_equally_true_fitness_the_later_takes_over() -> None:
    assert name_incumbent(Incumbent(9, 0.5), Incumbent(3, 0.5)) == Incumbent(3, 0.5)
