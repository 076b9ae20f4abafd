"""How much of anything there may be."""

from typing import Final

MAX_PAGE: Final = 100
DEFAULT_PAGE: Final = 50
MAX_IDS: Final = 100
MAX_BUCKETS: Final = 1_000
"""Of a timeline."""
MAX_TAG_LENGTH: Final = 100
MAX_NAME_LENGTH: Final = 200
MAX_DESCRIPTION_LENGTH: Final = 10_000
MAX_TAGS_PER_CALL: Final = 50
MAX_TAGS_OF_IMAGE: Final = 100
MAX_IMAGES_OF_CHANGED_TAG: Final = 10_000
"""Beyond it a tag is neither merged nor deleted: each image is locked, worded anew and its vector told, in one operation."""
MAX_COLLECTIONS_OF_IMAGE: Final = 100
DEFAULT_MEMBERSHIPS: Final = 100
MAX_MEMBERSHIPS: Final = 1_000
"""What a list without pages holds at most has a bound, so that a query's cost has one."""
MAX_EXIF_ENTRIES: Final = 64
MAX_DATASETS_OF_TEAM: Final = 100
MAX_EMAIL_LENGTH: Final = 254
