/** How the page talks to the server: JSON, multipart for files, WebSocket for subscriptions. */

import { getOperationAST } from 'graphql';
import { createClient } from 'graphql-ws';
import { authorization } from './api-key.js';
import { files, filesShown } from './files.js';
import { multipartBody, requireChosen, separateFiles } from './upload.js';

/**
 * @returns a GraphiQL fetcher for the server at `endpoint`. What goes wrong on the way becomes a
 *   GraphQL answer with errors: of a thrown error, GraphiQL would show the stack.
 */
export function createFetcher(endpoint) {
  const url = new URL(endpoint, location.href);
  return (operation, { documentAST, headers } = {}) => {
    const chosen = documentAST && getOperationAST(documentAST, operation.operationName);
    if (chosen?.operation === 'subscription') return subscribe(url, operation, headers);
    return post(url, operation, headers).catch(toAnswer);
  };
}

async function post(url, operation, extraHeaders) {
  const { variables, paths } = separateFiles(operation.variables);
  const headers = new Headers({
    Accept: 'application/graphql-response+json, application/json;q=0.9',
    'GraphQL-Require-Preflight': '1',
    ...authorization(),
  });
  let body;
  if (paths.size > 0) {
    const chosen = files.getState();
    filesShown.setState(true);
    requireChosen(paths, chosen);
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

async function* subscribe(url, operation, extraHeaders) {
  const address = new URL(url);
  address.protocol = address.protocol.replace('http', 'ws');
  const client = createClient({
    url: address.href,
    connectionParams: { ...authorization(), ...extraHeaders },
    retryAttempts: 0,
  });
  try {
    yield* client.iterate(operation);
  } catch (error) {
    yield toAnswer(error);
  } finally {
    client.dispose();
  }
}

/** @param error an Error, the event of a broken WebSocket, or the GraphQL errors it brought */
function toAnswer(error) {
  if (Array.isArray(error)) return { errors: error };
  if (error instanceof CloseEvent) {
    return { errors: [{ message: `The connection was closed: ${error.code} ${error.reason}`.trim() }] };
  }
  return { errors: [{ message: error.message ?? 'The WebSocket connection could not be made.' }] };
}
