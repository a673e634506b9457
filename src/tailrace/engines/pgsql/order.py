"""How a slice's rows are ordered: by instant, which an index gives, and by all else only where rows share one."""

from dataclasses import dataclass

from tailrace.engines.base import Scan, Slice
from tailrace.engines.pgsql.source import AT, Source
from tailrace.engines.pgsql.translate import as_part, translate_order

# A row of PostgreSQL's has no more than 1,664 columns, and a term may need two.
_MOST_TERMS = 800


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a scan's rows in its source."""

    scan: Scan
    source: Source

    def terms(self, part: Slice) -> list[str]:
        """Write what orders a slice; all but the first term is computed only for rows of an instant others share."""
        few = self._few()
        return [AT, f"CASE WHEN {AT} IN ({self.shared(part)}) THEN {few} END"] if few else [AT]

    def tied_terms(self) -> list[str]:
        """Write what orders rows that are known to share their instants."""
        return [AT, few] if (few := self._few()) else [AT]

    def shared(self, part: Slice) -> str:
        """Write the SELECT of the instants that several rows of a slice share."""
        rows = self.source.placed(part.start, part.end, [self.scan.range_column])
        return f"SELECT {AT} FROM ({rows}) AS rows GROUP BY {AT} HAVING count(*) > 1"

    def _few(self) -> str:
        """Write all terms but the first as one value, whatever their number; nothing if there is only one."""
        terms = [as_part(translate_order(term)) for term in self.scan.order[1:]]
        few = [f"ROW({', '.join(terms[at : at + _MOST_TERMS])})" for at in range(0, len(terms), _MOST_TERMS)]
        return f"ROW({', '.join(few)})" if few else ""
