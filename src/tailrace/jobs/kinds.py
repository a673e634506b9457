"""What a result can be: a format's text as it is, or packed; the name says both, such as `csv.gz`."""

from functools import cache

from tailrace.plugins import load_plugin

# What `Content-Type` says of a packed result: it is a file of this type, not a transfer of the text.
_PACKED = {
    "gz": "application/gzip",
    "zst": "application/zstd",
    "parquet": "application/vnd.apache.parquet",
}


def split_kind(name: str) -> tuple[str, str]:
    """Tell the format whose text is rendered, and how it is packed; empty for not at all.

    Parquet is made from the text of CSV.
    """
    if name == "parquet":
        return "csv", name
    text, _, packing = name.partition(".")
    return text, packing


@cache
def media_type(name: str) -> str:
    """Tell what `Content-Type` says of a result."""
    text, packing = split_kind(name)
    return _PACKED[packing] if packing else str(load_plugin("tailrace.formats", text).create((), {}).media_type)
