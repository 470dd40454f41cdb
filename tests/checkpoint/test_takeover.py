import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emtnas_hpc.checkpoint.ownership import (
    UNKNOWN_START,
    Owner,
    OwnerFacts,
    Verdict,
    judge_takeover,
    observe_owner,
    process_start,
    this_process,
)

ME = Owner("me", "node1", "boot1", "pid:[1]", 100, 1000, "now", machine_id="m1")
OLD = Owner("old", "node1", "boot1", "pid:[1]", 50, 500, "then", machine_id="m1")
FAR = replace(OLD, host="node2", boot_id="boot2", machine_id="m2")
ALIVE = OwnerFacts(process_start=500)
DEAD = OwnerFacts(process_start=None)


def test_a_living_process_of_this_machine_keeps_its_run() -> None:
    assert judge_takeover(OLD, ME, ALIVE) is Verdict.REFUSE


def test_a_dead_process_of_this_machine_loses_its_run() -> None:
    assert judge_takeover(OLD, ME, DEAD) is Verdict.TAKE


def test_a_pid_that_another_process_has_now_is_no_sign_of_life() -> None:
    assert judge_takeover(OLD, ME, OwnerFacts(process_start=900)) is Verdict.TAKE


def test_a_process_that_hides_its_start_counts_as_alive() -> None:
    assert judge_takeover(OLD, ME, OwnerFacts(process_start=UNKNOWN_START)) is Verdict.REFUSE


def test_a_reboot_ends_every_process_of_this_machine() -> None:
    assert judge_takeover(replace(OLD, boot_id="boot0"), ME, ALIVE) is Verdict.TAKE


@pytest.mark.parametrize(("theirs", "ours"), [("m2", "m1"), ("", "m1"), ("m1", ""), ("", "")])
def test_a_namesake_of_this_machine_is_not_this_machine_rebooted(theirs: str, ours: str) -> None:
    namesake = replace(OLD, boot_id="boot2", machine_id=theirs)
    for facts in (ALIVE, DEAD):
        assert judge_takeover(namesake, replace(ME, machine_id=ours), facts) is Verdict.WATCH


def test_a_process_in_another_container_is_watched() -> None:
    assert judge_takeover(replace(OLD, pid_namespace="pid:[2]"), ME, DEAD) is Verdict.WATCH


def test_a_process_on_another_machine_is_watched() -> None:
    assert judge_takeover(FAR, ME, DEAD) is Verdict.WATCH
    assert judge_takeover(FAR, ME, ALIVE) is Verdict.WATCH


def test_a_job_that_the_queue_has_forgotten_is_dead() -> None:
    assert judge_takeover(FAR, ME, OwnerFacts(job_is_gone=True)) is Verdict.TAKE


def test_a_job_that_the_queue_still_knows_is_alive() -> None:
    assert judge_takeover(FAR, ME, OwnerFacts(job_is_gone=False)) is Verdict.REFUSE


def test_a_dead_process_of_a_living_job_on_this_machine_loses_its_run() -> None:
    assert (
        judge_takeover(OLD, ME, OwnerFacts(process_start=None, job_is_gone=False)) is Verdict.TAKE
    )


def test_a_requeued_job_takes_over_from_its_earlier_incarnation() -> None:
    old = replace(FAR, job_id="17", restart_count=1)
    me = replace(ME, job_id="17", restart_count=2)
    assert judge_takeover(old, me, OwnerFacts(500, False)) is Verdict.TAKE
    assert judge_takeover(me, old, OwnerFacts(None, True)) is Verdict.REFUSE


def test_two_processes_of_one_incarnation_are_judged_like_any_two() -> None:
    old, me = replace(OLD, job_id="17"), replace(ME, job_id="17")
    assert judge_takeover(old, me, ALIVE) is Verdict.REFUSE
    assert judge_takeover(old, me, DEAD) is Verdict.TAKE


owners = st.builds(
    Owner,
    token=st.just("t"),
    host=st.sampled_from(["a", "b"]),
    boot_id=st.sampled_from(["1", "2"]),
    pid_namespace=st.sampled_from(["x", "y"]),
    pid=st.just(1),
    started=st.integers(1, 2),
    since=st.just("then"),
    job_id=st.sampled_from([None, "17", "18"]),
    restart_count=st.integers(0, 2),
    machine_id=st.sampled_from(["", "m", "n"]),
)
facts = st.builds(
    OwnerFacts,
    process_start=st.sampled_from([None, 0, 1, 2]),
    job_is_gone=st.sampled_from([None, True, False]),
)


@given(owners, owners, facts)
def test_a_visible_living_process_is_never_robbed_but_by_its_job_or_the_queue(
    owner: Owner, me: Owner, seen: OwnerFacts
) -> None:
    machine = (owner.host, owner.boot_id, owner.pid_namespace)
    visible = machine == (me.host, me.boot_id, me.pid_namespace)
    if visible and seen.process_start == owner.started and not seen.job_is_gone:
        requeued = owner.job_id is not None and owner.job_id == me.job_id
        if not (requeued and me.restart_count > owner.restart_count):
            assert judge_takeover(owner, me, seen) is Verdict.REFUSE


@given(owners, owners, facts)
def test_two_processes_never_both_take_over_by_the_same_job(
    owner: Owner, me: Owner, seen: OwnerFacts
) -> None:
    if owner.job_id and owner.job_id == me.job_id and owner.restart_count != me.restart_count:
        verdicts = {judge_takeover(owner, me, seen), judge_takeover(me, owner, seen)}
        assert verdicts == {Verdict.TAKE, Verdict.REFUSE}


def test_facts_are_those_of_the_owners_process_and_job() -> None:
    asked = []

    def job_is_gone(job: str) -> bool:
        asked.append(job)
        return False

    me = this_process(job_id="17")
    assert observe_owner(me, job_is_gone) == OwnerFacts(
        process_start(os.getpid()), job_is_gone=False
    )
    assert asked == ["17"]


def test_an_owner_without_a_job_is_not_looked_up_in_the_queue() -> None:
    assert observe_owner(this_process(), lambda _: True).job_is_gone is None
