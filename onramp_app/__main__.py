"""Operator commands: `python -m onramp_app --help`. The commands themselves are in `commands/`."""

import onramp_app.telemetry.garbage  # isort: skip -- before everything that takes time
import onramp_app.telemetry.light  # isort: skip -- before anything imports redis

import typer

from onramp_app.commands import (
    api_keys,
    backups,
    books,
    factors,
    installation,
    kyc,
    mails,
    review,
    webhooks,
    webhooks_out,
)
from onramp_app.commands.running import Commands
from onramp_app.local.environment import remove_library_variables
from onramp_app.logs import configure_logs

app = typer.Typer(
    cls=Commands,
    help="Operate the wallet.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _prepare() -> None:
    remove_library_variables(is_embedded=False)
    # A command says in a sentence what it could not do; the warnings on the way there say less.
    configure_logs(level="error", style="console")


app.command()(installation.build)
app.command()(installation.check)
app.command()(installation.migrate)
app.command()(installation.worker)
app.command()(installation.simulator)
app.command("create-user")(installation.create_user)
app.command("grant-role")(installation.grant_role)
app.command("verify-ledger")(books.verify_ledger)
app.command(cls=books.Reconcile)(books.reconcile)
app.command()(backups.backup)
app.command("restore")(backups.restore_backup)
app.add_typer(webhooks.stored, name="webhooks")
app.add_typer(review.app, name="review")
app.add_typer(webhooks.onramp, name="onramp")
app.add_typer(kyc.app, name="kyc")
app.add_typer(mails.app, name="mail")
app.add_typer(factors.app, name="factors")
app.add_typer(api_keys.app, name="api-keys")
app.add_typer(webhooks_out.app, name="webhooks-out")
onramp_app.telemetry.garbage.look_again()

if __name__ == "__main__":
    app(prog_name="python -m onramp_app")
