"""The kinds of site differ in what they are said to differ in."""

from pathlib import Path

import pytest
from clusters import NO_ACCOUNTING, NO_REQUEUE, NO_USER_SIGNAL, Cluster
from deadlines import wait_for

pytestmark = pytest.mark.slurm

#: Says which signals come, and goes on; the step and not the script is what SLURM signals.
STEP = "trap 'echo USR2' USR2; trap 'echo TERM' TERM; echo up; while :; do sleep 0.2; done"
SCRIPT = f'srun sh -c "{STEP}"'
ALL_GPUS = ("--nodes=2", "--gpus-per-node=2")


def start(cluster: Cluster, logs: Path, *options: str) -> str:
    """Submits the script to all GPUs; returns the job's id once it runs."""
    options = ("--signal=USR2@60", "--time=30", *ALL_GPUS, *options)
    job = cluster.submit(SCRIPT, *options, logs=logs)
    wait_for(lambda: "up" in output(logs, job), "the job", tell=cluster.tell)
    return job


def output(logs: Path, job: str) -> list[str]:
    file = logs / f"{job}.out"
    return file.read_text().split() if file.exists() else []


def preempt(cluster: Cluster, logs: Path) -> str:
    return cluster.submit("sleep 1", "--partition=urgent", *ALL_GPUS, logs=logs)


def wait_for_state(cluster: Cluster, job: str, state: str) -> None:
    wait_for(lambda: cluster.job(job).state == state, f"{job} is {state}", tell=cluster.tell)


def test_gpus_are_given_out(cluster: Cluster, tmp_path: Path) -> None:
    script = "echo $CUDA_VISIBLE_DEVICES; scontrol show job $SLURM_JOB_ID | grep -o rtx2080ti"
    job = cluster.submit(script, "--gpus=rtx2080ti:2", logs=tmp_path)
    wait_for_state(cluster, job, "COMPLETED")
    assert output(tmp_path, job)[:2] == ["0,1", "rtx2080ti"]


def test_a_preempted_job_gets_its_signal_and_is_requeued(cluster: Cluster, tmp_path: Path) -> None:
    job = start(cluster, tmp_path)
    preempt(cluster, tmp_path)
    wait_for(lambda: cluster.job(job).restarts, "a requeue", tell=cluster.tell)
    assert "USR2" in output(tmp_path, job)


def test_a_job_of_the_partition_scav_is_cancelled_when_it_is_preempted(
    cluster: Cluster, tmp_path: Path
) -> None:
    job = start(cluster, tmp_path, "--partition=scav")
    preempt(cluster, tmp_path)
    wait_for_state(cluster, job, "PREEMPTED")
    assert cluster.job(job).restarts == 0


def test_accounting_remembers_jobs(cluster: Cluster, tmp_path: Path) -> None:
    job = cluster.submit("exit 3", logs=tmp_path)
    line = f"{job}|FAILED|3:0\n"
    show = ("sacct", "-X", "-n", "-P", "-j", job, "--format=JobID,State,ExitCode")
    wait_for(lambda: cluster.run(*show) == line, "the job's row", tell=cluster.tell)


@pytest.mark.site(NO_USER_SIGNAL)
def test_a_preempted_job_is_told_by_sigterm_only_and_requeued(
    cluster: Cluster, tmp_path: Path
) -> None:
    job = start(cluster, tmp_path)
    preempt(cluster, tmp_path)
    wait_for(lambda: cluster.job(job).restarts, "a requeue", tell=cluster.tell)
    told = output(tmp_path, job)
    assert "TERM" in told
    assert "USR2" not in told


@pytest.mark.site(NO_REQUEUE)
def test_a_job_is_requeued_only_if_it_has_asked_for_it(cluster: Cluster, tmp_path: Path) -> None:
    options = ("--gpus=1",)
    jobs = [
        cluster.submit("sleep 1000", *asked, *options, logs=tmp_path)
        for asked in ((), ("--requeue",))
    ]
    for job in jobs:
        wait_for_state(cluster, job, "RUNNING")
    refusal, consent = (cluster.attempt("scontrol", "requeue", job) for job in jobs)
    assert "Requested operation is presently disabled" in refusal.stderr
    assert consent.returncode == 0


@pytest.mark.site(NO_ACCOUNTING)
def test_jobs_run_and_sacct_refuses(cluster: Cluster, tmp_path: Path) -> None:
    job = cluster.submit("true", logs=tmp_path)
    wait_for_state(cluster, job, "COMPLETED")
    done = cluster.attempt("sacct", "-X")
    assert done.returncode != 0
    assert "accounting storage is disabled" in done.stderr
