"""Queries that read for several people at once what they read for one, and take hardly longer.

`:user_ids` are the people's ids. `EVERYBODY` is a table of them, to join with a lateral query that asks for
`THEIR_ID`.
"""

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, func, literal_column

USER_IDS = bindparam("user_ids", type_=ARRAY(Text))
EVERYBODY = func.unnest(USER_IDS).table_valued("id").render_derived(name="person")
# As text, since as a column it would bring the table along into the inner query.
THEIR_ID: ColumnElement[str] = literal_column("person.id", Text)
