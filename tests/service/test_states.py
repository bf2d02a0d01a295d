"""What can become of a run: the table itself, and random histories with attempts that lie, come late and die."""

from __future__ import annotations

import itertools
import json
import sqlite3

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from trainer.service import queue
from trainer.service.ids import is_id, new_id
from trainer.service.states import AFTER, ENDED, LIVE, TABLE, Message, State, Wish, target
from trainer.service.store import Writing
from trainer.service.tables import MIGRATIONS

M, S = Message, State
OF_ATTEMPTS = (M.FINISHED, M.DIVERGED, M.FAILED, M.GONE, M.LOST, M.POISON)


def new_writing() -> Writing:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    for script in MIGRATIONS:
        db.executescript(script)
    return Writing(db)


def submission(owner: str = "ada", **settings: object) -> queue.Submission:
    given = {"config": "", "overrides": (), "files": {}, "sha256": "0", "size": {"steps": 10}, "epochs": 2}
    return queue.Submission(owner=owner, name="mlp", **{**given, **settings})


def test_ids_rise_and_mean_nothing():
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert all(map(is_id, ids))
    assert not any(map(is_id, ("", "../" + ids[0][3:], ids[0] + "0", ids[0].lower(), "I" * 26)))


def test_what_an_attempt_says_only_moves_what_is_alive():
    for state, message in itertools.product(State, OF_ATTEMPTS):
        assert ((state, message) in TABLE) == (state in LIVE)


def test_an_end_stays_an_end_unless_somebody_resumes():
    for state, message in itertools.product(ENDED, set(Message) - {M.RESUME}):
        assert target(state, message, None) in (None, state)


def test_every_state_can_be_left_and_reached():
    for state in State:
        assert {target(state, m, w) for m in Message for w in Wish} - {None, state}
        assert state is S.QUEUED or any(
            target(other, m, w) is state for other in set(State) - {state} for m in Message for w in Wish
        )


def test_what_was_wished_is_what_a_stopped_run_becomes():
    for wish, message in itertools.product(Wish, (M.GONE, M.LOST, M.POISON)):
        assert target(S.STOPPING, message, wish) is AFTER[wish]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("message", [m for m in Message if m not in (M.START, M.POISON)])
def test_each_pair_of_state_and_message_does_what_the_table_says(state, message):
    """Against the database: what is not in the table changes nothing, what is in it changes state, reason and event."""
    writing = new_writing()
    run, _ = queue.submit(writing, submission(), 100)
    writing.db.execute("UPDATE runs SET state = ?, attempt = 1", (state,))
    before = [dict(row) for row in writing.db.execute("SELECT * FROM runs")]
    writing.events.clear()
    attempt = 1 if message in OF_ATTEMPTS else None
    wanted = target(state, message, None)
    if wanted is None or message is M.DELETE:
        if message is not M.DELETE:
            with pytest.raises(queue.Superseded if attempt else queue.Conflict):
                queue.send(writing, run, message, "because", attempt=attempt)
        elif wanted is None:
            with pytest.raises(queue.Conflict, match="cancel it first"):
                queue.delete(writing, run)
        else:
            return
        assert [dict(row) for row in writing.db.execute("SELECT * FROM runs")] == before
        assert writing.events == []
        return
    assert queue.send(writing, run, message, "because", attempt=attempt) is wanted
    (row,) = writing.db.execute("SELECT * FROM runs").fetchall()
    assert row["state"] == wanted
    if wanted is state and message not in (M.CANCEL, M.PAUSE, M.DRAIN):
        return
    if wanted is not state:
        # Of an attempt that stops as it was told to, the reason stays that of whoever told it.
        assert row["reason"] == ("submitted" if state is S.STOPPING and message in (M.GONE, M.LOST) else "because")
        assert row["version"] == 2
        assert json.loads(writing.events[-1].data)["state"] == wanted


def test_a_stale_attempt_is_told_so():
    writing = new_writing()
    run, _ = queue.submit(writing, submission(), 100)
    queue.start(writing, ["local"], 9)
    queue.send(writing, run, M.GONE, "killed", attempt=1)
    queue.start(writing, ["local"], 9)
    for message in OF_ATTEMPTS:
        with pytest.raises(queue.Superseded, match=r"attempt 1 of run .* is over: the newest is 2"):
            queue.send(writing, run, message, "late", attempt=1)
    with pytest.raises(queue.Superseded):
        queue.progress(writing, run, 1, [], {"epoch": 1, "epochs": 2, "step": 3, "steps": 4})


def test_three_losses_in_a_row_without_progress_end_a_run_and_progress_begins_the_count_again():
    writing = new_writing()
    run, _ = queue.submit(writing, submission(), 100)
    states = []
    for reached in (0, 0, 5, 5, 9, 9, 9):
        row = queue.start(writing, ["local"], 9)
        assert row is not None
        states.append(queue.send(writing, run, M.LOST, "signal 9", attempt=row["attempt"], reached=reached))
    assert states == 6 * [S.QUEUED] + [S.FAILED]
    (row,) = writing.db.execute("SELECT * FROM runs").fetchall()
    assert row["reason"] == "signal 9, the third time in a row without getting further"
    assert queue.resume(writing, run, [], None, None) is S.QUEUED


def test_a_loss_after_a_wish_is_what_was_wished():
    writing = new_writing()
    run, _ = queue.submit(writing, submission(), 100)
    for _ in range(5):
        row = queue.start(writing, ["local"], 9)
        assert row is not None
        queue.send(writing, run, M.PAUSE, "asked")
        assert queue.send(writing, run, M.LOST, "signal 9", attempt=row["attempt"], reached=0) is S.PAUSED
        queue.resume(writing, run, [], None, None)


def test_a_stronger_wish_takes_the_place_of_a_weaker_one_and_not_the_other_way():
    writing = new_writing()
    run, _ = queue.submit(writing, submission(), 100)
    queue.start(writing, ["local"], 9)
    for message, wish in ((M.DRAIN, "drain"), (M.PAUSE, "pause"), (M.DRAIN, "pause"), (M.CANCEL, "cancel"),
                          (M.PAUSE, "cancel"), (M.DRAIN, "cancel")):  # fmt: skip
        queue.send(writing, run, message, "asked")
        assert writing.db.execute("SELECT wish FROM runs").fetchone()[0] == wish
    assert queue.send(writing, run, M.GONE, "ended", attempt=1) is S.CANCELLED


def test_the_same_key_and_body_are_one_run_and_another_body_is_refused():
    writing = new_writing()
    first = queue.submit(writing, submission(key="k", body="1"), 100)
    assert first[1]
    assert queue.submit(writing, submission(key="k", body="1"), 1) == (first[0], False)  # also where there is no room
    with pytest.raises(queue.Misused):
        queue.submit(writing, submission(key="k", body="2"), 100)
    assert queue.submit(writing, submission("bob", key="k", body="2"), 100)[1]  # another's key is another


def test_who_has_fewest_running_is_next_and_then_the_oldest():
    writing = new_writing()
    ada = [queue.submit(writing, submission("ada"), 100)[0] for _ in range(3)]
    bob = [queue.submit(writing, submission("bob"), 100)[0] for _ in range(2)]
    order = [row["id"] for _ in range(4) if (row := queue.start(writing, ["local"], 2))]
    assert order == [ada[0], bob[0], ada[1], bob[1]]
    assert queue.start(writing, ["local"], 2) is None  # ada has two
    writing.db.execute("UPDATE runs SET launcher = 'local'")
    assert queue.start(writing, ["slurm"], 9) is None
    with pytest.raises(queue.Full, match="ada has 1 runs in line, of 1 at most"):
        queue.submit(writing, submission("ada"), 1)


class Histories(RuleBasedStateMachine):
    """Any order of what people, attempts, the supervisor and crashes of the service can do."""

    def __init__(self) -> None:
        super().__init__()
        self.writing = new_writing()
        self.runs: list[str] = []
        self.deleted: set[str] = set()
        self.alive: dict[str, set[int]] = {}  # attempts whose process lives
        self.ends: dict[str, int] = {}

    def rows(self) -> dict[str, sqlite3.Row]:
        return {row["id"]: row for row in self.writing.db.execute("SELECT * FROM runs")}

    @rule(owner=st.sampled_from(["ada", "bob"]))
    def submit(self, owner):
        run, _ = queue.submit(self.writing, submission(owner), 1000)
        self.runs.append(run)
        self.alive[run], self.ends[run] = set(), 0

    @rule()
    def dispatch(self):
        row = queue.start(self.writing, ["local"], 3)
        if row is not None:
            # The lock of the folder: a process that still lives is waited for, so it is gone before this one writes.
            self.alive[row["id"]] = {row["attempt"]}

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), message=st.sampled_from([M.CANCEL, M.PAUSE, M.RESUME, M.DRAIN, M.DELETE]))
    def wish(self, data, message):
        run = data.draw(st.sampled_from(self.runs))
        before = self.rows().get(run)
        try:
            if message is M.RESUME:
                queue.resume(self.writing, run, ["epochs=9"], 9, None)
                self.ends[run] = 0
            elif message is M.DELETE:
                queue.delete(self.writing, run)
                self.deleted.add(run)
            else:
                queue.send(self.writing, run, message, "asked")
        except queue.Gone:
            assert run in self.deleted
        except queue.Conflict:
            after = self.rows().get(run)
            assert before is not None
            assert after is not None
            assert dict(after) == dict(before)

    @precondition(lambda self: any(self.alive.values()))
    @rule(data=st.data(), message=st.sampled_from([M.FINISHED, M.DIVERGED, M.FAILED, M.GONE, M.LOST]))
    def say(self, data, message):
        run = data.draw(st.sampled_from([run for run, alive in self.alive.items() if alive]))
        attempt = data.draw(st.integers(1, max(self.alive[run])))  # the newest, or one that comes late
        row = self.rows().get(run)
        try:
            after = queue.send(
                self.writing, run, message, "said", attempt=attempt, reached=data.draw(st.integers(0, 3))
            )
        except (queue.Superseded, queue.Gone):
            assert row is None or attempt < row["attempt"] or row["state"] not in LIVE
            return
        assert row is not None
        assert row["state"] in LIVE
        assert attempt == row["attempt"]
        self.alive[run].discard(attempt)
        self.ends[run] += after in (S.FINISHED, S.DIVERGED, S.FAILED)

    @rule()
    def crash_of_the_service(self):
        for run, row in self.rows().items():
            if row["state"] in LIVE:
                queue.send(self.writing, run, M.GONE, "the service ended", attempt=row["attempt"])
            self.alive[run] = set()

    @invariant()
    def nothing_is_lost_and_nothing_ends_twice(self):
        rows = self.rows()
        assert set(rows) == set(self.runs) - self.deleted
        assert all(count <= 1 for count in self.ends.values())

    @invariant()
    def one_attempt_at_most_may_write(self):
        for run, row in self.rows().items():
            assert row["state"] not in LIVE or row["attempt"] in self.alive[run] or not self.alive[run]
            assert len(self.alive[run]) <= 1

    @invariant()
    def the_last_event_says_the_state_and_why(self):
        for run, row in self.rows().items():
            (data,) = self.writing.db.execute(
                "SELECT data FROM events WHERE run = ? AND kind = 'state' ORDER BY seq DESC LIMIT 1", (run,)
            ).fetchone()
            assert json.loads(data)["state"] == row["state"]
            assert json.loads(data)["reason"] == row["reason"] != ""
            assert (row["wish"] is not None) >= (row["state"] == S.STOPPING)


Histories.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
test_random_histories = Histories.TestCase
