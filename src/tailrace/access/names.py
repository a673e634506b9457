"""What may be the name of a tenant or a user."""

from tailrace.errors import NameInvalid

_LONGEST = 100


def check_name(name: str) -> None:
    """Refuse a name that is empty, too long, unprintable or has blanks at an end; raises NameInvalid."""
    if not name or len(name) > _LONGEST or not name.isprintable() or name != name.strip():
        raise NameInvalid(f"The name must be 1 to {_LONGEST} printable characters without blanks at either end.")
