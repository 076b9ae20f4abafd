"""What a field costs: the one table of it. Rows that may be read, and a tenth for each value of the answer.

Never below the rows that are read: a test generates queries over the whole schema and counts. What an offset steps over
is charged beside them. docs/limits.md explains it; what a price may depend on is in cost_inputs.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from app.domain import (
    DEFAULT_MEMBERSHIPS,
    DEFAULT_PAGE,
    MAX_BUCKETS,
    MAX_COLLECTIONS_OF_IMAGE,
    MAX_EXIF_ENTRIES,
    MAX_IDS,
    MAX_MEMBERSHIPS,
    MAX_PAGE,
    MAX_TAGS_OF_IMAGE,
    MAX_TAGS_PER_CALL,
    BulkSkipReason,
    DatasetFile,
    ImageFormat,
    ProcessingStatus,
)
from app.graphql.cost_inputs import Given
from app.services.bulk_edits.bulk_selections import MAX_FOUND
from app.services.duplicate_groups import MAX_GROUP
from app.services.paging import MAX_OFFSET
from app.services.searching import fusion
from app.services.searching.shortlist import RELEVANT, SHORTLIST

VALUE: Final = 1
"""Points of a value in the answer. A point is a tenth of what is shown as cost."""
ROW: Final = 10
"""Points of a row: reading one and making an object of it takes as long as seven to ten plain values (measured)."""
STEPPED: Final = ROW / 10
"""Of a row that an offset steps over: PostgreSQL reads it, and nothing is made of it."""
INTROSPECTED: Final = 5 * VALUE
"""Of a value of introspection: all of it is answered without a pause, in which others wait."""
COUNT: Final = 10 * ROW
"""Of counting a whole list."""
SEARCH: Final = 130 * ROW
"""Of ranking by meaning, or by words and meaning: the plan, and the hits beyond the page that are checked."""
TERM: Final = 20 * ROW
"""Of a text that the model reads beside the question, or the stored vector of an image."""
SHORTLIST_OF_HYBRID: Final = 3 * fusion.FUSED + fusion.MOST_FOUND
"""By meaning, by words and by tags, and the tags."""
SWEPT: Final = 100 * ROW
"""Of going through everything that matches, to put it into an order or into groups."""
HASH: Final = 100 * ROW
"""Of a password's hash."""
INTAKE: Final = 100 * ROW
"""Of decoding and storing a file."""
WRITE: Final = 10 * ROW
"""Of any change: its locks, its rows, its record."""
MOST_HEADERS: Final = 4
"""That a PUT of announced bytes must carry."""
SWEEP: Final = 1_000 * ROW
"""Of a change whose rows nobody has counted: a tag's or a team's images."""

Charge: TypeAlias = tuple[float, float]
"""Points of the field itself, and how many objects its selection is answered for."""


Price: TypeAlias = Callable[[Given], Charge]


def flat(points: float, size: float = 1) -> Price:
    return lambda _given: (points, size)


def page(otherwise: int = DEFAULT_PAGE, extra: float = 0) -> Price:
    """A page of `first` or `last` rows, the one more that tells whether others follow, and what an offset steps over."""

    def price(given: Given) -> Charge:
        asked = [given.number(one, 0, MAX_PAGE) for one in ("first", "last")]
        size = max(asked) or otherwise
        stepped = STEPPED * given.number("offset", 0, MAX_OFFSET)
        # The names of a filter are looked up for the page, and again for its count.
        return ROW * (size + 1 + 2 * given.tag_names()) + stepped + extra, size

    return price


def listed(most: int) -> Price:
    """A whole list of at most so many rows."""
    return flat(ROW * (most + 1), most)


def by_id(argument: str, rows: float = 1, *, each: str | None = None, base: float = 0) -> Price:
    """So many rows for each of the ids, and one more for each pair of an id and an element of `each`."""

    def price(given: Given) -> Charge:
        ids = given.count(argument)
        names = given.count(each) if each else 0
        read = ids * (rows + names) + 3 * names * (given.request.teams if names else 1)
        return base + ROW * read, ids

    return price


def draw(given: Given) -> Charge:
    """The images, the lists that cover the filter in each team, and the names of the filter."""
    count = given.number("count", 1, MAX_IDS)
    swept = COUNT if given.value("seed") is None else SWEPT
    return ROW * (count + given.request.teams + 2 * given.tag_names()) + swept, count


def facets(given: Given) -> Charge:
    """The names of the filter, looked up once for all counts."""
    return ROW * (1 + given.tag_names()), 1


def tag_facets(given: Given) -> Charge:
    count = given.number("first", DEFAULT_PAGE, MAX_PAGE)
    return ROW * count + SWEPT, count


def timeline(given: Given) -> Charge:
    return ROW * (MAX_BUCKETS + 1 + given.tag_names()) + SWEPT, MAX_BUCKETS


def duplicate_groups(given: Given) -> Charge:
    """A page of groups, each with all of its images."""
    size = given.number("first", 10, MAX_PAGE)
    return ROW * (size + 1 + size * MAX_GROUP) + COUNT, size


def search(given: Given) -> Charge:
    """The page, and the rows that are read to choose it."""
    points, size = page(10, SEARCH)(given)
    points += SEARCH if given.value("not") is not None else 0
    points += TERM * (given.count("more") + given.count("less"))
    if given.value("mode") == "HYBRID":
        points += ROW * SHORTLIST_OF_HYBRID
    if given.value("orderBy") is not None:
        has_cut = any(given.value(one) is not None for one in ("minScore", "minRelevance"))
        points += ROW * (RELEVANT if has_cut else SHORTLIST)
    if given.value("diversity"):
        points += ROW * 2 * SHORTLIST
    points += measured(given)[0] if given.value("minRelevance") is not None else 0
    return points, size


def marked(given: Given) -> Charge:
    """The images, and every pair of them; then their groups are made anew."""
    count = given.count("imageIds")
    return WRITE + ROW * count * (3 + min(count, MAX_IDS) / 2 + MAX_GROUP), count


def measured(given: Given) -> Charge:
    """What is known of relevance in each team."""
    return ROW * given.request.teams + VALUE, 1


def intake(files: str | None) -> Price:
    """A file, or each of those under `files`, with its tags."""

    def price(given: Given) -> Charge:
        count = 1 if files is None else given.count(files)
        return WRITE + count * (INTAKE + 4 * ROW * given.count("input.tags")), count

    return price


def announced(given: Given) -> Charge:
    """A file that is to come, with its tags."""
    return WRITE + 4 * ROW * given.count("input.tags"), 1


def exported(given: Given) -> Charge:
    """The dataset, what it is compared with, and the names of the filter. The export itself is a worker's."""
    return WRITE + ROW * (6 + given.tag_names("input.filter")), 1


def watched(given: Given) -> Charge:
    """Paid when it begins and for each event: the images that are watched, and the one that is told."""
    return ROW * (2 + 2 * given.count("imageIds")), 1


def prepared(given: Given) -> Charge:
    """The names of the filter and of the change, and the hits of a search; the list itself is never read."""
    changed = given.count("input.change.addTags") + given.count("input.change.removeTags")
    names = 2 * given.tag_names("input.filter") + changed
    hits = SEARCH + ROW * (MAX_FOUND + 1) if given.value("input.search") is not None else 0
    return WRITE + COUNT + ROW * names + hits, 1


def memberships(given: Given) -> Charge:
    asked = given.number("first", DEFAULT_MEMBERSHIPS, MAX_MEMBERSHIPS)
    most = min(asked, given.request.memberships)
    return ROW * (most + 1), most


PRICES: Final[dict[str, Price]] = {
    "Query.node": flat(2 * ROW),
    "Query.nodes": by_id("ids", 2),
    "Query.searchImages": search,
    "Query.randomImage": draw,
    "Query.randomImages": draw,
    "Team.duplicateGroups": duplicate_groups,
    "DuplicateGroup.images": flat(0, MAX_GROUP),
    "Query.shuffledImages": page(extra=SWEPT),
    "Query.imageFacets": facets,
    "Query.imageTimeline": timeline,
    "ImageFacets.total": flat(COUNT),
    "ImageFacets.tags": tag_facets,
    "ImageFacets.formats": flat(SWEPT + ROW * len(ImageFormat), len(ImageFormat)),
    "ImageFacets.processing": flat(SWEPT + ROW * len(ProcessingStatus), len(ProcessingStatus)),
    "Team.stats": flat(5 * ROW + 2 * COUNT),
    "User.memberships": memberships,
    "User.email": flat(2 * ROW),
    "Tag.imageCount": flat(ROW + VALUE),
    "Processing.attempts": flat(ROW + VALUE),
    "Processing.error": flat(ROW + VALUE),
    "Processing.model": flat(ROW + VALUE),
    "Processing.finishedAt": flat(ROW + VALUE),
    "Image.tags": listed(MAX_TAGS_OF_IMAGE),
    "Image.taggings": listed(MAX_TAGS_OF_IMAGE),
    "Image.collections": listed(MAX_COLLECTIONS_OF_IMAGE),
    "Image.exif": flat(VALUE, MAX_EXIF_ENTRIES),
    "Image.similar": page(10, SEARCH),
    "Image.thumbnail": flat(VALUE),
    "Image.processing": flat(VALUE),
    "TeamStats.processing": flat(VALUE),
    "AuditEvent.subject": flat(2 * ROW),
    "Dataset.status": flat(ROW + VALUE),
    "Dataset.error": flat(ROW + VALUE),
    "Dataset.files": flat(VALUE, len(DatasetFile)),
    "UploadTicket.headers": flat(VALUE, MOST_HEADERS),
    "SearchConnection.candidateCount": flat(SEARCH),
    "SearchConnection.relevanceBasis": measured,
    "SearchEdge.relevance": flat(ROW + VALUE),
    "Mutation.register": flat(WRITE + HASH),
    "Mutation.login": flat(WRITE + HASH),
    "Mutation.setPassword": flat(WRITE + HASH),
    "Mutation.changePassword": flat(WRITE + 2 * HASH),
    "Mutation.uploadImage": intake(None),
    "Mutation.uploadImages": intake("input.files"),
    "Mutation.requestUpload": announced,
    "Mutation.completeUpload": flat(WRITE + INTAKE + 4 * ROW * MAX_TAGS_PER_CALL),
    "Mutation.exportDataset": exported,
    "Mutation.retryProcessing": by_id("ids", 4, base=WRITE),
    "Mutation.trashImages": by_id("ids", 3, base=WRITE),
    "Mutation.restoreImages": by_id("ids", 3, base=WRITE),
    "Mutation.deleteImages": by_id("ids", 10, base=WRITE),
    "Mutation.markNotDuplicates": marked,
    "Mutation.addTags": by_id("imageIds", 3, each="tags", base=WRITE),
    "Mutation.removeTags": by_id("imageIds", 3, each="tags", base=WRITE),
    "Mutation.renameTag": flat(WRITE + SWEEP),
    "Mutation.mergeTags": flat(WRITE + SWEEP),
    "Mutation.deleteTag": flat(WRITE + SWEEP),
    "Mutation.deleteTeam": flat(WRITE + SWEEP),
    "Mutation.deleteUser": flat(WRITE + SWEEP),
    "BulkJob.images": page(10, 3 * ROW),
    "BulkJob.skips": flat(VALUE, len(BulkSkipReason)),
    "BulkJob.tags": flat(VALUE * MAX_TAGS_PER_CALL),
    "BulkJob.newTags": flat(VALUE * MAX_TAGS_PER_CALL),
    "Mutation.prepareBulkJob": prepared,
    "Mutation.startBulkJob": flat(WRITE + 2 * ROW * MAX_TAGS_PER_CALL),
    "Subscription.imageProcessing": watched,
}
"""Fields whose price does not follow from their type alone, as price_list has it."""
