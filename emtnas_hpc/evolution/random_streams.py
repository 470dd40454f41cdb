"""Random streams as pure functions of (seed, generation, task, purpose).

No generator lives longer than the phase that it was made for, so there is no generator state to
store, and a phase or a task that is added, left out or run in parallel changes no other stream.
"""

from enum import IntEnum

import numpy as np

from emtnas_hpc.errors import InputError

_WORD = 2**32


class Purpose(IntEnum):
    """What a stream is drawn for. Never renumber or reuse: the numbers are part of every result.

    A purpose is for numpy or for torch, never for both.
    """

    INITIAL = 0  # random chromosomes: those of generation 1, in a random search all
    BREEDING = 1  # parents, crossover, mutation, skill factors
    TRAINING_PATHS = 2  # the individual of every mini-batch
    TRAINING_IMAGES = 3  # the order of the training images
    AUGMENTATION = 4  # crops and flips of training images
    MASKS = 5  # torch: dropout and drop path
    VALIDATION_BATCH = 6  # the images of sampled evaluations
    VALIDATION_AUGMENTATION = 7  # crops and flips of validation images
    RECALIBRATION = 8  # the images that batch statistics are recomputed from
    TRUE_FITNESS = 9  # order, crops and flips of validation images, for a true fitness
    WEIGHTS = 10  # the initial weights of a supernet
    RETRAINING_WEIGHTS = 11  # torch: the initial weights of a network that is retrained
    RETRAINING_IMAGES = 12  # the order of the images in an epoch of a retraining
    RETRAINING_AUGMENTATION = 13  # crops, flips and cutouts in a step of a retraining
    RETRAINING_MASKS = 14  # torch: dropout and drop path in a step of a retraining


def stream(seed: int, generation: int, task: int | None, purpose: Purpose) -> np.random.Generator:
    """The numpy stream of a purpose.

    Args:
        seed: 0 to 2**32 - 1.
        generation: 1..T, or 0 for what comes before the first; of a retraining, epoch or step.
        task: index of the task, or None for what concerns the whole population.
        purpose: what will be drawn.

    Raises:
        InputError: the seed is out of range.
    """
    # PCG64 by name: numpy may change its default generator.
    return np.random.Generator(np.random.PCG64(_sequence(seed, generation, task, purpose)))


def torch_seed(seed: int, generation: int, task: int | None, purpose: Purpose) -> int:
    """The seed (63 bits) for the torch generator of a purpose; arguments as in `stream`."""
    words = _sequence(seed, generation, task, purpose).generate_state(1, np.uint64)
    return int(words[0]) >> 1


def _sequence(
    seed: int, generation: int, task: int | None, purpose: Purpose
) -> np.random.SeedSequence:
    # Numbers of one word each: longer ones could be split so that two different tuples coincide.
    if not 0 <= seed < _WORD:
        raise InputError(f"seed is {seed}, expected 0 to {_WORD - 1}")
    task_word = 0 if task is None else task + 1
    return np.random.SeedSequence((seed, generation, task_word, int(purpose)))
