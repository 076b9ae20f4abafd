// Runs one operation with graphql-ws or graphql-sse, as their users do, and prints a line of JSON for each thing that comes.
// node subscribe.mjs ws|sse ADDRESS KEY '{"query": …, "variables": …}'
import { createClient as createSocketClient } from "graphql-ws";
import { createClient as createEventClient } from "graphql-sse";
import WebSocket from "ws";

const [transport, address, key, text] = process.argv.slice(2);
const say = (one) => process.stdout.write(JSON.stringify(one) + "\n");
const client =
  transport === "ws"
    ? createSocketClient({
        url: address.replace("http", "ws"),
        webSocketImpl: WebSocket,
        connectionParams: { Authorization: `Bearer ${key}` },
        retryAttempts: 0,
        lazy: true,
        on: { closed: ({ code, reason }) => say({ closed: code, reason }) },
      })
    : createEventClient({
        url: address,
        headers: { Authorization: `Bearer ${key}` },
        retryAttempts: 0,
      });

client.subscribe(JSON.parse(text), {
  next: (result) => say({ next: result }),
  error: (error) => {
    say({ error: Array.isArray(error) ? error : String(error.message ?? error.code ?? error) });
    process.exitCode = 1;
  },
  complete: () => {
    say({ complete: true });
    client.dispose();
  },
});
