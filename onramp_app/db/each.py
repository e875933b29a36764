"""Building blocks for queries that read the rows of many people or top-ups in little more time than for one.

`EACH` is a table of the ids in `:ids`; join it with a lateral subquery that filters by `EACH_ID`.
"""

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, func, literal_column

IDS = bindparam("ids", type_=ARRAY(Text))
EACH = func.unnest(IDS).table_valued("id").render_derived(name="each")
# As literal text, since as a column it would add the table to the FROM of the inner query.
EACH_ID: ColumnElement[str] = literal_column("each.id", Text)
