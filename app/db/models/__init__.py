"""ALL tables, by subject. Behaviour that must hold whoever writes (lines, counters, words) is in triggers: migrations/."""

from app.db.models.chance import DrawHead, DrawLine
from app.db.models.columns import Base
from app.db.models.duplicates import Duplicate, DuplicateCheck, DuplicatePair, NotDuplicate
from app.db.models.images import Dataset, Image, UploadTicket
from app.db.models.installation import Installation
from app.db.models.meaning import EmbeddingModel, ImageVector, RelevanceFit, VectorClaim
from app.db.models.people import (
    ApiKey,
    LoginAttempt,
    Membership,
    PasswordToken,
    PersistedQuery,
    Session,
    Team,
    User,
)
from app.db.models.record import AuditAnchor, AuditEvent, AuditHead
from app.db.models.tags import Collection, CollectionImage, ImageTag, Tag, TagRename
from app.db.models.work import BulkJob, BulkPart, ImageJob, Orphan, UnwordedImage, Upkeep

__all__ = [
    "ApiKey",
    "AuditAnchor",
    "AuditEvent",
    "AuditHead",
    "Base",
    "BulkJob",
    "BulkPart",
    "Collection",
    "CollectionImage",
    "Dataset",
    "DrawHead",
    "DrawLine",
    "Duplicate",
    "DuplicateCheck",
    "DuplicatePair",
    "EmbeddingModel",
    "Image",
    "ImageJob",
    "ImageTag",
    "ImageVector",
    "Installation",
    "LoginAttempt",
    "Membership",
    "NotDuplicate",
    "Orphan",
    "PasswordToken",
    "PersistedQuery",
    "RelevanceFit",
    "Session",
    "Tag",
    "TagRename",
    "Team",
    "UnwordedImage",
    "Upkeep",
    "UploadTicket",
    "User",
    "VectorClaim",
]
