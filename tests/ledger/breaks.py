"""Ways to corrupt the books, as statements that a superuser could run.

Each has a name, and a rule that has to be among those that report it.
"""
# ruff: noqa: E501 - a statement is easier to read in one piece

_DEBIT = "(SELECT id FROM ledger_transfers WHERE reference = 'debit:shop:d0')"
_HOLD = "(SELECT id FROM debits WHERE is_hold)"
_RECEIVE = "(SELECT id FROM ledger_transfers WHERE reference = 'onramp:buy:1:receive')"
_INCOME = "(SELECT id FROM ledger_accounts WHERE kind = 'income')"
_EVIDENCE = (
    "INSERT INTO chain_evidence (provider_order_id, environment, asset, network, address, why, since, unseen_since,"
    " state, transaction_hash, amount_minor, confirmed_at) SELECT id, environment, asset, network, '0xaaaa', '', now(), now()"
)
_HELD = "status = 'in_review'"

BREAKS: list[tuple[str, str, list[str]]] = [
    (
        "an unbalanced transfer",
        "transfer_balances",
        [f"UPDATE ledger_entries SET amount_minor = amount_minor - 1 WHERE transfer_id = {_DEBIT} AND amount_minor < 0"],
    ),
    (
        "money out of nothing",
        "asset_balances",
        [f"UPDATE ledger_entries SET amount_minor = amount_minor - 1 WHERE transfer_id = {_DEBIT} AND amount_minor < 0"],
    ),
    (
        "a transfer without entries",
        "transfer_has_entries",
        [f"DELETE FROM ledger_entries WHERE transfer_id = {_DEBIT}"],
    ),
    (
        "entries without their transfer",
        "entry_has_transfer_and_account",
        ["DELETE FROM ledger_transfers WHERE reference = 'debit:shop:d0'"],
    ),
    ("a kept balance that is off by one", "kept_balance", [
        "UPDATE user_balances SET available_minor = available_minor + 1 WHERE held_minor > 0"]),
    ("a kept balance that is gone", "kept_balance", ["DELETE FROM user_balances WHERE held_minor > 0"]),
    ("a kept balance for nothing", "kept_balance", [
        "INSERT INTO user_balances SELECT user_id, 'USDC', 5, 0, 0, 1 FROM user_balances LIMIT 1"]),
    ("entries that overdraw an account", "account_sign", [
        f"UPDATE ledger_entries SET amount_minor = amount_minor * 9 WHERE transfer_id = {_DEBIT}"]),
    ("money that nobody can use any more", "closed_account_has_nothing", [
        "UPDATE users SET closed_at = now(), email = 'closed-' || id || '@account.invalid' WHERE id IN"
        " (SELECT user_id FROM user_balances WHERE available_minor > 0)"]),
    ("a treasury that lost coins", "treasury_covers", [
        "UPDATE ledger_entries SET amount_minor = 1 WHERE account_id IN"
        " (SELECT id FROM ledger_accounts WHERE kind = 'treasury')"]),
    ("a transfer that moves another user's money", "transfer_moves_one_user", [
        f"UPDATE ledger_transfers SET user_id = (SELECT user_id FROM top_ups WHERE {_HELD}) WHERE id = {_DEBIT}"]),
    ("a missing receive", "delivered_order_has_receive", [
        f"DELETE FROM ledger_entries WHERE transfer_id = {_RECEIVE}",
        "DELETE FROM ledger_transfers WHERE reference = 'onramp:buy:1:receive'"]),
    ("a double receive", "order_has_one_receive", [
        "INSERT INTO ledger_transfers SELECT 'twice', environment, reference || ':2', input_hash, kind, user_id,"
        f" top_up_id, provider_order_id, source, actor, reason, created_at FROM ledger_transfers WHERE id = {_RECEIVE}",
        f"INSERT INTO ledger_entries SELECT 'twice', account_id, amount_minor FROM ledger_entries WHERE transfer_id = {_RECEIVE}"]),
    ("a receive of another amount", "receive_is_what_was_delivered", [
        f"UPDATE ledger_entries SET amount_minor = amount_minor * 2 WHERE transfer_id = {_RECEIVE}"]),
    ("a receive of an order that was not delivered to us", "receive_is_what_was_delivered", [
        "UPDATE provider_orders SET is_ours = false, delivered_minor = NULL WHERE order_id = '1'"]),
    ("an order whose amount is not what arrived", "delivered_is_what_was_told", [
        "UPDATE provider_orders SET bought_amount = bought_amount + 1 WHERE order_id = '1'"]),
    ("an order booked before its network has shown it", "delivered_is_what_the_network_shows", [
        f"{_EVIDENCE}, 'waiting', NULL, NULL, NULL FROM provider_orders WHERE order_id = '1'"]),
    ("an order booked with another amount than its network shows", "delivered_is_what_the_network_shows", [
        f"{_EVIDENCE}, 'confirmed', '0x' || repeat('a', 64), delivered_minor + 1, now() FROM provider_orders WHERE order_id = '1'"]),
    ("an order that its network shows and that claims no transfer", "evidence_has_its_claims", [
        f"{_EVIDENCE}, 'confirmed', '0x' || repeat('a', 64), delivered_minor, now() FROM provider_orders WHERE order_id = '1'"]),
    ("a transfer claimed for an order that its network has not shown", "evidence_has_its_claims", [
        "INSERT INTO chain_claims SELECT 'matic20', '0x' || repeat('a', 64), 0, id, 1, now() FROM provider_orders"
        " WHERE order_id = '1'"]),
    ("an order delivered and never booked", "delivered_order_has_receive", [
        "INSERT INTO provider_orders (id, environment, provider, flow, order_id, raw, status_class, bought_amount,"
        " gas_fee, asset, network, is_ours, delivered_minor, delivered_rule, first_seen_at, read_at, version,"
        " applied_version) SELECT 'new', environment, provider, flow, '99', raw, status_class, bought_amount,"
        " gas_fee, asset, network, is_ours, delivered_minor, delivered_rule, first_seen_at, read_at, version,"
        " applied_version FROM provider_orders WHERE order_id = '1'"]),
    ("a settled top-up without its receive", "top_up_has_receive", [
        "UPDATE ledger_transfers SET top_up_id = NULL WHERE reference = 'onramp:buy:1:receive'"]),
    ("a receive without its settled top-up", "top_up_has_receive", [
        "UPDATE top_ups SET status = 'processing', has_entry = false, received_minor = NULL, received_asset = NULL"
        f" WHERE id = (SELECT top_up_id FROM ledger_transfers WHERE id = {_RECEIVE})"]),
    ("a settled top-up that shows another amount", "top_up_has_receive", [
        "UPDATE top_ups SET received_minor = received_minor + 1 WHERE status = 'settled'"]),
    ("held money without an open case", "held_has_exception", [
        "UPDATE exceptions SET closed_at = now(), closed_by = 'x', close_reason = 'x' WHERE kind = 'held'"]),
    ("an open case without held money", "exception_has_held", [
        "INSERT INTO exceptions (id, environment, kind, top_up_id, detail, opened_at) SELECT 'x', environment,"
        " 'held', id, '', now() FROM top_ups WHERE status = 'settled' LIMIT 1"]),
    ("suspense without an open case", "suspense_has_exception", ["DELETE FROM exceptions WHERE kind = 'suspense'"]),
    ("one order's money given back for another", "order_gives_what_it_has", [
        "UPDATE ledger_transfers SET provider_order_id = (SELECT id FROM provider_orders WHERE order_id = '5'),"
        " kind = 'remit' WHERE kind = 'reverse'",
        "UPDATE ledger_entries SET amount_minor = -amount_minor WHERE transfer_id IN"
        " (SELECT id FROM ledger_transfers WHERE kind = 'remit')"]),
    ("a debit that credits", "transfer_fits_kind", [
        f"UPDATE ledger_entries SET amount_minor = -amount_minor WHERE transfer_id = {_DEBIT}"]),
    ("a recovery from nothing", "recovery_has_its_cause", [
        "UPDATE ledger_transfers SET kind = 'recover' WHERE kind = 'reverse'"]),
    ("money made good by nobody on record", "operator_is_on_record", [
        "INSERT INTO ledger_transfers SELECT 'forged', environment, 'adjust:forged', input_hash, 'make_good', user_id,"
        f" NULL, NULL, 'operator', 'operator-1', 'because', created_at FROM ledger_transfers WHERE id = {_DEBIT}",
        "INSERT INTO ledger_chain SELECT max(seq) + 1, 'transfer', 'forged', sha256('x'), sha256('y') FROM ledger_chain"]),
    ("an operator's transfer whose line names another one", "operator_is_on_record", [
        f"UPDATE audit_log SET transfer_id = {_DEBIT} WHERE transfer_id IS NOT NULL"]),
    ("an operator's transfer recorded by somebody else", "operator_is_on_record", [
        "UPDATE audit_log SET actor = (SELECT id FROM users WHERE role = 'user' LIMIT 1) WHERE transfer_id IS NOT NULL"]),
    ("an operator who was none at that time", "operator_is_on_record", [
        "DELETE FROM audit_log WHERE action = 'account.role_granted'"]),
    ("an old line that names the reference only, of a transfer that is not old", "operator_is_on_record", [
        "UPDATE audit_log SET transfer_id = NULL, detail = (SELECT '{\"reference\": \"' || reference || '\"}'"
        " FROM ledger_transfers WHERE kind = 'reverse') WHERE transfer_id IS NOT NULL"]),
    ("a role that nobody granted", "role_is_granted", ["UPDATE users SET role = 'admin' WHERE role = 'user'"]),
    ("a role that was granted and is another", "role_is_granted", ["UPDATE users SET role = 'user' WHERE role = 'operator'"]),
    ("a role granted by somebody who was no admin", "role_is_granted", [
        "UPDATE audit_log SET actor = subject WHERE action = 'account.role_granted'"]),
    ("a transfer under another reference", "reference", [
        "UPDATE ledger_transfers SET reference = 'onramp:buy:1:release' WHERE reference = 'onramp:buy:1:receive'"]),
    ("a transfer of another environment", "environment", [
        "UPDATE ledger_transfers SET environment = 'live' WHERE reference = 'onramp:buy:1:receive'"]),
    ("a debit without its transfer", "debit_has_its_transfers", [
        f"DELETE FROM ledger_entries WHERE transfer_id = {_DEBIT}",
        "DELETE FROM ledger_transfers WHERE reference = 'debit:shop:d0'"]),
    ("a debit that was made and never booked", "debit_has_its_transfers", [
        "INSERT INTO debits (id, environment, program_id, reference, input_hash, user_id, asset, amount_minor, is_hold,"
        " status, posted_minor, released_minor, reversed_minor, created_at, updated_at)"
        " SELECT 'new', environment, program_id, 'other', input_hash, user_id, asset, amount_minor, is_hold, status,"
        " posted_minor, released_minor, reversed_minor, created_at, updated_at FROM debits WHERE reference = 'd0'"]),
    ("a debit that says another amount", "debit_has_its_transfers", [
        "UPDATE debits SET amount_minor = amount_minor + 1, posted_minor = posted_minor + 1 WHERE reference = 'd0'"]),
    ("a debit that says that more was captured", "debit_has_its_transfers", [
        f"UPDATE debits SET posted_minor = posted_minor + 1 WHERE id = {_HOLD}"]),
    ("a debit that says that less was given back", "debit_has_its_transfers", [
        f"UPDATE debits SET reversed_minor = reversed_minor - 1 WHERE id = {_HOLD}"]),
    ("a debit that says that something was released", "debit_has_its_transfers", [
        f"UPDATE debits SET released_minor = 1 WHERE id = {_HOLD}"]),
    ("a debit booked twice", "debit_has_its_transfers", [
        "INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id, debit_id, source, created_at)"
        " SELECT 'twice', environment, reference || ':2', input_hash, kind, user_id, debit_id, source, created_at"
        f" FROM ledger_transfers WHERE id = {_DEBIT}",
        f"INSERT INTO ledger_entries SELECT 'twice', account_id, amount_minor FROM ledger_entries WHERE transfer_id = {_DEBIT}"]),
    ("a transfer of another person's debit", "transfer_has_its_debit", [
        f"UPDATE ledger_transfers SET debit_id = {_HOLD} WHERE reference = 'debit:shop:d0'"]),
    ("a debit that was given to another person", "transfer_has_its_debit", [
        f"UPDATE debits SET user_id = (SELECT user_id FROM top_ups WHERE {_HELD}) WHERE reference = 'd0'"]),
    ("a debit under another reference", "transfer_has_its_debit", [
        "UPDATE debits SET reference = 'other' WHERE reference = 'd0'"]),
    ("a transfer under the reference of another debit", "transfer_has_its_debit", [
        "UPDATE ledger_transfers SET reference = 'debit:shop:d9:capture:1' WHERE kind = 'debit_capture'"]),
    ("a debit of another asset", "transfer_has_its_debit", ["UPDATE debits SET asset = 'BTC' WHERE reference = 'd0'"]),
    ("a debit that says that it was on hold", "transfer_has_its_debit", [
        "UPDATE debits SET is_hold = true, expires_at = now() WHERE reference = 'd0'"]),
    ("money on hold for a debit that has ended", "held_has_debit", [
        f"UPDATE debits SET status = 'posted', released_minor = amount_minor - posted_minor WHERE id = {_HOLD}"]),
    ("a debit on hold, and nothing is held", "held_has_debit", [
        "UPDATE ledger_entries SET account_id = (SELECT id FROM ledger_accounts WHERE kind = 'payable')"
        " WHERE amount_minor < 0 AND transfer_id = (SELECT id FROM ledger_transfers WHERE kind = 'debit_hold')"]),
    ("more captured than was held", "held_has_debit", [
        "UPDATE ledger_entries SET amount_minor = amount_minor * 9"
        " WHERE transfer_id = (SELECT id FROM ledger_transfers WHERE kind = 'debit_capture')"]),
    ("a link whose hash was changed", "chained_is_unchanged", ["UPDATE ledger_chain SET hash = sha256('x') WHERE seq = 3"]),
    ("a link that was removed", "chain_is_whole", ["DELETE FROM ledger_chain WHERE seq = 3"]),
    ("a removed link's transfer", "all_is_chained", ["DELETE FROM ledger_chain WHERE seq = 3"]),
    ("the first link removed", "chain_is_whole", ["DELETE FROM ledger_chain WHERE seq = 1"]),
    ("two links that changed places", "chain_is_whole", [
        "UPDATE ledger_chain SET seq = seq + 1000 WHERE seq IN (3, 4)",
        "UPDATE ledger_chain SET seq = CASE seq WHEN 1003 THEN 4 ELSE 3 END WHERE seq > 1000"]),
    ("a link that covers another row", "chained_is_unchanged", [
        "UPDATE ledger_chain SET subject_id = 'other' WHERE seq = 3"]),
    ("a balanced entry that was changed", "chained_is_unchanged", [
        f"UPDATE ledger_entries SET amount_minor = amount_minor * 2 WHERE transfer_id = {_DEBIT}"]),
    ("an entry that was moved to another account", "chained_is_unchanged", [
        "UPDATE ledger_entries SET account_id = (SELECT id FROM ledger_accounts WHERE kind = 'owed')"
        f" WHERE transfer_id = {_DEBIT} AND amount_minor < 0"]),
    ("an account that was given to another user", "chained_is_unchanged", [
        f"UPDATE ledger_accounts SET user_id = (SELECT user_id FROM top_ups WHERE {_HELD}), asset = 'BTC'"
        " WHERE kind = 'available' AND id IN (SELECT account_id FROM ledger_entries WHERE transfer_id = "
        f"{_DEBIT})"]),
    ("an asset with another scale", "chained_is_unchanged", ["UPDATE assets SET scale = 6 WHERE code = 'USDT'"]),
    ("a transfer that claims another time", "chained_is_unchanged", [
        f"UPDATE ledger_transfers SET created_at = created_at - interval '1 microsecond' WHERE id = {_DEBIT}"]),
    ("an audit row that was changed", "chained_is_unchanged", ["UPDATE audit_log SET actor = 'nobody' WHERE id = 'a1'"]),
    ("an audit row that was removed", "chained_is_unchanged", ["DELETE FROM audit_log WHERE id = 'a1'"]),
    ("an audit row that was slipped in", "all_is_chained", [
        "INSERT INTO audit_log SELECT 'a9', at, actor, action, subject, address, detail FROM audit_log LIMIT 1"]),
]  # fmt: skip

# Each changes one randomly chosen row: {id} is its id, {n} is any number above zero.
TAMPERINGS: list[tuple[str, str, str]] = [
    ("ledger_entries", "transfer_id", "UPDATE ledger_entries SET amount_minor = amount_minor + {n} WHERE transfer_id = '{id}'"),
    ("ledger_entries", "transfer_id", "DELETE FROM ledger_entries WHERE transfer_id = '{id}' AND amount_minor < 0"),
    ("ledger_transfers", "id", "UPDATE ledger_transfers SET created_at = created_at + {n} * interval '1 second' WHERE id = '{id}'"),
    ("ledger_transfers", "id", "UPDATE ledger_transfers SET reason = 'because {n}' WHERE id = '{id}'"),
    ("ledger_transfers", "id", "DELETE FROM ledger_transfers WHERE id = '{id}'"),
    ("audit_log", "id", "UPDATE audit_log SET subject = subject || '{n}' WHERE id = '{id}'"),
    ("audit_log", "id", "DELETE FROM audit_log WHERE id = '{id}'"),
    ("ledger_chain", "seq", "UPDATE ledger_chain SET hash = sha256('{n}') WHERE seq = {id}"),
    ("ledger_chain", "seq", "DELETE FROM ledger_chain WHERE seq = {id}"),
    ("ledger_chain", "seq", "UPDATE ledger_chain SET seq = 1000000 + {n} WHERE seq = {id}"),
]  # fmt: skip
