"""The rules of debits, in the form of `ledger.rules`: each debit agrees with its transfers, both ways."""

# What the transfers of each debit have moved, in all.
_MOVED = """
    SELECT t.debit_id,
           coalesce(sum(e.amount_minor) FILTER (WHERE t.kind IN ('debit', 'debit_hold')), 0) AS taken,
           coalesce(sum(e.amount_minor) FILTER (WHERE t.kind IN ('debit', 'debit_capture')), 0) AS posted,
           coalesce(sum(e.amount_minor) FILTER (WHERE t.kind = 'debit_release'), 0) AS released,
           coalesce(sum(e.amount_minor) FILTER (WHERE t.kind = 'debit_reverse'), 0) AS reversed,
           count(*) FILTER (WHERE t.kind IN ('debit', 'debit_hold')) AS beginnings
      FROM ledger_transfers t
      JOIN ledger_entries e ON e.transfer_id = t.id AND e.amount_minor > 0
     WHERE t.debit_id IS NOT NULL
     GROUP BY t.debit_id
"""

# Whether a transfer has the name that docs/money.md gives it. A colon before a letter begins a parameter.
_NAME = "'debit:' || d.program_id || ':' || d.reference"
_IS_NAMED = f"""
    (CASE t.kind
        WHEN 'debit' THEN t.reference = {_NAME}
        WHEN 'debit_hold' THEN t.reference = {_NAME} || ':' || 'hold'
        WHEN 'debit_release' THEN t.reference = {_NAME} || ':' || 'release'
        WHEN 'debit_capture' THEN starts_with(t.reference, {_NAME} || ':' || 'capture:')
        WHEN 'debit_reverse' THEN starts_with(t.reference, {_NAME} || ':' || 'reverse:')
        ELSE false END)
"""

DEBIT_RULES = {
    "debit_has_its_transfers": f"""
        SELECT d.id, d.reference || ' takes ' || d.amount_minor || ', posts ' || d.posted_minor
               || ', releases ' || d.released_minor || ', reverses ' || d.reversed_minor || '; booked were '
               || coalesce(concat_ws('/', m.taken, m.posted, m.released, m.reversed), 'none')
          FROM debits d LEFT JOIN ({_MOVED}) m ON m.debit_id = d.id
         WHERE m.beginnings IS DISTINCT FROM 1 OR m.taken <> d.amount_minor OR m.posted <> d.posted_minor
            OR m.released <> d.released_minor OR m.reversed <> d.reversed_minor
    """,  # nosec B608  # constants of this file
    "transfer_has_its_debit": f"""
        SELECT t.id, t.reference || ' is a ' || t.kind || ' of no debit that it fits'
          FROM ledger_transfers t
          LEFT JOIN debits d ON d.id = t.debit_id AND d.user_id = t.user_id AND d.environment = t.environment
         WHERE (t.debit_id IS NOT NULL OR starts_with(t.kind, 'debit'))
           AND (d.id IS NULL OR NOT {_IS_NAMED}
                OR t.kind <> 'debit_reverse' AND d.is_hold = (t.kind = 'debit')
                OR EXISTS (SELECT FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
                            WHERE e.transfer_id = t.id AND a.asset <> d.asset))
    """,  # nosec B608  # constants of this file
    "held_has_debit": """
        SELECT coalesce(h.debit_id, d.id),
               coalesce(h.held, 0) || ' held, on hold are ' || coalesce(d.left_minor, 0)
          FROM (SELECT t.debit_id, -sum(e.amount_minor) AS held
                  FROM ledger_transfers t
                  JOIN ledger_entries e ON e.transfer_id = t.id
                  JOIN ledger_accounts a ON a.id = e.account_id AND a.kind = 'held'
                 WHERE t.debit_id IS NOT NULL GROUP BY t.debit_id) h
          FULL JOIN (SELECT id, amount_minor - posted_minor - released_minor AS left_minor
                       FROM debits WHERE status = 'held') d ON d.id = h.debit_id
         WHERE coalesce(h.held, 0) <> coalesce(d.left_minor, 0)
    """,
}
