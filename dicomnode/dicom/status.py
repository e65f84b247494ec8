"""DIMSE status codes as words (PS3.7 Annex C, PS3.4 Section B.2.3)."""

from typing import Final

SUCCESS: Final = 0x0000

# C-STORE warnings (PS3.4 Table B.2-1): stored, and the sender should know
COERCED: Final = 0xB000
ELEMENTS_DISCARDED: Final = 0xB006
STORED_WITH_FAULTS: Final = 0xB007
"""Data Set does not match SOP Class: it is kept, in quarantine or with a remark."""

# C-STORE failures (PS3.4 Table B.2-1)
OUT_OF_RESOURCES: Final = 0xA700
DATASET_DOES_NOT_MATCH_SOP_CLASS: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000
CANNOT_PARSE: Final = 0xC501
MISSING_UID: Final = 0xC502
DUPLICATE_WITH_OTHER_CONTENT: Final = 0xC503

# C-FIND, C-MOVE, C-GET (PS3.4 Tables C.4-1, C.4-2, C.4-3)
PENDING: Final = 0xFF00
PENDING_WITH_UNSUPPORTED_KEYS: Final = 0xFF01
"""C-FIND: an Optional Key of the request is not supported."""
CANCEL: Final = 0xFE00
"""Only ever an answer to a C-CANCEL."""
UNABLE_TO_CALCULATE_MATCHES: Final = 0xA701
UNABLE_TO_PERFORM_SUB_OPERATIONS: Final = 0xA702
MOVE_DESTINATION_UNKNOWN: Final = 0xA801
IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS: Final = 0xA900
UNABLE_TO_PROCESS: Final = 0xC000
SUB_OPERATIONS_WITH_FAILURES: Final = 0xB000

# normalized services (PS3.7 Section 10.1, Annex C)
NO_SUCH_ATTRIBUTE: Final = 0x0105
INVALID_ATTRIBUTE_VALUE: Final = 0x0106
ATTRIBUTE_LIST_ERROR: Final = 0x0107
"""A warning: what is named was not taken, the rest was."""
NO_SUCH_SOP_INSTANCE: Final = 0x0112
NO_SUCH_EVENT_TYPE: Final = 0x0113
NO_SUCH_ARGUMENT: Final = 0x0114
INVALID_ARGUMENT_VALUE: Final = 0x0115
ATTRIBUTE_VALUE_OUT_OF_RANGE: Final = 0x0116
"""A warning."""
NO_SUCH_SOP_CLASS: Final = 0x0118
CLASS_INSTANCE_CONFLICT: Final = 0x0119
MISSING_ATTRIBUTE: Final = 0x0120
MISSING_ATTRIBUTE_VALUE: Final = 0x0121
NO_SUCH_ACTION_TYPE: Final = 0x0123
RESOURCE_LIMITATION: Final = 0x0213

# general (PS3.7 Annex C)
PROCESSING_FAILURE: Final = 0x0110
DUPLICATE_SOP_INSTANCE: Final = 0x0111
INVALID_SOP_INSTANCE: Final = 0x0117
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
NOT_AUTHORIZED: Final = 0x0124
DUPLICATE_INVOCATION: Final = 0x0210
UNRECOGNIZED_OPERATION: Final = 0x0211
MISTYPED_ARGUMENT: Final = 0x0212

ERROR_COMMENT_LENGTH: Final = 64
"""Characters that an Error Comment (0000,0902; LO) may have; ASCII, no backslash."""


def is_success(status: int) -> bool:
    """Whether the instance was accepted: Success or a Warning (PS3.7 Annex C.1, C.3)."""
    return status == SUCCESS or is_warning(status)


def is_warning(status: int) -> bool:
    """Whether the status is a Warning (PS3.7 Section C.3)."""
    return status in (0x0001, 0x0107, 0x0116) or 0xB000 <= status <= 0xBFFF  # noqa: PLR2004 - the table itself


def is_pending(status: int) -> bool:
    """Whether more responses follow (PS3.7 Section C.1.3)."""
    return status in (PENDING, PENDING_WITH_UNSUPPORTED_KEYS)


def meaning(status: int) -> str:
    """What the status of a C-STORE response says, for a person: its number, and its words (PS3.4 Table B.2-1, PS3.7 Annex C)."""
    words = _GENERAL_WORDS.get(status)
    if words is None:
        words = next((words for first, last, words in _STORAGE_WORDS if first <= status <= last), "unknown status")
    return f"{status:#06x} {words}"


def error_comment(text: str) -> str:
    """``text`` as an Error Comment may hold it: ASCII, no backslash or control character, at most 64 characters."""
    plain = "".join(
        character if " " <= character <= "~" and character != "\\" else "?" for character in text.replace("\n", " ")
    )
    return plain[:ERROR_COMMENT_LENGTH].rstrip()


_GENERAL_WORDS: Final = {
    SUCCESS: "success",
    COERCED: "coercion of data elements",
    ELEMENTS_DISCARDED: "elements discarded",
    STORED_WITH_FAULTS: "data set does not match SOP Class, stored",
    NO_SUCH_ATTRIBUTE: "no such attribute",
    INVALID_ATTRIBUTE_VALUE: "invalid attribute value",
    ATTRIBUTE_LIST_ERROR: "attribute list error",
    NO_SUCH_SOP_INSTANCE: "no such SOP Instance",
    NO_SUCH_EVENT_TYPE: "no such event type",
    NO_SUCH_ARGUMENT: "no such argument",
    INVALID_ARGUMENT_VALUE: "invalid argument value",
    ATTRIBUTE_VALUE_OUT_OF_RANGE: "attribute value out of range",
    NO_SUCH_SOP_CLASS: "no such SOP Class",
    CLASS_INSTANCE_CONFLICT: "class-instance conflict",
    MISSING_ATTRIBUTE: "missing attribute",
    MISSING_ATTRIBUTE_VALUE: "missing attribute value",
    NO_SUCH_ACTION_TYPE: "no such action type",
    RESOURCE_LIMITATION: "resource limitation",
    PROCESSING_FAILURE: "processing failure",
    DUPLICATE_SOP_INSTANCE: "duplicate SOP instance",
    INVALID_SOP_INSTANCE: "invalid SOP instance",
    SOP_CLASS_NOT_SUPPORTED: "SOP Class not supported",
    NOT_AUTHORIZED: "not authorized",
    DUPLICATE_INVOCATION: "duplicate Message ID",
    UNRECOGNIZED_OPERATION: "unrecognized operation",
    MISTYPED_ARGUMENT: "mistyped argument",
}
_STORAGE_WORDS: Final = (
    (0xA700, 0xA7FF, "out of resources"),
    (0xA900, 0xA9FF, "data set does not match SOP Class"),
    (0xC000, 0xCFFF, "cannot understand"),
    (0xB000, 0xBFFF, "warning"),
)
