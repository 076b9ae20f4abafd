"""Who may ask for what: the one table of it. It guards the root fields, and docs/permissions.md is printed from it.

Which rows an actor reaches is the services' part (services/access); a test walks the whole table against both.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import wraps
from typing import Any, Final

from graphql import GraphQLObjectType, GraphQLSchema

from app.domain import Actor, Role
from app.errors import forbidden
from app.graphql.context import Context


class Who(StrEnum):
    """ANYONE: without a key or a login. USER: whoever is known. MEMBER: of the team of what is named."""

    ANYONE = "anyone"
    USER = "user"
    MEMBER = "member"
    OPERATOR = "operator"


class Caller(StrEnum):
    """The kinds of callers that the table tells apart. STRANGER: ADMIN of another team."""

    ANONYMOUS = "anonymous"
    STRANGER = "stranger"
    VIEWER = "VIEWER"
    EDITOR = "EDITOR"
    ADMIN = "ADMIN"
    OPERATOR = "operator"


class Outcome(StrEnum):
    """HIDDEN: as if it did not exist: null, not in the list, or NOT_FOUND."""

    ALLOWED = "yes"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Need:
    """What a field asks of its caller.

    `role`: the least, in the team of what is named (`any_team`: in any team). `operator`: an operator needs no
    membership. `own`: the person concerned may, whatever their role. `hidden_below`: members below the role do
    not see it. `once`: at most one such field an operation, since it costs a password's hash.
    """

    who: Who
    role: Role = Role.VIEWER
    operator: bool = False
    any_team: bool = False
    own: bool = False
    hidden_below: bool = False
    once: bool = False
    note: str = ""

    def check(self, context: Context) -> None:
        """UNAUTHENTICATED without an actor, FORBIDDEN where the actor has the role in no team at all."""
        if self.who is Who.ANYONE:
            return
        actor = context.viewer
        if self.who is Who.MEMBER and not self._may_be_enough(actor):
            raise forbidden(f"This needs the role {self.role} in the team.")

    def _may_be_enough(self, actor: Actor) -> bool:
        if self.own or self.role is Role.VIEWER or (self.operator and actor.is_operator):
            return True
        return any(role.rank >= self.role.rank for role in actor.roles.values())

    def outcome(self, caller: Caller) -> Outcome:
        """What this caller gets who names something of a team, and someone else's where it is personal."""
        if self.who is Who.ANYONE:
            return Outcome.ALLOWED
        if caller is Caller.ANONYMOUS:
            return Outcome.UNAUTHENTICATED
        if self.who is Who.USER:
            return Outcome.ALLOWED
        if caller is Caller.OPERATOR:
            return Outcome.ALLOWED if self.operator else Outcome.HIDDEN
        if caller is Caller.STRANGER:
            return Outcome.ALLOWED if self.any_team else Outcome.HIDDEN
        if self.who is Who.MEMBER and Role(caller.value).rank >= self.role.rank:
            return Outcome.ALLOWED
        return Outcome.HIDDEN if self.hidden_below else Outcome.FORBIDDEN


def _but(need: Need, note: str = "", **changes: Any) -> Need:
    return replace(need, note=note, **changes)


ANYONE: Final = Need(Who.ANYONE)
USER: Final = Need(Who.USER)
VIEWER: Final = Need(Who.MEMBER, Role.VIEWER)
EDITOR: Final = Need(Who.MEMBER, Role.EDITOR)
ADMIN: Final = Need(Who.MEMBER, Role.ADMIN)
OPERATOR: Final = Need(Who.OPERATOR, operator=True)
VIEWER_OR_OPERATOR: Final = _but(VIEWER, operator=True)
ADMIN_OR_OPERATOR: Final = _but(ADMIN, operator=True)

ROOT_FIELDS: Final[dict[str, Need]] = {
    "Query.node": _but(VIEWER, "As the type of what is named: see below."),
    "Query.nodes": _but(VIEWER, "As the types of what is named: see below."),
    "Query.viewer": USER,
    "Query.user": VIEWER_OR_OPERATOR,
    "Query.users": VIEWER_OR_OPERATOR,
    "Query.team": VIEWER_OR_OPERATOR,
    "Query.teams": VIEWER_OR_OPERATOR,
    "Query.image": VIEWER,
    "Query.images": VIEWER,
    "Query.searchImages": VIEWER,
    "Query.randomImage": VIEWER,
    "Query.randomImages": VIEWER,
    "Query.shuffledImages": VIEWER,
    "Query.imageFacets": VIEWER,
    "Query.imageTimeline": VIEWER,
    "Query.tag": VIEWER,
    "Query.tags": VIEWER,
    "Query.collection": VIEWER,
    "Query.collections": VIEWER,
    "Query.bulkJob": VIEWER,
    "Query.bulkJobs": VIEWER,
    "Query.dataset": VIEWER,
    "Query.datasets": VIEWER,
    "Query.auditEvents": _but(ADMIN, "Operators read the installation's own events.", own=True),
    "Mutation.register": _but(ANYONE, "FORBIDDEN unless the installation is open.", once=True),
    "Mutation.login": _but(ANYONE, once=True),
    "Mutation.logout": USER,
    "Mutation.changePassword": _but(USER, "One's own.", once=True),
    "Mutation.setPassword": _but(ANYONE, "With a one-time token.", once=True),
    "Mutation.createTeam": _but(ADMIN_OR_OPERATOR, "ADMIN of any team.", any_team=True),
    "Mutation.updateTeam": ADMIN_OR_OPERATOR,
    "Mutation.deleteTeam": ADMIN_OR_OPERATOR,
    "Mutation.createUser": ADMIN_OR_OPERATOR,
    "Mutation.updateUser": _but(
        OPERATOR, "And oneself, logged in and not through a key.", own=True
    ),
    "Mutation.deleteUser": _but(
        OPERATOR,
        "And oneself, logged in and not through a key. The last ADMIN of a team cannot go.",
        own=True,
    ),
    "Mutation.setMembership": _but(
        ADMIN_OR_OPERATOR,
        "The last ADMIN of a team stays one. Who comes in is of another team of which one is ADMIN.",
    ),
    "Mutation.removeMembership": _but(
        ADMIN_OR_OPERATOR,
        "Members end their own, logged in and not through a key. The last ADMIN of a team cannot go.",
        own=True,
    ),
    "Mutation.createApiKey": _but(VIEWER, "For oneself, with at most one's own role."),
    "Mutation.createApiKey(input.userId)": _but(
        ADMIN_OR_OPERATOR,
        "For another member, with at most their role; for an operator, one of ADMIN by operators alone.",
    ),
    "Mutation.revokeApiKey": _but(
        ADMIN_OR_OPERATOR,
        "Holders end their own; through a key itself, and those of at most its role.",
        own=True,
        hidden_below=True,
    ),
    "Mutation.uploadImage": EDITOR,
    "Mutation.uploadImages": EDITOR,
    "Mutation.requestUpload": EDITOR,
    "Mutation.completeUpload": EDITOR,
    "Mutation.updateImage": EDITOR,
    "Mutation.trashImages": EDITOR,
    "Mutation.restoreImages": EDITOR,
    "Mutation.deleteImages": EDITOR,
    "Mutation.retryProcessing": EDITOR,
    "Mutation.markNotDuplicates": EDITOR,
    "Mutation.addTags": EDITOR,
    "Mutation.removeTags": EDITOR,
    "Mutation.setTags": EDITOR,
    "Mutation.createTag": _but(EDITOR, "ADMIN where the team's tag policy is CLOSED."),
    "Mutation.renameTag": EDITOR,
    "Mutation.mergeTags": EDITOR,
    "Mutation.deleteTag": EDITOR,
    "Mutation.createCollection": EDITOR,
    "Mutation.updateCollection": EDITOR,
    "Mutation.deleteCollection": EDITOR,
    "Mutation.addToCollection": EDITOR,
    "Mutation.removeFromCollection": EDITOR,
    "Mutation.prepareBulkJob": EDITOR,
    "Mutation.startBulkJob": _but(EDITOR, "It stops where they are EDITOR no more."),
    "Mutation.cancelBulkJob": EDITOR,
    "Mutation.exportDataset": EDITOR,
    "Mutation.deleteDataset": EDITOR,
    "Subscription.imageProcessing": VIEWER,
    "Subscription.bulkJobProgress": VIEWER,
    "Subscription.datasetProgress": VIEWER,
}
"""Every root field; `field(argument)` is a second line for a call that names this argument."""

NODES: Final[dict[str, Need]] = {
    "Team": VIEWER_OR_OPERATOR,
    "Team.images": VIEWER,
    "Team.tags": VIEWER,
    "Team.collections": VIEWER,
    "Team.duplicateGroups": VIEWER,
    "Team.stats": VIEWER,
    "Team.apiKeys": ADMIN_OR_OPERATOR,
    "User": _but(VIEWER_OR_OPERATOR, "In a team that both belong to, and oneself."),
    "User.email": _but(ADMIN_OR_OPERATOR, "And oneself.", own=True),
    "Membership": VIEWER_OR_OPERATOR,
    "ApiKey": _but(ADMIN_OR_OPERATOR, "Holders see their own.", own=True, hidden_below=True),
    "Image": VIEWER,
    "Tag": VIEWER,
    "Collection": VIEWER,
    "BulkJob": VIEWER,
    "Dataset": VIEWER,
    "Image.history": _but(ADMIN, "Null for others."),
    "AuditEvent": _but(ADMIN, "Operators see the installation's own events.", hidden_below=True),
}
"""Every type with an id, however it is reached; a field that has no line of its own is as its type."""


def once_an_operation() -> frozenset[str]:
    """The names of the root fields of which an operation may have one in all."""
    return frozenset(key.partition(".")[2] for key, need in ROOT_FIELDS.items() if need.once)


def guard(schema: GraphQLSchema) -> None:
    """Puts each root field's need before its resolver. TypeError where table and schema have different fields."""
    fields = {
        f"{kind.name}.{name}": its for kind in roots(schema) for name, its in kind.fields.items()
    }
    declared = {key for key in ROOT_FIELDS if "(" not in key}
    if fields.keys() != declared:
        raise TypeError(f"not in both schema and permissions: {sorted(fields.keys() ^ declared)}")
    for key, its in fields.items():
        if its.subscribe is not None:
            its.subscribe = _guarded(ROOT_FIELDS[key], its.subscribe)
        else:
            its.resolve = _guarded(ROOT_FIELDS[key], its.resolve)


def roots(schema: GraphQLSchema) -> Iterator[GraphQLObjectType]:
    kinds = (schema.query_type, schema.mutation_type, schema.subscription_type)
    return (kind for kind in kinds if kind is not None)


def _guarded(need: Need, resolve: Callable[..., Any] | None) -> Callable[..., Any]:
    if resolve is None:
        raise TypeError("a root field has a resolver")

    @wraps(resolve)
    def guarded(source: Any, info: Any, /, **arguments: Any) -> Any:
        need.check(info.context)
        return resolve(source, info, **arguments)

    return guarded


def page() -> str:
    """docs/permissions.md."""
    return PAGE.format(root_fields=_table(ROOT_FIELDS), nodes=_table(NODES))


def _table(needs: dict[str, Need]) -> str:
    lines = ["| |" + "".join(f" {caller} |" for caller in Caller) + " |"]
    lines.append("|---|" + "---|" * len(Caller) + "---|")
    for key, need in needs.items():
        cells = "".join(f" {need.outcome(caller)} |" for caller in Caller)
        lines.append(f"| `{key}` |{cells} {need.note} |")
    return "\n".join(lines)


PAGE: Final = """\
# Who may do what

Printed by `pictor permissions` from `app/graphql/permissions.py`; a test asks every field as every caller and compares.

- **anonymous**: no key, an unknown, expired or revoked one, no login or one that has ended.
- **stranger**: ADMIN of another team; here they name something of a team that is not theirs.
- **VIEWER, EDITOR, ADMIN**: members of the team of what is named. A key has its own role, at most its user's at the time.
- **operator**: administers the installation, and is no member of the team: sees people, teams and keys, never pictures. A
  key of an operator counts as an operator's if its role is ADMIN.
- **hidden**: as if it did not exist: null, not in the list, or NOT_FOUND, exactly as for an id that never was.

## Root fields

{root_fields}

## Types with an id

However they are reached: by `node`, in a list, from one another.

{nodes}
"""
