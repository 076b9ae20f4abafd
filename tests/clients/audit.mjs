// Has graphql-http audit the server, and prints a line for each audit that is not ok.
// node audit.mjs ADDRESS KEY
import { auditServer } from "graphql-http";

const [url, key] = process.argv.slice(2);
const results = await auditServer({
  url,
  fetchFn: (address, init = {}) =>
    fetch(address, { ...init, headers: { ...init.headers, Authorization: `Bearer ${key}` } }),
});
for (const { status, id, name, reason } of results) {
  if (status !== "ok") console.log(status, id, name, "-", reason);
}
console.log(results.filter(({ status }) => status === "ok").length, "of", results.length, "ok");
