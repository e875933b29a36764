"""Any order, repetition and loss of events and reads, with crashes between them, ends in the same ledger."""

import asyncio
import json
import secrets
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from onramp_app.config import get_settings
from onramp_app.crediting import apply
from onramp_app.crediting.apply import apply_some
from onramp_app.crediting.batch import Batch
from onramp_app.crediting.delivery import DOCUMENTED
from onramp_app.domain.clock import now
from onramp_app.ledger.instructions import Delivery
from onramp_app.provider_orders.walks import handle_events
from onramp_app.providers.port import ProviderOrder
from onramp_app.running import lifecycle
from tests import stored_webhooks
from tests.crediting.reads import apply_all, keep, order_of, recognition_id
from tests.crediting.world import World
from tests.signed_webhooks import event_of

TEN = 10 * 10**18
ORDER_IDS = count(1)
# Every path ends delivered or never delivers: the statuses in between must not matter.
PATHS = st.sampled_from(
    [
        (0, 1, 2, 4, 5),
        (0, 1, 2, 11, 13, 14, 15, 16),
        (0, 4, 5),
        (0, 1, -1, 2, 3, 4),
        (0, -2, 4),
        (0, 1, 2, -4, 4, 5),
        (0, 77, 1, 4),
        (0, 1, -1),
        (0, 1, 2, -3),
        (0, 77),
    ]
)
KINDS: dict[str, dict[str, Any]] = {
    "ours": {},
    "over": {"actualCryptoAmount": "20.5"},
    "elsewhere": {"walletAddress": "0x" + "77" * 20},
    "nobody's": {},
}


@dataclass
class Course:
    """One order at the provider, and how far it has progressed."""

    order_id: int
    path: tuple[int, ...]
    kind: str
    recognition: str
    step: int = 0

    def record(self, step: int | None = None) -> ProviderOrder:
        status = self.path[self.step if step is None else step]
        return order_of(self.order_id, status, merchantRecognitionId=self.recognition, **KINDS[self.kind])


class Provider(RuleBasedStateMachine):
    """Orders that progress while they are read and applied."""

    world: ClassVar[World]
    runner: ClassVar[asyncio.Runner]  # The pool belongs to one event loop.
    courses: list[Course]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize(
        orders=st.lists(
            st.tuples(PATHS, st.sampled_from(list(KINDS)), st.integers(0, 1)), min_size=1, max_size=4
        )
    )
    def begin(self, orders: list[tuple[tuple[int, ...], str, int]]) -> None:
        self.user = self.world.user()
        recognitions = [recognition_id(self.world, self.world.top_up(self.user)) for _ in range(2)]
        self.courses = [
            Course(
                next(ORDER_IDS),
                path,
                kind,
                recognition=secrets.token_hex(16) if kind == "nobody's" else recognitions[number],
            )
            for path, kind, number in orders
        ]
        self.began_at = now()

    def _one(self, number: int) -> Course:
        return self.courses[number % len(self.courses)]

    @rule(number=st.integers(0, 3), steps=st.integers(1, 3))
    def advance(self, number: int, steps: int) -> None:
        course = self._one(number)
        course.step = min(course.step + steps, len(course.path) - 1)

    @rule(missing=st.integers(0, 7))
    def read(self, missing: int) -> None:
        self.run(keep(*(c.record() for n, c in enumerate(self.courses) if n != missing)))

    @rule(number=st.integers(0, 3), back=st.integers(1, 3))
    def an_old_answer_arrives(self, number: int, back: int) -> None:
        course = self._one(number)
        asked_at: datetime = self.began_at - timedelta(seconds=back)
        self.run(keep(course.record(max(0, course.step - back)), asked_at=asked_at))

    @rule(number=st.integers(0, 3), repeats=st.integers(1, 3))
    def webhook(self, number: int, repeats: int) -> None:
        course = self._one(number)
        for _ in range(repeats):
            event = event_of(course.order_id, nonce=secrets.token_hex(4))
            stored_webhooks.store(self.world.owner, json.dumps({"timestamp": 1, "body": event}).encode())
        self.run(handle_events())

    @rule(most=st.integers(1, 5))
    def apply(self, most: int) -> None:
        self.run(apply_some(DOCUMENTED, most=most))

    @precondition(lambda self: any(course.path[course.step] > 2 for course in self.courses))
    @rule()
    def apply_and_die_before_the_commit(self) -> None:
        with dying(), suppress(asyncio.CancelledError):
            self.run(apply_some(DOCUMENTED))

    def teardown(self) -> None:
        if not hasattr(self, "courses"):
            return
        for course in self.courses:
            course.step = len(course.path) - 1
        self.run(keep(*(course.record() for course in self.courses)))
        self.run(apply_all())
        delivered = [c for c in self.courses if c.path[-1] in (4, 5, 15, 16)]
        arrived = [course.kind for course in delivered]
        held = 2 * TEN * arrived.count("over")
        assert self.world.balance(self.user) == (TEN * arrived.count("ours"), held)
        booked = sum(kind != "elsewhere" for kind in arrived)
        ids = [str(course.order_id) for course in self.courses]
        assert booked == self.world.one(
            "SELECT count(*) FROM ledger_transfers t JOIN provider_orders o ON o.id = t.provider_order_id"
            " WHERE o.order_id = ANY(%s)",
            ids,
        )
        waiting = "SELECT FROM provider_orders WHERE version > applied_version AND order_id = ANY(%s)"
        assert not self.world.rows(waiting, ids)


def machine(world: World, runner: asyncio.Runner) -> type[Provider]:
    return type("ProviderOfThisWorld", (Provider,), {"world": world, "runner": runner})


@contextmanager
def dying() -> Iterator[None]:
    """Simulate a crash of the process after posting and before the commit."""
    real = apply.post

    async def post_and_die(*arguments: Any) -> Any:
        await real(*arguments)
        raise asyncio.CancelledError

    apply.post = post_and_die
    try:
        yield
    finally:
        apply.post = real


@contextmanager
def _own_loop() -> Iterator[asyncio.Runner]:
    """Yield an event loop's runner; at the end close the pool and the announcements, which belong to it."""
    with asyncio.Runner() as runner:
        try:
            yield runner
        finally:
            runner.run(lifecycle.disconnect())
            get_settings.cache_clear()


def converge(world: World, *, examples: int) -> None:
    with _own_loop() as runner:
        run_state_machine_as_test(
            machine(world, runner),
            settings=settings(
                max_examples=examples,
                stateful_step_count=20,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_any_course_of_events_ends_in_the_same_ledger(world: World) -> None:
    converge(world, examples=6)


@pytest.mark.full
def test_any_of_two_thousand_courses_ends_in_the_same_ledger(world: World) -> None:
    converge(world, examples=2_000)


def _read_a_delivery_twice(world: World) -> None:
    with _own_loop() as runner:
        course = machine(world, runner)()
        course.begin(orders=[((0, 4, 5), "nobody's", 0)])
        course.advance(number=0, steps=1)
        course.read(missing=7)
        course.apply(most=5)
        course.teardown()


def test_control_a_ledger_that_forgets_what_it_booked_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _read_a_delivery_twice(world)
    real_judge = Batch._judge

    def judge_again(self: Batch, order: Any) -> Any:
        order.delivered_minor = None
        return real_judge(self, order)

    monkeypatch.setattr(Batch, "_judge", judge_again)
    monkeypatch.setattr(
        Delivery, "reference", lambda self, kind, **_: f"{self.order_id}:{secrets.token_hex(8)}"
    )
    world.is_sound = False
    with pytest.raises(AssertionError):
        _read_a_delivery_twice(world)
