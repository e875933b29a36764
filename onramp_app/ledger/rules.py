"""The rules of sound books, each a statement that returns what breaks it: (subject, what is wrong).

They are the list of docs/money.md and what follows from it. Casts are written CAST, because a colon may
begin a parameter. Nothing from outside enters these statements.
"""

from onramp_app.ledger.debits.rules import DEBIT_RULES

# Where the money of each order and top-up lies, from the entries alone. What debits hold is counted apart.
_POSITIONS = """
    SELECT t.provider_order_id, t.top_up_id, a.kind, sum(e.amount_minor) AS total
      FROM ledger_transfers t
      JOIN ledger_entries e ON e.transfer_id = t.id
      JOIN ledger_accounts a ON a.id = e.account_id
     WHERE a.kind IN ('held', 'suspense', 'payable') AND t.debit_id IS NULL
     GROUP BY t.provider_order_id, t.top_up_id, a.kind
"""

# What each transfer that brings in money brought, and in which asset.
_RECEIVED = """
    SELECT t.id, t.kind, t.reference, t.environment, t.provider_order_id, t.top_up_id, a.asset,
           sum(e.amount_minor) AS amount_minor,
           max(a.kind) AS account_kind, max(a.network) AS network
      FROM ledger_transfers t
      JOIN ledger_entries e ON e.transfer_id = t.id AND e.amount_minor > 0
      JOIN ledger_accounts a ON a.id = e.account_id
     WHERE t.kind IN ('receive', 'attribute')
     GROUP BY t.id, a.asset
"""

# The amount that a delivered order of ours brought, by the rule that was in force when it was applied.
_ARRIVED = """
    (o.bought_amount - CASE o.delivered_rule WHEN 'actual_minus_gas' THEN o.gas_fee ELSE 0 END)
    * power(CAST(10 AS numeric), s.scale)
"""

# A float's tail is taken off before it is booked (docs/money.md): what is booked is the printed amount,
# rounded to the decimals that it has itself, and no more than a part in 10⁹ away from it.
_IS_WITHOUT_TAIL = f"""
    coalesce(abs(o.delivered_minor - {_ARRIVED}) * 1000000000 <= {_ARRIVED}
             AND o.delivered_minor = power(CAST(10 AS numeric), s.scale)
                 * round({_ARRIVED} / power(CAST(10 AS numeric), s.scale),
                         scale(trim_scale(o.delivered_minor / power(CAST(10 AS numeric), s.scale)))), false)
"""

# What a network has shown of an order's delivery, where it decides the amount: an operator who credits by
# hand takes the provider's word.
_SHOWN = """
    SELECT c.provider_order_id, c.amount_minor FROM chain_evidence c
     WHERE c.state IN ('confirmed', 'differs', 'left') AND c.credited_by IS NULL
"""

# What each kind of transfer does to which kind of account: + debits, - credits.
_FITS = """
    (a.kind || CASE WHEN e.amount_minor > 0 THEN '+' ELSE '-' END = ANY (CASE t.kind
        WHEN 'receive' THEN ARRAY['treasury+', 'available-', 'held-', 'suspense-']
        WHEN 'recover' THEN ARRAY['available+', 'owed-']
        WHEN 'attribute' THEN ARRAY['suspense+', 'available-']
        WHEN 'release' THEN ARRAY['held+', 'available-']
        WHEN 'return' THEN ARRAY['held+', 'payable-']
        WHEN 'make_good' THEN ARRAY['adjustments+', 'available-']
        WHEN 'reverse' THEN ARRAY['available+', 'owed+', 'payable-']
        WHEN 'undo_reverse' THEN ARRAY['payable+', 'available-', 'owed-']
        WHEN 'remit' THEN ARRAY['payable+', 'treasury-']
        WHEN 'setoff' THEN ARRAY['payable+', 'adjustments-']
        WHEN 'write_off' THEN ARRAY['adjustments+', 'owed-']
        WHEN 'debit' THEN ARRAY['available+', 'income-']
        WHEN 'debit_hold' THEN ARRAY['available+', 'held-']
        WHEN 'debit_capture' THEN ARRAY['held+', 'income-']
        WHEN 'debit_release' THEN ARRAY['held+', 'available-']
        WHEN 'debit_reverse' THEN ARRAY['income+', 'available-']
        WHEN 'count' THEN ARRAY['adjustments+', 'treasury-', 'treasury+', 'adjustments-'] END))
"""

# What only an operator books. A recovery follows from another transfer, so its own source does not count.
_BY_OPERATOR = """
    (t.kind IN ('attribute', 'release', 'return', 'make_good', 'reverse', 'undo_reverse', 'remit', 'setoff',
                'write_off', 'count') OR (t.source = 'operator' AND t.kind <> 'recover'))
"""

# Each line of the audit log that grants a role: its place in the chain, who granted it, and which role.
# Any operator may confirm what an admin proposed.
# An account that a program opens is a user's, whatever its line says.
_ROLES = """
    SELECT c.seq, l.id, l.subject, l.actor, o.by_program,
           CASE WHEN o.by_program THEN 'user'
                ELSE coalesce(substring(l.detail FROM '"after": "([a-z]+)"'),
                              substring(l.detail FROM '"role": "([a-z]+)"'), 'unreadable') END AS role,
           substring(l.detail FROM '"proposed_by": "([a-z0-9-]+)"') AS proposed_by
      FROM audit_log l
      CROSS JOIN LATERAL (
           SELECT l.action = 'account.created' AND starts_with(l.actor, 'key:') AS by_program) o
      JOIN ledger_chain c ON c.kind = 'audit' AND c.subject_id = l.id
     WHERE l.action IN ('account.created', 'account.role_granted')
"""

RULES = {
    "asset_balances": """
        SELECT a.asset, 'all accounts together make ' || sum(e.amount_minor)
          FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
         GROUP BY a.asset HAVING sum(e.amount_minor) <> 0
    """,
    "transfer_balances": """
        SELECT e.transfer_id, a.asset || ' is off by ' || sum(e.amount_minor)
          FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
         GROUP BY e.transfer_id, a.asset HAVING sum(e.amount_minor) <> 0
    """,
    "transfer_has_entries": """
        SELECT t.id, t.reference || ' has no entries' FROM ledger_transfers t
         WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.transfer_id = t.id)
    """,
    "entry_has_transfer_and_account": """
        SELECT e.transfer_id, 'an entry of ' || e.amount_minor || ' without its transfer or account'
          FROM ledger_entries e
          LEFT JOIN ledger_transfers t ON t.id = e.transfer_id
          LEFT JOIN ledger_accounts a ON a.id = e.account_id
         WHERE t.id IS NULL OR a.id IS NULL
    """,
    "transfer_moves_one_user": """
        SELECT DISTINCT t.id, t.reference || ' moves money of another user' FROM ledger_transfers t
          JOIN ledger_entries e ON e.transfer_id = t.id
          JOIN ledger_accounts a ON a.id = e.account_id
         WHERE a.user_id IS NOT NULL AND a.user_id IS DISTINCT FROM t.user_id
    """,
    "kept_balance": """
        SELECT coalesce(b.user_id, m.user_id) || ' ' || coalesce(b.asset, m.asset),
               'kept ' || coalesce(b.available_minor, 0) || '/' || coalesce(b.held_minor, 0) || '/'
               || coalesce(b.owed_minor, 0) || ', entries make ' || coalesce(m.available, 0) || '/'
               || coalesce(m.held, 0) || '/' || coalesce(m.owed, 0) || ' (available/held/owed)'
          FROM user_balances b
          FULL JOIN (
              SELECT a.user_id, a.asset,
                     coalesce(-sum(e.amount_minor) FILTER (WHERE a.kind = 'available'), 0) AS available,
                     coalesce(-sum(e.amount_minor) FILTER (WHERE a.kind = 'held'), 0) AS held,
                     coalesce(sum(e.amount_minor) FILTER (WHERE a.kind = 'owed'), 0) AS owed
                FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
               WHERE a.user_id IS NOT NULL GROUP BY a.user_id, a.asset) m
            ON m.user_id = b.user_id AND m.asset = b.asset
         WHERE coalesce(b.available_minor, 0) <> coalesce(m.available, 0)
            OR coalesce(b.held_minor, 0) <> coalesce(m.held, 0)
            OR coalesce(b.owed_minor, 0) <> coalesce(m.owed, 0)
    """,
    "account_sign": """
        SELECT a.name, 'has ' || sum(e.amount_minor)
          FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
         GROUP BY a.id
        HAVING CASE WHEN a.kind IN ('available', 'held', 'suspense', 'payable') THEN sum(e.amount_minor) > 0
                    WHEN a.kind = 'owed' THEN sum(e.amount_minor) < 0 ELSE false END
    """,
    "closed_account_has_nothing": """
        SELECT b.user_id || ' ' || b.asset, b.available_minor || ' available, and the account is closed'
          FROM user_balances b JOIN users u ON u.id = b.user_id
         WHERE u.closed_at IS NOT NULL AND b.available_minor > 0
    """,
    "treasury_covers": """
        SELECT a.asset,
               'the treasury holds ' || coalesce(sum(e.amount_minor) FILTER (WHERE a.kind = 'treasury'), 0)
               || ', owed to users are '
               || coalesce(-sum(e.amount_minor) FILTER (WHERE a.kind <> 'treasury'), 0)
          FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
         WHERE a.kind IN ('treasury', 'available', 'held', 'suspense', 'payable')
         GROUP BY a.asset HAVING sum(e.amount_minor) < 0
    """,
    "transfer_fits_kind": f"""
        SELECT DISTINCT t.id, t.reference || ' moves what a ' || t.kind || ' does not move'
          FROM ledger_transfers t
          JOIN ledger_entries e ON e.transfer_id = t.id
          JOIN ledger_accounts a ON a.id = e.account_id
         WHERE {_FITS} IS NOT TRUE
    """,  # nosec B608  # constants of this file
    "recovery_has_its_cause": """
        SELECT t.id, t.reference || ' recovers from nothing' FROM ledger_transfers t
         WHERE t.kind = 'recover'
           AND NOT EXISTS (SELECT FROM ledger_transfers b
                            WHERE b.provider_order_id = t.provider_order_id AND b.input_hash = t.input_hash
                              AND b.kind IN ('receive', 'attribute', 'release'))
    """,
    "operator_is_on_record": f"""
        SELECT t.id, t.reference || ' has no line in the audit log by somebody who was an operator then'
          FROM ledger_transfers t
          JOIN ledger_chain c ON c.kind = 'transfer' AND c.subject_id = t.id
         WHERE {_BY_OPERATOR}
           AND NOT EXISTS (
               SELECT FROM audit_log l JOIN users u ON u.id = l.actor
                WHERE l.transfer_id = t.id AND l.actor = t.actor
                  AND (SELECT g.role FROM ({_ROLES}) g WHERE g.subject = l.actor AND g.seq < c.seq
                        ORDER BY g.seq DESC LIMIT 1) IN ('operator', 'admin'))
           AND NOT (c.seq < operators_named_from() AND EXISTS (
               SELECT FROM audit_log l JOIN users u ON u.id = l.actor
                WHERE l.actor = t.actor
                  AND strpos(l.detail, '"reference": ' || CAST(to_json(t.reference) AS text)) > 0))
    """,  # nosec B608  # constants of this file
    "role_is_granted": f"""
        SELECT u.id, 'is ' || u.role || ', the audit log says ' || coalesce(g.role, 'user')
          FROM users u
          LEFT JOIN (SELECT DISTINCT ON (subject) subject, role FROM ({_ROLES}) each
                      ORDER BY subject, seq DESC) g ON g.subject = u.id
         WHERE u.role <> coalesce(g.role, 'user')
        UNION ALL
        SELECT g.subject, 'was made ' || g.role || ' by ' || g.actor || ', who was no admin' FROM ({_ROLES}) g
         WHERE g.actor NOT IN ('command', 'system') AND NOT g.by_program
           AND (SELECT b.role FROM ({_ROLES}) b WHERE b.subject = coalesce(g.proposed_by, g.actor)
                   AND b.seq < g.seq ORDER BY b.seq DESC LIMIT 1) IS DISTINCT FROM 'admin'
    """,  # nosec B608  # constants of this file
    "reference": """
        SELECT t.id, t.reference || ' is not the name of a ' || t.kind || ' of its order'
          FROM ledger_transfers t LEFT JOIN provider_orders o ON o.id = t.provider_order_id
         WHERE t.debit_id IS NULL AND CASE WHEN t.kind IN ('reverse', 'undo_reverse')
                    THEN NOT starts_with(t.reference, 'onramp:buy:' || o.order_id || ':' || t.kind)
                    WHEN t.provider_order_id IS NOT NULL
                    THEN t.reference <> 'onramp:buy:' || o.order_id || ':' || t.kind
                    ELSE NOT starts_with(t.reference, CASE t.kind WHEN 'make_good' THEN 'adjust:'
                        WHEN 'write_off' THEN 'writeoff:' ELSE t.kind || ':' END) END IS NOT FALSE
    """,
    "environment": """
        SELECT t.id, t.reference || ' is ' || t.environment || ', what it belongs to is not'
          FROM ledger_transfers t
          LEFT JOIN provider_orders o ON o.id = t.provider_order_id
          LEFT JOIN top_ups u ON u.id = t.top_up_id
         WHERE o.environment <> t.environment OR u.environment <> t.environment
    """,
    "delivered_order_has_receive": f"""
        SELECT o.id, 'order ' || o.order_id || ' was delivered to us and has no receive'
          FROM provider_orders o JOIN assets s ON s.code = o.asset
         WHERE o.flow = 'buy' AND o.status_class = 'delivered' AND o.is_ours
           AND o.applied_version = o.version
           AND NOT EXISTS (SELECT FROM chain_evidence c
                            WHERE c.provider_order_id = o.id AND c.state IN ('waiting', 'away', 'missing'))
           AND CASE WHEN EXISTS (SELECT FROM ({_SHOWN}) c WHERE c.provider_order_id = o.id)
                    THEN EXISTS (SELECT FROM ({_SHOWN}) c
                                  WHERE c.provider_order_id = o.id AND c.amount_minor IS NOT NULL)
                    ELSE {_ARRIVED} > 0 AND {_ARRIVED} = trunc({_ARRIVED}) END
           AND NOT EXISTS (SELECT FROM ledger_transfers t
                            WHERE t.provider_order_id = o.id AND t.kind = 'receive')
    """,  # nosec B608  # constants of this file
    "order_has_one_receive": """
        SELECT t.provider_order_id, count(*) || ' receives of one order' FROM ledger_transfers t
         WHERE t.kind = 'receive' GROUP BY t.provider_order_id HAVING count(*) > 1
    """,
    "receive_is_what_was_delivered": f"""
        SELECT r.id, r.reference || ' books ' || r.amount_minor || ' ' || r.asset || ', delivered to us were '
               || coalesce(o.delivered_minor || ' ' || o.asset, 'none')
          FROM ({_RECEIVED}) r LEFT JOIN provider_orders o ON o.id = r.provider_order_id AND o.is_ours
         WHERE r.amount_minor IS DISTINCT FROM o.delivered_minor OR r.asset IS DISTINCT FROM o.asset
            OR (r.kind = 'receive' AND (r.account_kind <> 'treasury' OR r.network IS DISTINCT FROM o.network))
    """,  # nosec B608  # constants of this file
    "delivered_is_what_was_told": f"""
        SELECT o.id, 'order ' || o.order_id || ' has ' || o.delivered_minor || ' as delivered, its read says '
               || coalesce(CAST(trim_scale({_ARRIVED}) AS text), 'nothing')
          FROM provider_orders o LEFT JOIN assets s ON s.code = o.asset
         WHERE o.delivered_minor IS NOT NULL AND o.delivered_minor IS DISTINCT FROM {_ARRIVED}
           AND NOT {_IS_WITHOUT_TAIL}
           AND NOT EXISTS (SELECT FROM ({_SHOWN}) c WHERE c.provider_order_id = o.id)
    """,  # nosec B608  # constants of this file
    "delivered_is_what_the_network_shows": f"""
        SELECT o.id, 'order ' || o.order_id || ' has ' || o.delivered_minor
               || ' as delivered, its network shows '
               || coalesce(CAST(c.amount_minor AS text), 'an amount that the books cannot keep')
          FROM provider_orders o JOIN ({_SHOWN}) c ON c.provider_order_id = o.id
         WHERE o.delivered_minor IS NOT NULL AND o.delivered_minor IS DISTINCT FROM c.amount_minor
        UNION ALL
        SELECT o.id, 'order ' || o.order_id || ' is booked, and its network has not shown it'
          FROM provider_orders o JOIN chain_evidence c ON c.provider_order_id = o.id
         WHERE o.delivered_minor IS NOT NULL AND c.state IN ('waiting', 'away', 'missing')
           AND c.credited_by IS NULL
    """,  # nosec B608  # constants of this file
    "evidence_has_its_claims": """
        SELECT c.provider_order_id, 'is confirmed on ' || c.network || ', and no transfer is claimed for it'
          FROM chain_evidence c
         WHERE c.state IN ('confirmed', 'differs', 'left')
           AND NOT EXISTS (SELECT FROM chain_claims k
                            WHERE k.provider_order_id = c.provider_order_id AND k.network = c.network
                              AND k.transaction_hash = c.transaction_hash)
        UNION ALL
        SELECT k.provider_order_id, 'has claimed a transfer of ' || k.transaction_hash || ' that is not its'
          FROM chain_claims k
         WHERE NOT EXISTS (SELECT FROM chain_evidence c
                            WHERE c.provider_order_id = k.provider_order_id AND c.network = k.network
                              AND c.transaction_hash = k.transaction_hash
                              AND c.state IN ('confirmed', 'differs', 'left'))
    """,
    "top_up_has_receive": f"""
        SELECT u.id, u.status || ' with ' || coalesce(CAST(u.received_minor AS text), 'nothing')
               || ', booked were ' || coalesce(CAST(r.amount_minor AS text), 'none')
          FROM top_ups u
          FULL JOIN (SELECT top_up_id, asset, sum(amount_minor) AS amount_minor, count(*) AS receives
                       FROM ({_RECEIVED}) received WHERE top_up_id IS NOT NULL GROUP BY top_up_id, asset) r
            ON r.top_up_id = u.id
         WHERE (u.status = 'settled' OR u.has_entry OR r.top_up_id IS NOT NULL)
           AND (u.has_entry IS NOT TRUE OR r.receives IS DISTINCT FROM 1
                OR u.received_minor IS DISTINCT FROM r.amount_minor
                OR u.received_asset IS DISTINCT FROM r.asset)
    """,  # nosec B608  # constants of this file
    "held_has_exception": f"""
        SELECT p.top_up_id, -p.total || ' held, and no case is open'
          FROM (SELECT top_up_id, sum(total) AS total FROM ({_POSITIONS}) each
                 WHERE kind = 'held' GROUP BY top_up_id) p
         WHERE p.total < 0
           AND NOT EXISTS (SELECT FROM exceptions x WHERE x.kind = 'held' AND x.closed_at IS NULL
                              AND x.top_up_id = p.top_up_id)
    """,  # nosec B608  # constants of this file
    "exception_has_held": f"""
        SELECT x.top_up_id, 'a case for held money is open, and nothing is held'
          FROM exceptions x
         WHERE x.kind = 'held' AND x.closed_at IS NULL
           AND NOT EXISTS (SELECT FROM (SELECT top_up_id, sum(total) AS total FROM ({_POSITIONS}) each
                                         WHERE kind = 'held' GROUP BY top_up_id) p
                            WHERE p.top_up_id = x.top_up_id AND p.total < 0)
    """,  # nosec B608  # constants of this file
    "suspense_has_exception": f"""
        SELECT p.provider_order_id, -p.total || ' in suspense, and no case is open'
          FROM (SELECT provider_order_id, sum(total) AS total FROM ({_POSITIONS}) each
                 WHERE kind = 'suspense' GROUP BY provider_order_id) p
         WHERE p.total < 0
           AND NOT EXISTS (SELECT FROM exceptions x WHERE x.kind = 'suspense' AND x.closed_at IS NULL
                              AND x.provider_order_id = p.provider_order_id)
    """,  # nosec B608  # constants of this file
    "order_gives_what_it_has": f"""
        SELECT p.provider_order_id, 'took ' || p.total || ' more from ' || p.kind || ' than it brought there'
          FROM (SELECT provider_order_id, kind, sum(total) AS total FROM ({_POSITIONS}) each
                 GROUP BY provider_order_id, kind) p
         WHERE p.total > 0
    """,  # nosec B608  # constants of this file
    "chain_is_whole": """
        SELECT CAST(c.seq AS text), 'the link before it is missing or another one'
          FROM (SELECT seq, previous_hash, lag(seq, 1, CAST(0 AS bigint)) OVER (ORDER BY seq) AS before,
                       lag(hash, 1, decode(repeat('00', 32), 'hex')) OVER (ORDER BY seq) AS hash_before
                  FROM ledger_chain) c
         WHERE c.before <> c.seq - 1 OR c.hash_before <> c.previous_hash
    """,
    "chained_is_unchanged": """
        SELECT CAST(c.seq AS text), c.kind || ' ' || c.subject_id || ' was changed or removed'
          FROM ledger_chain c
         WHERE c.hash IS DISTINCT FROM sha256(c.previous_hash || convert_to(
               CASE c.kind WHEN 'transfer' THEN ledger_transfer_content(c.subject_id)
                           ELSE audit_row_content(c.subject_id) END, 'UTF8'))
    """,
    "all_is_chained": """
        SELECT t.id, t.reference || ' is not in the chain' FROM ledger_transfers t
         WHERE NOT EXISTS (SELECT FROM ledger_chain c WHERE c.kind = 'transfer' AND c.subject_id = t.id)
        UNION ALL
        SELECT l.id, l.action || ' of the audit log is not in the chain' FROM audit_log l
         WHERE NOT EXISTS (SELECT FROM ledger_chain c WHERE c.kind = 'audit' AND c.subject_id = l.id)
    """,
    **DEBIT_RULES,
}
