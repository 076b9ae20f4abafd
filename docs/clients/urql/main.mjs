// Searches by a sentence, uploads a picture, and waits until it can be searched.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Client, cacheExchange, fetchExchange, gql } from "@urql/core";

const { PICTOR, KEY } = process.env;
const client = new Client({
  url: `${PICTOR}/graphql`,
  // Files travel only with a header that no page of another origin can send unasked.
  fetchOptions: { headers: { Authorization: `Bearer ${KEY}`, "GraphQL-Require-Preflight": "1" } },
  // Subscriptions come as server-sent events, with nothing else to install.
  fetchSubscriptions: true,
  preferGetMethod: false,
  exchanges: [cacheExchange, fetchExchange],
});

const CARD = gql`
  fragment Card on Image {
    id
    title
    tags {
      name
    }
  }
`;

const SEARCH = gql`
  query Search($sentence: String!) {
    searchImages(query: { text: $sentence }, first: 3) {
      edges {
        score
        node {
          ...Card
        }
      }
    }
  }
  ${CARD}
`;

const UPLOAD = gql`
  mutation Upload($file: Upload!, $tags: [String!]) {
    uploadImage(input: { file: $file, tags: $tags }) {
      created
      image {
        ...Card
      }
    }
  }
  ${CARD}
`;

const PROCESSING = gql`
  subscription Processing($ids: [ID!]!) {
    imageProcessing(imageIds: $ids) {
      id
      processing {
        status
      }
    }
  }
`;

async function search(sentence) {
  const { data, error } = await client.query(SEARCH, { sentence });
  if (error) throw error;
  for (const { score, node } of data.searchImages.edges) console.log(score.toFixed(3), node.title);
}

async function upload(path) {
  const file = new File([await readFile(path)], basename(path));
  const { data, error } = await client.mutation(UPLOAD, { file, tags: ["example"] });
  if (error) throw error;
  const { created, image } = data.uploadImage;
  console.log(created ? "uploaded" : "was there already:", image.title);
  return image.id;
}

/** The subscription ends by itself when the image is READY or FAILED. */
const processed = (id) =>
  new Promise((resolve, reject) => {
    client.subscription(PROCESSING, { ids: [id] }).subscribe(({ data, error }) => {
      if (error) return reject(error);
      const { status } = data.imageProcessing.processing;
      console.log(status);
      if (["READY", "FAILED"].includes(status)) resolve();
    });
  });

try {
  await search("a cat in the forest");
  await processed(await upload(process.argv[2]));
} catch (error) {
  if (!error.graphQLErrors?.length) throw error;
  for (const { message, extensions } of error.graphQLErrors) console.error(extensions.code, message);
  process.exitCode = 1;
}
