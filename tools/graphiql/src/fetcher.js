/** How the page talks to the server: JSON, multipart for files, WebSocket for subscriptions. */

import { getOperationAST, Kind, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { authorization } from './access.js';
import { began, ended, came } from './events.js';
import { files, filesShown } from './files.js';
import { multipartBody, requireChosen, separateFiles } from './upload.js';

/**
 * @returns a GraphiQL fetcher for the server at `endpoint`. What goes wrong on the way becomes a
 *   GraphQL answer with errors: of a thrown error, GraphiQL would show the stack.
 */
export function createFetcher(endpoint) {
  const url = new URL(endpoint, location.href);
  return (asked, { headers } = {}) => {
    const chosen = chosenOperation(asked);
    const operation = chosen ? { ...asked, operationName: chosen.name?.value ?? null } : asked;
    if (chosen?.operation === 'subscription') return subscription(url, operation, headers);
    return post(url, operation, headers).catch(toAnswer);
  };
}

/**
 * The operation that is meant. GraphiQL looks at a text a while after it was changed: whoever runs it sooner
 * sends the name that the text before had. Undefined where the text has several others, or is none.
 */
function chosenOperation({ query, operationName }) {
  try {
    const document = parse(query);
    const all = document.definitions.filter((one) => one.kind === Kind.OPERATION_DEFINITION);
    return getOperationAST(document, operationName) ?? (all.length === 1 ? all[0] : undefined);
  } catch {
    return undefined;
  }
}

async function post(url, operation, extraHeaders) {
  const chosen = files.getState();
  const { variables, paths, missing } = separateFiles(operation.variables, chosen.length);
  const headers = new Headers({
    Accept: 'application/graphql-response+json, application/json;q=0.9',
    // Without it a login does not count: no page of another site can send it unasked.
    'GraphQL-Require-Preflight': '1',
    ...authorization(),
  });
  if (paths.size + missing.length > 0) filesShown.setState(true);
  requireChosen(missing);
  let body;
  if (paths.size > 0) {
    body = multipartBody({ ...operation, variables }, paths, chosen);
  } else {
    headers.set('Content-Type', 'application/json');
    body = JSON.stringify(operation);
  }
  for (const [name, value] of Object.entries(extraHeaders ?? {})) headers.set(name, value);
  const response = await fetch(url, { method: 'POST', headers, body });
  return parseAnswer(response, await response.text());
}

/** A proxy may answer with a page of its own. */
function parseAnswer(response, text) {
  try {
    return JSON.parse(text);
  } catch {
    const status = `HTTP ${response.status} ${response.statusText}`.trim();
    throw new Error(`${status}, and no JSON: ${text.slice(0, 500)}`);
  }
}

/**
 * An observable: GraphiQL's Stop ends the socket at once. Of an async generator it would end only
 * after the next event, since its return() waits for the next() that is under way.
 */
function subscription(url, operation, extraHeaders) {
  const address = new URL(url);
  address.protocol = address.protocol.replace('http', 'ws');
  return {
    subscribe(sink) {
      const client = createClient({
        url: address.href,
        connectionParams: { ...authorization(), ...extraHeaders },
        retryAttempts: 0,
      });
      const finish = () => {
        ended();
        client.dispose();
      };
      began();
      const unsubscribe = client.subscribe(operation, {
        next: (answer) => {
          came();
          sink.next(answer);
        },
        error: (error) => {
          finish();
          sink.next(toAnswer(error));
          sink.complete();
        },
        complete: () => {
          finish();
          sink.complete();
        },
      });
      return {
        unsubscribe() {
          unsubscribe();
          finish();
        },
      };
    },
  };
}

/** @param error an Error, the event of a broken WebSocket, or the GraphQL errors it brought */
function toAnswer(error) {
  if (Array.isArray(error)) return { errors: error };
  if (error instanceof CloseEvent) {
    return { errors: [{ message: `The connection was closed: ${error.code} ${error.reason}`.trim() }] };
  }
  return { errors: [{ message: error.message ?? 'The WebSocket connection could not be made.' }] };
}
