// Lists the newest images page by page, uploads a picture, and waits until it can be searched.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import UploadHttpLink from "apollo-upload-client/UploadHttpLink.mjs";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import { graphql } from "./gql/index.ts";
import { others } from "./pages.ts";

const { PICTOR, KEY } = process.env;
const Authorization = `Bearer ${KEY}`;
const uri = `${PICTOR}/graphql`;

// Files travel only with a header that no page of another origin can send unasked.
const http = new UploadHttpLink({ uri, headers: { Authorization, "Apollo-Require-Preflight": "1" } });
const socket = createClient({ url: uri.replace(/^http/, "ws"), connectionParams: { Authorization } });
const client = new ApolloClient({
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    http,
  ),
  cache: new InMemoryCache({
    // All that have an id, for fragments on Node.
    possibleTypes: {
      Node: ["ApiKey", "AuditEvent", "BulkJob", "Collection", "Dataset", "Image", "Membership", "Tag", "Team", "User"],
    },
    // Lists that grow by fetchMore, one for each filter and order.
    typePolicies: { Query: { fields: { images: relayStylePagination(others) } } },
  }),
  clientAwareness: { name: "apollo-example", version: "1.0" },
});

const NEWEST = graphql(`
  query Newest($first: Int!, $after: String) {
    images(first: $first, after: $after, orderBy: { field: CREATED_AT }) {
      edges {
        cursor
        node {
          ...Card
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }

  fragment Card on Image {
    id
    title
    createdAt
    tags {
      id
      name
    }
    thumbnail(fit: SMALL) {
      url
    }
  }
`);

const UPLOAD = graphql(`
  mutation Upload($file: Upload!, $tags: [String!]) {
    uploadImage(input: { file: $file, tags: $tags }) {
      created
      image {
        ...Card
        processing {
          status
        }
      }
    }
  }
`);

const PROCESSING = graphql(`
  subscription Processing($ids: [ID!]!) {
    imageProcessing(imageIds: $ids) {
      id
      processing {
        status
        error
      }
    }
  }
`);

async function list(pages: number): Promise<void> {
  const asked = { query: NEWEST, variables: { first: 5 } };
  let { data } = await client.query(asked);
  for (let page = 1; data !== undefined; page++) {
    for (const { node } of data.images.edges) {
      console.log(page, node.title, node.tags.map((tag) => tag.name).join(", "));
    }
    const { hasNextPage, endCursor: after } = data.images.pageInfo;
    if (!hasNextPage || page === pages) return;
    ({ data } = await client.watchQuery(asked).fetchMore({ variables: { after } }));
  }
}

async function upload(path: string): Promise<string> {
  const file = new File([await readFile(path)], basename(path));
  const { data } = await client.mutate({ mutation: UPLOAD, variables: { file, tags: ["example"] } });
  const { created, image } = data!.uploadImage;
  console.log(created ? "uploaded" : "was there already:", image.title, image.processing.status);
  return image.id;
}

/** The subscription ends by itself when the image is READY or FAILED. */
function processed(id: string): Promise<void> {
  return new Promise((complete, error) => {
    client.subscribe({ query: PROCESSING, variables: { ids: [id] } }).subscribe({
      next: ({ data }) => console.log(data?.imageProcessing.processing.status),
      error,
      complete,
    });
  });
}

try {
  await list(2);
  await processed(await upload(process.argv[2]!));
} catch (error) {
  if (!CombinedGraphQLErrors.is(error)) throw error;
  for (const { message, extensions } of error.errors) {
    console.error(extensions?.["code"], message, extensions?.["requestId"]);
  }
  process.exitCode = 1;
}
await socket.dispose();
