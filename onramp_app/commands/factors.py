"""`factors`: what an operator does for somebody who has lost everything that they sign in with."""

from dataclasses import asdict

import typer

from onramp_app.commands.running import AsJson, By, Code, Confirm, Why, answer, decide, mandate, time_text
from onramp_app.operators.factor_resets import ask_reset

app = typer.Typer(help="Second factors of people.", no_args_is_help=True)


@app.callback()
def _one_of_several() -> None:
    """Keep the name of the command: typer drops it where there is one alone."""


@app.command("reset")
def factors_reset(
    email: str, reason: Why, by: By, code: Code = None, confirm: Confirm = None, as_json: AsJson = False
) -> None:
    """Let all second factors of an account be removed in 24 hours. Its owner is told and can stop it."""
    who = mandate(by, reason, code=code, confirm=confirm)
    done = decide(lambda: ask_reset(email, mandate=who), as_json=as_json)
    answer(
        as_json,
        asdict(done),
        f"The second factors of account {done.user_id} are removed at {time_text(done.due_at)}. "
        "Its owner was told by email, and stops this by signing in with a factor.",
    )
