"""The schema, put together from its features."""

from datetime import datetime
from functools import cache
from typing import Final

import strawberry
from graphql import GraphQLError, GraphQLInputObjectType, GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from app.graphql import permissions
from app.graphql.accounts import AccountMutation
from app.graphql.api_keys import ApiKeyMutation
from app.graphql.audit import AuditQuery
from app.graphql.bulk import BulkMutation, BulkQuery
from app.graphql.collections import CollectionMutation, CollectionQuery
from app.graphql.datasets import DatasetMutation, DatasetQuery
from app.graphql.duplicates import DuplicateMutation
from app.graphql.executor import DEFINITION, Executor, shorten
from app.graphql.facets import FacetQuery
from app.graphql.images import ImageMutation, ImageQuery
from app.graphql.intake import IntakeMutation
from app.graphql.nodes import NodeQuery
from app.graphql.processing import ProcessingSubscription
from app.graphql.progress import ProgressSubscription
from app.graphql.sampling import SamplingQuery
from app.graphql.scalars import DateTime
from app.graphql.search import SearchQueries
from app.graphql.tags import TagMutation, TagQuery
from app.graphql.teams import TeamMutation, TeamQuery
from app.graphql.tickets import TicketMutation
from app.graphql.types.audit import AuditEvent
from app.graphql.types.collections import Collection
from app.graphql.types.datasets import Dataset
from app.graphql.types.images import Image
from app.graphql.types.people import ApiKey, Membership, Team, User
from app.graphql.types.tags import Tag
from app.graphql.uploads import UPLOAD, Upload
from app.graphql.users import UserMutation, UserQuery
from app.graphql.watch import watch


@strawberry.type(description="Everything that can be read.")
class Query(
    NodeQuery,
    UserQuery,
    TeamQuery,
    ImageQuery,
    SearchQueries,
    SamplingQuery,
    FacetQuery,
    TagQuery,
    CollectionQuery,
    BulkQuery,
    DatasetQuery,
    AuditQuery,
):
    pass


@strawberry.type(description="Everything that can be changed.")
class Mutation(
    AccountMutation,
    TeamMutation,
    UserMutation,
    ApiKeyMutation,
    IntakeMutation,
    TicketMutation,
    ImageMutation,
    DuplicateMutation,
    TagMutation,
    CollectionMutation,
    BulkMutation,
    DatasetMutation,
):
    pass


@strawberry.type(description="Everything that can be watched.")
class Subscription(ProcessingSubscription, ProgressSubscription):
    pass


DESCRIPTION: Final = """\
Pictor, the team image library: upload pictures, tag them, and find them again.

Send an API key as `Authorization: Bearer KEY`, or log in. Lists are read in pages, by `first` and `after`. A file is a variable
in a multipart request. Errors have a code of a closed list in `extensions.code`; `extensions.field` names the input at fault."""
ROOTS: Final = "schema {\n  query: Query\n  mutation: Mutation\n  subscription: Subscription\n}"


class Schema(strawberry.Schema):
    def as_str(self) -> str:
        """With the description of the whole, which Strawberry does not print."""
        return f'"""\n{DESCRIPTION}\n"""\n{ROOTS}\n\n{super().as_str()}'

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Nothing: the edge shapes each error, and logs those that are ours."""


@cache
def build_schema() -> Schema:
    """One a process: nothing changes it once it is built."""
    schema = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[ApiKey, AuditEvent, Collection, Dataset, Image, Membership, Tag, Team, User],
        execution_context_class=Executor,
        config=StrawberryConfig(scalar_map={datetime: DateTime, Upload: UPLOAD}),
    )
    schema._schema.description = DESCRIPTION
    _leave_one_of_to_core(schema._schema)
    shorten(schema._schema)
    permissions.guard(schema._schema)  # graphql-core's own; there is no public name for it
    watch(schema._schema)
    return schema


def _leave_one_of_to_core(schema: GraphQLSchema) -> None:
    """Has graphql-core check inputs with @oneOf: it says at which place of which variable one is wrong, Strawberry does not."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLInputObjectType):
            definition = kind.extensions.get(DEFINITION)
            if definition is not None and definition.is_one_of:
                kind.is_one_of = True
                # Strawberry's, which hides the method of the class.
                del kind.__dict__["out_type"]
