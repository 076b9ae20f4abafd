// Persisted queries as Apollo Client and urql send them: registered by POST and by GET, and trusted ones from a manifest.
// node persisted.mjs ADDRESS KEY MANIFEST
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { Client, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";

const [uri, key, manifestFile] = process.argv.slice(2);
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** A fetch, and what went through it: the method, whether the text of the query was sent, the answer's status and tag. */
function recorded() {
  const seen = [];
  return {
    seen,
    fetch: async (address, init) => {
      const response = await fetch(address, init);
      const sent = init.body ? JSON.parse(init.body) : Object.fromEntries(new URL(address).searchParams);
      const { status, headers } = response;
      seen.push({ method: init.method, whole: "query" in sent, status, address, etag: headers.get("etag") });
      return response;
    },
  };
}

const shapes = (seen) => seen.map(({ method, whole }) => `${method} ${whole ? "whole" : "hash"}`);

function apollo(persisted, secret = key) {
  const { seen, fetch } = recorded();
  const http = new HttpLink({ uri, fetch, headers: { Authorization: `Bearer ${secret}` } });
  const link = persisted ? new PersistedQueryLink(persisted).concat(http) : http;
  return { seen, client: new ApolloClient({ link, cache: new InMemoryCache() }) };
}

async function apolloByPost() {
  const query = gql`query ByPost { images(first: 1) { totalCount } }`;
  for (const expected of [["POST hash", "POST whole"], ["POST hash"]]) {
    const { client, seen } = apollo({ sha256 });
    const { data } = await client.query({ query });
    assert.ok(data.images.totalCount > 0);
    assert.deepEqual(shapes(seen), expected);
  }
}

async function apolloByGet() {
  const query = gql`query ByGet($first: Int!) { images(first: $first) { nodes { title } } }`;
  const options = { sha256, useGETForHashedQueries: true };
  const asked = { query, variables: { first: 2 } };
  const first = apollo(options);
  await first.client.query(asked);
  assert.deepEqual(shapes(first.seen), ["GET hash", "POST whole"]);

  const { client, seen } = apollo(options);
  const { data } = await client.query(asked);
  assert.equal(data.images.nodes.length, 2);
  assert.deepEqual(shapes(seen), ["GET hash"]);
  const [{ address, etag }] = seen;
  const again = await fetch(address, {
    headers: {
      Authorization: `Bearer ${key}`,
      Accept: "application/graphql-response+json,application/json;q=0.9",
      "If-None-Match": etag,
    },
  });
  assert.equal(again.status, 304);
}

async function urql() {
  const query = "query Urql { images(first: 1) { totalCount } }";
  for (const expected of [["GET hash", "GET whole"], ["GET hash"]]) {
    const { seen, fetch } = recorded();
    const client = new Client({
      url: uri,
      fetch,
      fetchOptions: { headers: { Authorization: `Bearer ${key}` } },
      preferGetMethod: false,
      exchanges: [persistedExchange({ preferGetForPersistedQueries: true }), fetchExchange],
    });
    const { data, error } = await client.query(query, {});
    assert.equal(error, undefined);
    assert.ok(data.images.totalCount > 0);
    assert.deepEqual(shapes(seen), expected);
  }
}

async function keyForTrustedDocuments() {
  const { client } = apollo(undefined);
  const teams = await client.query({ query: gql`{ teams { nodes { id } } }` });
  const { data } = await client.mutate({
    mutation: gql`
      mutation Make($team: ID!) {
        createApiKey(input: { teamId: $team, name: "frozen", trustedDocumentsOnly: true }) { key }
      }
    `,
    variables: { team: teams.data.teams.nodes[0].id },
  });
  return data.createApiKey.key;
}

async function manifest() {
  const secret = await keyForTrustedDocuments();
  const loadManifest = async () => JSON.parse(await readFile(manifestFile, "utf8"));
  const { client, seen } = apollo(generatePersistedQueryIdsFromManifest({ loadManifest }), secret);
  // By its name: the manifest's own text is what runs.
  const query = gql`query Gallery($first: Int!) { images(first: $first) { nodes { title tags { name } } } }`;
  const { data } = await client.query({ query, variables: { first: 3 } });
  assert.equal(data.images.nodes.length, 3);
  assert.deepEqual(shapes(seen), ["POST hash"]);

  const { client: free } = apollo(undefined, secret);
  const other = free.query({ query: gql`{ images(first: 3) { nodes { id } } }` });
  const told = await other.then(() => assert.fail("an untrusted document ran"), (error) => error);
  assert.ok(CombinedGraphQLErrors.is(told), String(told));
  assert.equal(told.errors[0].extensions.code, "FORBIDDEN");
}

await apolloByPost();
await apolloByGet();
await urql();
await manifest();
