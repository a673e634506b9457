"""The faults of a request to export, in the order of the table they are listed in (SS-301)."""

from enum import IntEnum, auto

from tailrace.web.smartsync.body import wrong

# Every parameter there is, in the order of SS-204.
PARAMETERS = (
    "startDate",
    "endDate",
    "outputFormat",
    "dateFormat",
    "timeFormat",
    "muIds",
    "buIds",
    "ctIds",
    "timeOffGroupList",
    "allTimeOffGroups",
    "keepEmptyJsonFields",
    "excludePipeHeader",
    "attribute",
    "lastModifiedTime",
    "disableMidnightCutOff",
    "recordType",
    "fields",
)


class Row(IntEnum):
    """The rows of the table that name a fault of a parameter."""

    UNKNOWN_PARAMETER = auto()
    MISSING_PARAMETER = auto()
    START_DATE = auto()
    END_DATE = auto()
    DATE_ORDER = auto()
    DATE_RANGE = auto()
    OUTPUT_FORMAT = auto()
    DATE_FORMAT = auto()
    TIME_FORMAT = auto()
    LAST_MODIFIED_TIME = auto()
    VALUE = auto()
    NO_IDS = auto()
    MANY_IDS = auto()
    ID = auto()
    NEITHER_BU_NOR_CT = auto()
    NEITHER_TIME_OFF = auto()
    BOTH_TIME_OFF = auto()
    RULE = auto()
    RULE_IN_DAYS = auto()
    NOT_JSON = auto()
    NOT_PIPE = auto()
    ATTRIBUTE = auto()
    DEFAULT_ATTRIBUTE = auto()
    FIELDS = auto()
    FIELD = auto()
    FIELDS_WITH_XML = auto()
    NOT_PERMITTED = auto()


class Faults:
    """Collects faults in whatever order they are found."""

    def __init__(self) -> None:
        """Begin without any."""
        self._found: list[tuple[Row, int, str]] = []

    def __bool__(self) -> bool:
        """Tell whether there is one."""
        return bool(self._found)

    def add(self, row: Row, parameter: str, text: str) -> None:
        """Note a fault of a parameter."""
        place = PARAMETERS.index(parameter) if parameter in PARAMETERS else len(PARAMETERS)
        self._found.append((row, place, text))

    def add_wrong(self, row: Row, parameter: str, value: object, *, name: str = "") -> None:
        """Note a value that a parameter, or its member of that name, cannot have."""
        self.add(row, parameter, wrong(name or parameter, value))

    def listed(self) -> tuple[str, ...]:
        """Give the texts by row, within a row by parameter, of one parameter as they were found."""
        return tuple(text for *_, text in sorted(self._found, key=lambda fault: fault[:2]))
