"""What the root fields of one operation did, kept until it is recorded. No transport, no output types."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from app.db.models import Team
from app.domain import Actor, AuditOutcome
from app.errors import AppError, ErrorCode
from app.graphql.named import ids_in, rows_in
from app.services.auditing import audit
from app.services.auditing.audit import Event, Origin

ACTIONS: Final = {
    "node": "node.read",
    "nodes": "node.list",
    "viewer": "viewer.read",
    "team": "team.read",
    "teams": "team.list",
    "user": "user.read",
    "users": "user.list",
    "image": "image.read",
    "images": "image.list",
    "searchImages": "image.search",
    "randomImage": "image.draw",
    "randomImages": "image.draw",
    "shuffledImages": "image.draw",
    "imageFacets": "image.count",
    "imageTimeline": "image.count",
    "tag": "tag.read",
    "tags": "tag.list",
    "collection": "collection.read",
    "collections": "collection.list",
    "bulkJob": "bulk.read",
    "bulkJobs": "bulk.list",
    "dataset": "dataset.read",
    "datasets": "dataset.list",
    "auditEvents": "audit.list",
    "register": "user.register",
    "login": "auth.login",
    "logout": "auth.logout",
    "changePassword": "user.change_password",
    "setPassword": "user.set_password",
    "createTeam": "team.create",
    "updateTeam": "team.update",
    "deleteTeam": "team.delete",
    "createUser": "user.create",
    "updateUser": "user.update",
    "deleteUser": "user.delete",
    "setMembership": "membership.set",
    "removeMembership": "membership.remove",
    "createApiKey": "api_key.create",
    "revokeApiKey": "api_key.revoke",
    "uploadImage": "image.upload",
    "uploadImages": "image.upload",
    "requestUpload": "image.request_upload",
    "completeUpload": "image.upload",
    "updateImage": "image.update",
    "trashImages": "image.trash",
    "restoreImages": "image.restore",
    "deleteImages": "image.delete",
    "retryProcessing": "image.retry",
    "markNotDuplicates": "image.mark_not_duplicates",
    "addTags": "image.tag",
    "removeTags": "image.untag",
    "setTags": "image.set_tags",
    "createTag": "tag.create",
    "renameTag": "tag.rename",
    "mergeTags": "tag.merge",
    "deleteTag": "tag.delete",
    "createCollection": "collection.create",
    "updateCollection": "collection.update",
    "deleteCollection": "collection.delete",
    "addToCollection": "collection.add",
    "removeFromCollection": "collection.remove",
    "prepareBulkJob": "bulk.prepare",
    "startBulkJob": "bulk.start",
    "cancelBulkJob": "bulk.cancel",
    "exportDataset": "dataset.export",
    "deleteDataset": "dataset.delete",
    "imageProcessing": "image.watch",
    "bulkJobProgress": "bulk.watch",
    "datasetProgress": "dataset.watch",
}
"""What each root field does, in the words of the audit log."""
AUTH_DENIED: Final = "auth.denied"
UNTRUSTED: Final = "operation.denied"
"""A document that is not trusted, where only trusted ones run."""
FIELD_READ: Final = "field.read"
"""A field below a root field; whatever it answers counts as a part of that one, unless it is refused."""
DENIED: Final = {ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN, ErrorCode.NOT_FOUND}
MAX_FIELDS: Final = 20
Arguments = Mapping[str, Any]


class Trail:
    """Events of what one operation does as this actor. `refused`: that its key was refused is recorded already."""

    def __init__(self, actor: Actor | None, origin: Origin, *, refused: bool = False) -> None:
        self._actor = actor
        self._origin = origin
        self._refused = refused
        self._events: dict[tuple[Any, ...], Event] = {}
        self._seen: dict[tuple[str, UUID], dict[UUID, None]] = {}
        self._field = ""
        self._arguments: Arguments = {}
        self._changes = 0
        self._entered: UUID | None = None

    def entered(self, user_id: UUID) -> None:
        """The running field made the operation this user's: the event of it names them, and its detail who asked.

        It is the installation's: who comes in is no business of the team of somebody else's key.
        """
        if self._actor is None or self._actor.user_id != user_id:
            self._entered = user_id

    def begin(self, field: str, arguments: Arguments) -> int:
        """A mutation begins, of which only one runs at a time. Answers a mark for `unchanged_since`."""
        self._field, self._arguments = field, arguments
        return self._changes

    def unchanged_since(self, mark: int) -> bool:
        """Whether the mutation recorded nothing with a change of its own."""
        return self._changes == mark

    def change(self) -> Event:
        """The event that the running mutation's change takes into its transaction."""
        ids = tuple(ids_in(self._arguments))
        return self._event(
            ACTIONS[self._field],
            AuditOutcome.ALLOWED,
            self._team(self._arguments),
            ids,
            {"field": self._field},
        )

    def changed(self) -> None:
        """The change is committed, and its event with it."""
        self._changes += 1

    def saw(self, rows: Iterable[Any]) -> None:
        """Rows of a list, at whatever depth: those that no root field answers get an event of their own."""
        for row in rows:
            team_id = audit.team_of(row)
            if team_id is not None:
                self._seen.setdefault((type(row).__name__, team_id), {})[row.id] = None

    def answered(self, field: str, arguments: Arguments, result: object) -> None:
        """A root field came to its end; null, alone or in a list, is what the viewer may not see."""
        rows = list(rows_in(result))
        by_team: dict[UUID | None, list[UUID]] = {}
        for row in rows:
            own = hasattr(row, "team_id") or isinstance(row, Team)
            team = audit.team_of(row) if own else self._team(arguments)
            by_team.setdefault(team, []).append(row.id)
        found = {row.id for row in rows}
        missing = tuple(one for one in ids_in(arguments) if one not in found)
        if result is None or (isinstance(result, list) and None in result):
            self._refuse(field, arguments, AuditOutcome.DENIED, missing)
        if result is not None and not by_team:
            by_team = {team: [] for team in self._teams(arguments)}
        single = hasattr(result, "row") or hasattr(result, "actor")
        for team, ids in by_team.items():
            detail = {"field": field} | ({} if single else {"count": len(ids)}) | self._asker()
            self._add(self._event(ACTIONS[field], AuditOutcome.ALLOWED, team, tuple(ids), detail))
        self._entered = None

    def failed(self, field: str, arguments: Arguments, error: BaseException) -> None:
        """A root field was refused, or came to no end."""
        code = error.code if isinstance(error, AppError) else ErrorCode.INTERNAL_SERVER_ERROR
        if code is ErrorCode.UNAUTHENTICATED:
            self._unknown(field)
            return
        outcome = AuditOutcome.DENIED if code in DENIED else AuditOutcome.FAILED
        self._refuse(field, arguments, outcome, tuple(ids_in(arguments)), code)

    def refused_inside(self, depth: int, error: AppError) -> None:
        """A field below a root field was refused. Of its path only the length is kept: aliases are the client's texts."""
        if error.code in DENIED and self._actor is not None:
            detail = {"depth": depth, "code": error.code.value}
            event = self._event(FIELD_READ, AuditOutcome.DENIED, self._team({}), (), detail)
            self._add(event, error.code)

    def events(self) -> list[Event]:
        """All of it, with what was seen below the root fields."""
        found = list(self._events.values())
        told = {one for event in found for one in event.subject_ids}
        for (kind, team_id), ids in self._seen.items():
            rest = [one for one in ids if one not in told]
            for start in range(0, len(rest), audit.MAX_SUBJECTS):
                part = tuple(rest[start : start + audit.MAX_SUBJECTS])
                detail = {"nested": True, "count": len(part)}
                action = f"{_snake(kind)}.list"
                found.append(
                    self._event(action, AuditOutcome.ALLOWED, team_id, part, detail),
                )
        return found

    def _unknown(self, field: str) -> None:
        """One event for all fields that nobody known asked for."""
        if self._refused:
            return
        event = self._events.get((AUTH_DENIED,))
        fields = [*event.detail["fields"], field] if event else [field]
        if len(fields) <= MAX_FIELDS:
            detail = {"fields": fields}
            self._events[AUTH_DENIED,] = self._event(
                AUTH_DENIED, AuditOutcome.DENIED, None, (), detail
            )

    def _refuse(
        self,
        field: str,
        arguments: Arguments,
        outcome: AuditOutcome,
        ids: tuple[UUID, ...],
        code: ErrorCode = ErrorCode.NOT_FOUND,
    ) -> None:
        detail = {"field": field, "code": code.value}
        event = self._event(
            ACTIONS[field], outcome, self._team(arguments), ids, detail, owners=True
        )
        self._add(event, code)

    def _add(self, event: Event, code: ErrorCode | None = None) -> None:
        key = (event.action, event.outcome, event.team_id, event.subject_ids, code)
        self._events.setdefault(key, event)

    def _event(
        self,
        action: str,
        outcome: AuditOutcome,
        team_id: UUID | None,
        ids: tuple[UUID, ...],
        detail: Mapping[str, Any],
        *,
        owners: bool = False,
    ) -> Event:
        actor = self._actor
        return Event(
            action=action,
            outcome=outcome,
            origin=self._origin,
            team_id=team_id,
            user_id=self._entered or (actor.user_id if actor else None),
            api_key_id=actor.api_key_id if actor and not self._entered else None,
            subject_ids=ids,
            detail=detail,
            for_owners=owners,
        )

    def _asker(self) -> dict[str, str]:
        """Whose key or login it was that somebody else came in by."""
        if self._actor is None or self._entered is None:
            return {}
        key = self._actor.api_key_id
        return {"asked_by": str(self._actor.user_id)} | ({"asked_with": str(key)} if key else {})

    def _team(self, arguments: Arguments) -> UUID | None:
        """The team that an event of no row belongs to: the one named, else the actor's only one."""
        teams = self._teams(arguments)
        return teams[0] if len(teams) == 1 else None

    def _teams(self, arguments: Arguments) -> list[UUID | None]:
        """The teams that were asked: the one named, as far as it is the actor's, else all of theirs."""
        if self._actor is None or self._entered is not None:
            return [None]
        named = [
            one
            for one in ids_in(arguments, teams=True)
            if one in self._actor.roles or self._actor.is_operator
        ]
        return [*named] or [*self._actor.team_ids] or [None]


def _snake(name: str) -> str:
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in name).lstrip("_")
