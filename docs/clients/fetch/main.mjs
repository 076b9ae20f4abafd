// Draws an image by chance, uploads a picture, and downloads it from its signed address: first its beginning, then the rest.
import { openAsBlob } from "node:fs";
import { basename } from "node:path";

const { PICTOR, KEY } = process.env;
const headers = { Authorization: `Bearer ${KEY}`, Accept: "application/graphql-response+json" };

async function answered(response) {
  const { data, errors } = await response.json();
  if (errors) throw new Error(errors.map((one) => `${one.extensions.code}: ${one.message}`).join("\n"));
  return data;
}

const ask = async (query, variables = {}) =>
  answered(
    await fetch(`${PICTOR}/graphql`, {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json" },
      body: JSON.stringify({ query, variables }),
    }),
  );

/** `path`: where the file belongs in the variables, which have null there. The parts have this order. */
async function send(query, variables, path, file, filename) {
  const body = new FormData();
  body.set("operations", JSON.stringify({ query, variables }));
  body.set("map", JSON.stringify({ 0: [`variables.${path}`] }));
  body.set("0", file, filename);
  // Files travel only with a header that no page of another origin can send unasked.
  const preflight = { "GraphQL-Require-Preflight": "1" };
  return answered(
    await fetch(`${PICTOR}/graphql`, { method: "POST", headers: { ...headers, ...preflight }, body }),
  );
}

const { randomImages } = await ask(`
  query ($count: Int!) { randomImages(count: $count) { title weight } }
`, { count: 2 });
console.log("drawn:", randomImages);

const file = await openAsBlob(process.argv[2]);
const UPLOAD = `
  mutation ($file: Upload!) { uploadImage(input: { file: $file }) { image { title sizeBytes url } } }
`;
const { uploadImage } = await send(UPLOAD, { file: null }, "file", file, basename(process.argv[2]));
const { title, sizeBytes, url } = uploadImage.image;
console.log("stored:", title, sizeBytes);

// The address is its own permission, for an hour: no key goes with it. It takes ranges, and parts of one version fit together.
const start = await fetch(url, { headers: { Range: "bytes=0-99" } });
const rest = await fetch(url, { headers: { Range: "bytes=100-", "If-Range": start.headers.get("etag") } });
console.log(start.status, start.headers.get("content-range"));
console.log(rest.status, rest.headers.get("content-range"));
const whole = await new Blob([await start.blob(), await rest.blob()]).bytes();
const same = Buffer.from(await file.arrayBuffer()).equals(whole);
console.log(same ? "the very bytes" : "other bytes");
if (!same) process.exitCode = 1;
