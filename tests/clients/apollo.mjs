// Apollo Client 4: fragments, pages, errors by their code, and an upload by apollo-upload-client.
// node apollo.mjs ADDRESS KEY PHOTO
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";
import UploadHttpLink from "apollo-upload-client/UploadHttpLink.mjs";
import { others } from "../../docs/clients/apollo/src/pages.ts";

const [uri, key, photo] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${key}` };
const preflight = { "Apollo-Require-Preflight": "true" };
const LISTS = ["images", "searchImages", "tags"];
const cache = () =>
  new InMemoryCache({
    possibleTypes: { Node: ["Image", "Tag", "Team"] },
    typePolicies: { Query: { fields: Object.fromEntries(LISTS.map((one) => [one, relayStylePagination(others)])) } },
  });
const client = new ApolloClient({
  cache: cache(),
  link: new HttpLink({ uri, headers }),
  clientAwareness: { name: "apollo-test", version: "1" },
});

const CARD = gql`
  fragment Card on Image { id title tags { id name } thumbnail(fit: SMALL) { url } }
`;
const PAGE = gql`
  query Page($first: Int!, $after: String) {
    images(first: $first, after: $after, filter: { tags: { all: ["demo"] } }) {
      totalCount
      edges { cursor node { ...Card } }
      pageInfo { hasNextPage endCursor }
    }
  }
  ${CARD}
`;

async function pages() {
  const variables = { first: 5 };
  const page = client.watchQuery({ query: PAGE, variables });
  const watching = page.subscribe(() => {});
  await page.refetch();
  const listed = () => client.readQuery({ query: PAGE, variables }).images;
  for (const count of [5, 10]) {
    assert.equal(listed().edges.length, count);
    assert.equal(listed().pageInfo.hasNextPage, true);
    await page.fetchMore({ variables: { after: listed().pageInfo.endCursor } });
  }
  assert.equal(listed().pageInfo.hasNextPage, false);
  assert.equal(listed().totalCount, 12);
  assert.equal(new Set(listed().edges.map(({ node }) => node.id)).size, 12);
  watching.unsubscribe();
  const { id } = listed().edges[0].node;
  const normalized = client.readFragment({ id: `Image:${id}`, fragment: CARD });
  assert.deepEqual(normalized.tags.map(({ name }) => name), ["demo"]);
  return id;
}

async function lists() {
  const tags = gql`query Tags($search: String) { tags(search: $search, first: 5) { edges { node { id name } } } }`;
  const names = async (search) => {
    const { data } = await client.query({ query: tags, variables: { search } });
    return data.tags.edges.map(({ node }) => node.name);
  };
  assert.deepEqual([await names("demo"), await names("nothing"), await names("demo")], [["demo"], [], ["demo"]]);

  const hits = gql`
    query Hits($text: String!, $after: String) {
      searchImages(query: { text: $text }, first: 2, after: $after) {
        edges { score cursor node { id title } }
        pageInfo { hasNextPage endCursor }
      }
    }
  `;
  const best = async (text) => {
    const { data } = await client.query({ query: hits, variables: { text } });
    return data.searchImages.edges.map(({ score }) => score);
  };
  const [one, other] = [await best("a cat"), await best("a boat at night")];
  assert.notDeepEqual(one, other);
  const page = client.watchQuery({ query: hits, variables: { text: "a cat" } });
  const { endCursor: after } = client.readQuery({ query: hits, variables: { text: "a cat" } }).searchImages.pageInfo;
  await page.fetchMore({ variables: { after } });
  assert.equal((await best("a cat")).length, 4);
  assert.deepEqual(await best("a boat at night"), other);
}

async function nodes(id) {
  const { data } = await client.query({
    query: gql`
      query Nodes($id: ID!) { node(id: $id) { id ... on Image { ...Card } ... on Team { name } } }
      ${CARD}
    `,
    variables: { id },
  });
  assert.equal(data.node.__typename, "Image");
  assert.equal(data.node.id, id);
}

async function failing(link, operation, code) {
  const other = new ApolloClient({ cache: cache(), link });
  const told = await operation(other).then(
    () => assert.fail(`no error, instead of ${code}`),
    (error) => error,
  );
  assert.ok(CombinedGraphQLErrors.is(told), String(told));
  assert.equal(told.errors[0].extensions.code, code);
  assert.ok(told.errors[0].extensions.requestId);
  return told.errors[0];
}

async function errors() {
  const link = new HttpLink({ uri, headers });
  const asked = (text, variables) => (other) => other.query({ query: gql(text), variables });
  const done = (text) => (other) => other.mutate({ mutation: gql(text) });
  await failing(link, asked("{ images(first: 101) { nodes { id } } }"), "BAD_USER_INPUT");
  await failing(link, asked("{ nonsense }"), "GRAPHQL_VALIDATION_FAILED");
  await failing(link, asked("query ($n: Int!) { images(first: $n) { nodes { id } } }", { n: "x" }), "BAD_USER_INPUT");
  await failing(link, done('mutation { deleteImages(ids: ["nothing"]) }'), "NOT_FOUND");
  const stranger = new HttpLink({ uri, headers: { Authorization: "Bearer pic_wrong" } });
  await failing(stranger, asked("{ viewer { user { name } } }"), "UNAUTHENTICATED");
}

const UPLOAD = gql`
  mutation Upload($file: Upload!) {
    uploadImage(input: { file: $file, tags: ["apollo"] }) { created image { ...Card filename sizeBytes } }
  }
  ${CARD}
`;

async function uploads() {
  const bytes = await readFile(photo);
  const file = new File([bytes], basename(photo), { type: "image/png" });
  const link = new UploadHttpLink({ uri, headers: { ...headers, ...preflight } });
  const other = new ApolloClient({ cache: cache(), link });
  const { data } = await other.mutate({ mutation: UPLOAD, variables: { file } });
  const { image } = data.uploadImage;
  assert.equal(image.filename, basename(photo));
  assert.equal(image.sizeBytes, bytes.length);
  assert.deepEqual(image.tags.map(({ name }) => name), ["apollo"]);

  const again = await other.mutate({ mutation: UPLOAD, variables: { file } });
  assert.equal(again.data.uploadImage.created, false);
  assert.equal(again.data.uploadImage.image.id, image.id);

  const upload = (one) => (client) => client.mutate({ mutation: UPLOAD, variables: { file: one } });
  const text = new File(["no picture"], "note.png", { type: "image/png" });
  const told = await failing(link, upload(text), "UNSUPPORTED_MEDIA_TYPE");
  assert.equal(told.extensions.reason, "NOT_AN_IMAGE");
  const bare = new UploadHttpLink({ uri, headers });
  await failing(bare, upload(file), "BAD_USER_INPUT");
}

async function name() {
  const { data } = await client.query({ query: gql`{ auditEvents(first: 20) { nodes { clientName } } }` });
  assert.ok(data.auditEvents.nodes.some(({ clientName }) => clientName === "apollo-test"));
}

const id = await pages();
await lists();
await nodes(id);
await name();
await errors();
await uploads();
