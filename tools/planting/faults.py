"""Faults that the tests must notice, one at a time; each is a slip that a person could make."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A slip, and who notices it.

    Attributes:
        name: what goes wrong, in words.
        snippet: code that is in the package exactly once; white space counts as one blank.
        replacement: what stands there instead.
        tests: names of test functions, of which at least one must fail.
    """

    name: str
    snippet: str
    replacement: str
    tests: tuple[str, ...]


FAULTS = (
    # space
    Fault(
        "a reduction cell is counted as wide as the cell before it",
        "channels, size = 2 * channels, size // 2",
        "channels, size = channels, size // 2",
        ("test_the_frame_costs_its_convolutions_and_its_classifier",),
    ),
    Fault(
        "a block may read itself",
        "INPUT_NAMES[: N_CELL_INPUTS + block]",
        "INPUT_NAMES[: N_CELL_INPUTS + block + 1]",
        ("test_a_bad_line_says_where_and_what_was_expected",),
    ),
    # evolution
    Fault(
        "the weakest survive",
        "standing.values(), key=_rank, reverse=True",
        "standing.values(), key=_rank, reverse=False",
        ("test_the_best_of_parents_and_offspring_survive_the_fittest_first",),
    ),
    Fault(
        "a survivor is its own clone and is kept twice",
        "standing[individual.chromosome] is not individual",
        "standing[individual.chromosome] is individual",
        ("test_the_youngest_clones_fill_a_share_that_too_few_chromosomes_leave",),
    ),
    Fault(
        "raw fitness gives the easier task most draws",
        "/ total if total else",
        "if total else",
        ("test_an_easy_task_is_drawn_no_more_often_than_a_hard_one",),
    ),
    Fault(
        "re-evaluation leads away from the accuracy",
        "parent_fitness + (sampled_accuracy - parent_fitness) * trust",
        "parent_fitness - (sampled_accuracy - parent_fitness) * trust",
        ("test_fitness_is_damped_by_the_logarithm_of_the_generation",),
    ),
    Fault(
        "all seeds draw from one random stream",
        "SeedSequence((seed, generation,",
        "SeedSequence((0, generation,",
        ("test_no_two_places_draw_the_same", "test_streams_are_the_same_on_every_machine"),
    ),
    # supernet
    Fault(
        "dropout does not make up for what it drops",
        "return kept / probability",
        "return kept * 1.0",
        ("test_masks_keep_with_the_right_probability_and_the_right_weight",),
    ),
    Fault(
        "drop path forgets the mask of one branch",
        "a * branches[block, 0], b * branches[block, 1]",
        "a * branches[block, 0], b",
        ("test_a_branch_that_drop_path_drops_adds_nothing",),
    ),
    Fault(
        "no weight decays",
        "weight_decay=self._settings.weight_decay",
        "weight_decay=0.0",
        ("test_steps_on_one_path_equal_those_of_torchs_sgd",),
    ),
    Fault(
        "an evaluation moves the shared batch statistics",
        "F.batch_norm(x, None, None,",
        "F.batch_norm(x, norm.running_mean, norm.running_var,",
        ("test_batch_takes_its_own_statistics_and_stores_nothing",),
    ),
    # data
    Fault(
        "mean and deviation are swapped where images are normalised",
        ".sub_(self._mean).div_(self._std)",
        ".sub_(self._std).div_(self._mean)",
        ("test_plain_batches_are_normalised_and_neither_padded_cropped_nor_flipped",),
    ),
    Fault(
        "the image after every fifth is held out",
        "else HELD_OUT_EVERY - 1",
        "else HELD_OUT_EVERY",
        ("test_every_fifth_image_of_a_class_is_held_out_for_validation",),
    ),
    Fault(
        "a search reads the test set",
        'SEEN_BY_A_SEARCH: Final[tuple[Split, ...]] = ("train", "val")',
        'SEEN_BY_A_SEARCH: Final[tuple[Split, ...]] = ("train", "val", "test")',
        ("test_a_search_does_without_the_test_set",),
    ),
    Fault(
        "the digest of prepared images is not compared",
        "found = hashlib.sha256(content).hexdigest()",
        "found = expected",
        ("test_a_flipped_bit_is_found_on_loading_with_both_digests_and_the_mending_command",),
    ),
    # checkpoint
    Fault(
        "files are not waited for until they are on the disk",
        "file.write(data) file.flush() os.fsync(file.fileno())",
        "file.write(data)",
        ("test_a_refused_write_leaves_the_old_file_and_no_other",),
    ),
    Fault(
        "the manifest of a commit is written first",
        "write(temporary) manifest = self._seal(temporary, step, summary)",
        "manifest = self._seal(temporary, step, summary); write(temporary)",
        ("test_what_a_writer_leaves_open_to_damage_is_synced_before_the_manifest",),
    ),
    Fault(
        "of a requeued job the earlier start owns the run",
        "me.restart_count > owner.restart_count",
        "me.restart_count < owner.restart_count",
        ("test_a_requeued_job_takes_over_from_its_earlier_incarnation",),
    ),
    Fault(
        "the lock is not taken",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        ("test_one_whose_patience_ends_is_refused_and_never_goes_on_beside_the_other",),
    ),
    # runner
    Fault(
        "a signal does not stop the loop",
        "not (stop.requested or reason)",
        "not reason",
        ("test_a_stop_lets_the_step_end_and_commits_it",),
    ),
    Fault(
        "a step that cannot end in the grace time goes on",
        "max(now, self._began + self.expected_s) > self._grace_ends",
        "min(now, self._began + self.expected_s) > self._grace_ends",
        ("test_a_step_that_is_expected_to_end_too_late_is_interrupted_at_once",),
    ),
    # search and its history
    Fault(
        "the last generation has no true fitness",
        "if not due and generation != self._settings.generations:",
        "if not due:",
        ("test_true_fitness_is_measured_when_due_and_always_in_the_last_generation",),
    ),
    Fault(
        "the learning rate is a generation ahead",
        "math.pi * (step - 1) / n_steps",
        "math.pi * step / n_steps",
        ("test_the_learning_rate_falls_with_the_generation_and_is_never_zero",),
    ),
    Fault(
        "state.h5 does not say its generation",
        'file.attrs["generation"] = history.generation',
        "pass",
        ("test_a_commit_of_a_search_is_laid_out_as_on_record",),
    ),
    Fault(
        "a step takes the mean of the newest ten, not their median",
        "return statistics.median(seconds[-_N_RECENT:]) if",
        "return statistics.fmean(seconds[-_N_RECENT:]) if",
        (
            "test_seconds_are_the_median_of_the_newest_ten_over_all_tasks_and_phases",
            "test_a_record_in_the_middle_tells_epochs_and_the_median_of_the_newest_ten",
        ),
    ),
    # retraining
    Fault(
        "a retraining leaves out the validation images",
        "splits = trained_on(self.spec.settings)",
        'splits = ("train",)',
        ("test_training_sees_training_and_validation_images",),
    ),
    Fault(
        "drop path begins in the first epoch",
        "self.settings.drop_path * (epoch - 1)",
        "self.settings.drop_path * epoch",
        ("test_drop_path_rises_linearly_from_0_to_its_value",),
    ),
    # SLURM
    Fault(
        "a run is given up a start too late",
        "if len(failures) < MAX_FAILURES:",
        "if len(failures) <= MAX_FAILURES:",
        ("test_a_run_is_given_up_if_three_failures_came_since_its_last_progress",),
    ),
    Fault(
        "a job is recorded after SLURM has heard of it",
        "record = new_record(run, after) write_record(run.jobs, record)",
        "record = new_record(run, after)",
        ("test_a_job_is_recorded_before_and_after_slurm_hears_of_it",),
    ),
    Fault(
        "a user's filter for squeue hides jobs",
        '("SQUEUE_", "SINFO_", "SACCT_")',
        '("SINFO_", "SACCT_")',
        ("test_a_user_s_own_filters_hide_no_job",),
    ),
    Fault(
        "one slow seed stretches the plan of all",
        "{name: statistics.median(seconds) for name",
        "{name: statistics.fmean(seconds) for name",
        ("test_a_seed_that_was_slow_does_not_change_what_is_expected_of_the_others",),
    ),
    Fault(
        "the lead time is added to a limit",
        "return 60.0 * profile.time - profile.lead_time_s",
        "return 60.0 * profile.time + profile.lead_time_s",
        ("test_a_generation_that_no_job_holds_is_warned_of",),
    ),
    # report
    Fault(
        "Holm's adjustment is missing",
        "(len(p_values) - rank) * p_values[i]",
        "p_values[i]",
        ("test_holm_is_worked_out_by_hand",),
    ),
    Fault(
        "groups of other sizes are compared without their spreads",
        "np.where(gap == 0, 0.0, gap / error)",
        "gap",
        ("test_the_permutation_test_agrees_with_scipy",),
    ),
    # command line and export
    Fault(
        "a run that another process owns has the exit code of any failure",
        '"""Another living process owns the run directory.""" exit_code = 3',
        '"""Another living process owns the run directory."""',
        ("test_a_search_in_the_foreground_is_left_alone_and_how_to_stop_it_is_said",),
    ),
    Fault(
        "the JSON of status has another key",
        '"unmeasured_stages":',
        '"unmeasured":',
        ("test_json_lists_all_stages_of_a_run",),
    ),
    Fault(
        "the seeds of --seeds 5 begin with 1",
        "tuple(range(numbers[0]))",
        "tuple(range(1, numbers[0] + 1))",
        ("test_a_number_says_how_many_seeds_and_a_list_which",),
    ),
    Fault(
        "an exported cell hands on the wrong input",
        "for name in self.outputs], dim=1)), x",
        "for name in self.outputs], dim=1)), x_prev",
        ("test_a_module_stays_as_it_is_remembered",),
    ),
)
