"""The paths of the SmartSync Export APIs (SS-002)."""

_ROOT = "/SMARTSync/services/rs"

LOGIN = f"{_ROOT}/users/v1/login"
LOGOUT = f"{_ROOT}/users/v1/logout"
ENTITIES = f"{_ROOT}/entities/v1"
EXPORTERS = f"{_ROOT}/exporters/v1"
STATUS = f"{EXPORTERS}/status"
RESULT = f"{EXPORTERS}/result"
CANCEL = f"{EXPORTERS}/cancel"
