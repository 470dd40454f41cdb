import pytest
from stand_ins import StandIns

from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.slurm.job_files import JobRecord, own_jobs
from emtnas_hpc.slurm.queue import Queue, QueuedJob, gone_jobs, knows_job, parse_queue, read_queue

WAITING = "2|emtnas-a-s0-01234567|PENDING|Dependency|0|N/A|afterany:1(unfulfilled)||\n"
RUNNING = "1|one|two|RUNNING|None|2|1795506337|(null)|n1|\n"


def test_a_job_that_waits_is_read_with_its_reason_and_no_times() -> None:
    assert parse_queue(WAITING) == [
        QueuedJob(
            job_id="2",
            name="emtnas-a-s0-01234567",
            state="PENDING",
            reason="Dependency",
            dependency="afterany:1(unfulfilled)",
        )
    ]


def test_a_job_that_runs_is_read_with_its_times_whatever_its_name_holds() -> None:
    [job] = parse_queue(RUNNING)
    assert (job.name, job.state, job.restarts) == ("one|two", "RUNNING", 2)
    assert (job.end_epoch, job.dependency, job.nodes) == (
        1795506337,
        "",
        "n1",
    )


def test_an_empty_queue_has_no_jobs() -> None:
    assert parse_queue("\n") == []


@pytest.mark.parametrize(
    ("state", "known"),
    [("RUNNING", True), ("PENDING", True), ("SUSPENDED", True), ("COMPLETED", False)],
)
def test_a_job_is_known_until_it_has_ended(stand_ins: StandIns, state: str, known: bool) -> None:
    stand_ins.queue(f"6|somebody's|{state}|None|0|N/A|(null)|n1|")
    assert knows_job("6") is known
    assert "--me" not in stand_ins.calls[0]


def test_a_job_that_slurm_has_forgotten_is_not_known(stand_ins: StandIns) -> None:
    stand_ins.queue()
    assert knows_job("6") is False


def test_a_queue_that_refuses_for_another_reason_says_nothing_of_a_job(
    stand_ins: StandIns,
) -> None:
    stand_ins.write("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(SchedulerError, match="Unable to contact"):
        knows_job("6")


NAME = "emtnas-a-s0-01234567"
OURS = JobRecord("01234567", NAME, 0.0, None, "12")
WHOLE = f"12|{NAME}|RUNNING|None|0|1795506337|(null)|n1|"
HEADING = "JOBID|NAME|STATE|REASON|RESTART_COUNT|END_TIME|DEPENDENCY|NODELIST|"


def parsed(*lines: str) -> tuple[Queue, list[str]]:
    queue = parse_queue("\n".join(lines) + "\n")
    return queue, [queue.notice] if queue.notice else []


def test_a_line_that_is_none_of_a_jobs_is_skipped_and_said() -> None:
    queue, said = parsed("*** maintenance on Monday ***", WHOLE)
    assert [job.job_id for job in queue] == ["12"]
    assert said == [
        'squeue printed a line that is none of a job\'s: "*** maintenance on Monday ***"'
    ]


def test_several_such_lines_are_counted_and_a_long_one_is_cut() -> None:
    _queue, [said] = parsed("=" * 300, "+---+", WHOLE)
    assert said.startswith("squeue printed 2 lines that are none of a job's, the first: \"====")
    assert said.endswith('..."')
    assert len(said) < 150


def test_squeues_own_heading_tells_an_empty_queue_from_a_notice_in_its_place() -> None:
    queue, said = parsed(HEADING, "| closed on Friday |")
    assert own_jobs([OURS], queue) == ()
    assert len(said) == 1
    queue, _said = parsed("*** maintenance on Monday ***")
    assert own_jobs([], queue) == ()
    with pytest.raises(SchedulerError) as refusal:
        own_jobs([OURS], queue)
    assert str(refusal.value) == 'squeue said "*** maintenance on Monday ***" instead of jobs'


@pytest.mark.parametrize("n_signs", range(1, len(WHOLE) + 1))
def test_a_job_is_never_taken_for_gone_where_its_line_is_cut(n_signs: int) -> None:
    queue, _said = parsed(HEADING, WHOLE[:n_signs])
    try:
        assert [job.name for job in own_jobs([OURS], queue)] == [NAME]
    except SchedulerError as error:
        assert "squeue printed a line of a job that is not understood" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "line",
    [
        f"|{NAME}|RUNNING|None|0|2|(null)|n1|",
        f"N/A|{NAME}|RUNNING|None|0|2|(null)|n1|",
        "s-a-s0-01234567|RUNNING|None|0|2|(null)|n1|",
        "567|RUNNING|None|0|2|(null)|n1|",
        "12|RUNNING|None|0|2|(null)|n1|",
        f"11|job|RUNNING|None|0|2|(null)|n1|{WHOLE}",
        f"Warning: {WHOLE}",
    ],
)
def test_a_line_that_may_hide_any_job_leaves_all_in_doubt(line: str) -> None:
    queue, _said = parsed(HEADING, line)
    with pytest.raises(
        SchedulerError, match="squeue printed a line of a job that is not understood"
    ):
        own_jobs([OURS], queue)


@pytest.mark.parametrize(
    "line",
    [
        WHOLE + "a column more|",
        WHOLE + "*** note ***",
        WHOLE.replace("n1|", ""),
        WHOLE.replace("|", " | "),
        WHOLE.replace("1795506337", "9" * 5000),
        WHOLE.replace("RUNNING|None|0", "SPECIAL_EXIT|(null)|unknown"),
        WHOLE + "\r",
        f"12|{NAME[:15]}|RUNNING|None|0|2|(null)|n1|",
    ],
)
def test_a_job_of_ours_is_found_whatever_its_other_columns_say(line: str) -> None:
    queue, _said = parsed(HEADING, line)
    assert [(job.job_id, job.name) for job in own_jobs([OURS], queue)] == [("12", NAME)]


def test_damage_to_other_jobs_does_not_stand_in_the_way_of_ours() -> None:
    for line in ("13|my jo", "13|emtnas-foo|bar|RUNNING|None|0|2|(null)|n1|", "7"):
        queue, _said = parsed(HEADING, line)
        assert own_jobs([OURS], queue) == ()
        with pytest.raises(SchedulerError):
            queue.without_doubt()


def test_numbers_that_are_none_are_unknown() -> None:
    odd = ("N/A", "-1", "8+", "\u00b2", "\u0663", "inf", "1e9", "9" * 5000)
    for text in odd:
        line = f"12|{NAME}|RUNNING|None|{text}|{text}|(null)|n1|"
        [job] = parsed(line)[0]
        assert (job.restarts, job.end_epoch) == (None, None)


def test_a_name_may_hold_a_line_break_and_the_number_be_of_an_array_or_of_parts() -> None:
    rest = "PENDING|None|0|N/A|(null)||"
    queue, said = parsed(
        f"3|my\njob|{rest}", f"12_[1-5]|b|{rest}", f"12_3|c|{rest}", f"9+0|d|{rest}"
    )
    assert [job.job_id for job in queue] == ["3", "12_[1-5]", "12_3", "9+0"]
    assert (queue[0].name, said) == ("my job", [])


def test_an_older_squeue_is_asked_by_user(stand_ins: StandIns) -> None:
    refuse = "echo \"squeue: unrecognized option '--me'\" >&2; exit 1"
    stand_ins.write("squeue", f'[ "$1" = --me ] && {{ {refuse}; }}; echo "{WHOLE}"')
    assert [job.job_id for job in read_queue()] == ["12"]


def test_a_user_s_own_filters_hide_no_job(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUEUE_PARTITION", "debug")
    stand_ins.write("squeue", f'[ -z "$SQUEUE_PARTITION" ] && echo "{WHOLE}"')
    assert len(read_queue()) == 1


def test_complaints_without_an_answer_are_no_empty_queue(stand_ins: StandIns) -> None:
    stand_ins.write("squeue", "echo 'slurm_load_jobs error: Unable to contact' >&2")
    with pytest.raises(SchedulerError, match=r"squeue gave no answer: .*Unable to contact"):
        read_queue()


@pytest.mark.parametrize("answer", ["", "echo '*** maintenance ***'", "echo; echo ' '"])
def test_a_job_is_not_gone_because_squeue_says_nothing_of_it(
    stand_ins: StandIns, answer: str
) -> None:
    stand_ins.write("squeue", answer)
    with pytest.raises(SchedulerError, match="squeue said"):
        knows_job("6")
    assert gone_jobs()("6") is None


def test_a_notice_beside_a_state_changes_nothing(stand_ins: StandIns) -> None:
    for state, known in (("COMPLETED", False), ("RUNNI", True), ("RESV_DEL_HOLD", True)):
        stand_ins.write("squeue", f"echo '*** maintenance ***'; echo {state}")
        assert knows_job("6") is known
