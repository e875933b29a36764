"""For queries that read the rows of many people or top-ups in hardly more time than those of one.

`EACH` is a table of the ids in `:ids`, to join with a lateral query that asks for `EACH_ID`.
"""

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, func, literal_column

IDS = bindparam("ids", type_=ARRAY(Text))
EACH = func.unnest(IDS).table_valued("id").render_derived(name="each")
# As text, since as a column it would bring the table along into the inner query.
EACH_ID: ColumnElement[str] = literal_column("each.id", Text)
