/** What the server tells the page: a JSON block in index.html, never code. */

const DEFAULTS = { endpoint: '/graphql', apiKey: null, queries: [] };

/**
 * @returns {{endpoint: string, apiKey: string | null,
 *   queries: {name: string, query: string, variables: string}[]}}
 */
export function readConfig(element = document.getElementById('pictor-config')) {
  return { ...DEFAULTS, ...JSON.parse(element.textContent) };
}
