// urql: queries where its Accept also names events, an upload, errors, and subscriptions by all three ways.
// node urql.mjs ADDRESS KEY PHOTO
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Client, cacheExchange, fetchExchange, gql, subscriptionExchange } from "@urql/core";
import { createClient as createEventClient } from "graphql-sse";
import { createClient as createSocketClient } from "graphql-ws";
import WebSocket from "ws";

const [url, key, photo] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${key}`, "GraphQL-Require-Preflight": "1" };
const answers = [];
const listening = async (...request) => {
  const answer = await fetch(...request);
  answers.push({ asked: request[1].headers.accept, given: answer.headers.get("content-type") });
  return answer;
};
const client = new Client({
  url,
  fetch: listening,
  fetchOptions: { headers },
  fetchSubscriptions: true,
  preferGetMethod: false,
  exchanges: [cacheExchange, fetchExchange],
});

const CARD = gql`
  fragment Card on Image { id title tags { name } }
`;
const IMAGES = gql`
  query Images($first: Int!) { images(first: $first) { nodes { ...Card } } }
  ${CARD}
`;

async function queries() {
  for (const preferGetMethod of [false, "force"]) {
    const asked = { requestPolicy: "network-only", preferGetMethod };
    const { data, error } = await client.query(IMAGES, { first: 3 }, asked);
    assert.equal(error, undefined);
    assert.equal(data.images.nodes.length, 3);
    const { asked: accept, given } = answers.at(-1);
    assert.match(accept, /text\/event-stream/);
    assert.match(given, /^application\/(graphql-response\+)?json/);
  }
}

async function failures() {
  const { error } = await client.query("{ images(first: 101) { nodes { id } } }", {});
  assert.equal(error.graphQLErrors[0].extensions.code, "BAD_USER_INPUT");
  const wrong = await client.query("{ nonsense }", {});
  assert.equal(wrong.error.graphQLErrors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
  const stranger = await client.query("{ viewer { user { id } } }", {}, { fetchOptions: {} });
  assert.equal(stranger.error.graphQLErrors[0].extensions.code, "UNAUTHENTICATED");
}

async function uploads() {
  const file = new File([await readFile(photo)], basename(photo), { type: "image/png" });
  const { data, error } = await client.mutation(
    gql`
      mutation Upload($file: Upload!) {
        uploadImage(input: { file: $file, tags: ["urql"] }) { image { filename ...Card } }
      }
      ${CARD}
    `,
    { file },
  );
  assert.equal(error, undefined);
  assert.equal(data.uploadImage.image.filename, basename(photo));
  return data.uploadImage.image.id;
}

const WATCH = gql`
  subscription Watch($ids: [ID!]!) { imageProcessing(imageIds: $ids) { id processing { status } } }
`;

/** The states of an image until the subscription ends, which it does when the image is READY. */
const watched = (client, ids) =>
  new Promise((resolve, reject) => {
    const states = [];
    client.subscription(WATCH, { ids }).subscribe(({ data, error, hasNext }) => {
      if (error) reject(error);
      if (data) states.push(data.imageProcessing.processing.status);
      if (data?.imageProcessing.processing.status === "READY" || hasNext === false) resolve(states);
    });
  });

const forwarded = (clients) =>
  new Client({
    url,
    exchanges: [
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({ unsubscribe: clients.subscribe({ query, variables }, sink) }),
        }),
      }),
    ],
  });

async function subscriptions(id) {
  const sockets = createSocketClient({
    url: url.replace("http", "ws"),
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: headers.Authorization },
  });
  const events = createEventClient({ url, headers });
  for (const one of [client, forwarded(sockets), forwarded(events)]) {
    const states = await watched(one, [id]);
    assert.equal(states.at(-1), "READY");
  }
  assert.ok(answers.some(({ given }) => given.startsWith("text/event-stream")));
  await sockets.dispose();
  events.dispose();
}

await queries();
await failures();
await subscriptions(await uploads());
