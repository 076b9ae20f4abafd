/** Finds the pictures that an answer points at. No DOM here. */

const LIMIT = 24;
const ADDRESS = /\/images\/([^/]+)\/([^/]+)$/;

/**
 * Addresses become relative to this page's own origin: the server that answers also serves the
 * pictures, and under its public name they would be another origin here.
 *
 * @param answer a GraphQL answer, parsed
 * @returns {{id: string, preview: string, link: string, title: string, score: number | null}[]} one
 *   entry for each image, a derivative as its preview where there is one
 */
export function findImages(answer) {
  const found = new Map();
  const walk = (value, context) => {
    if (typeof value === 'string') note(found, value, context);
    else if (Array.isArray(value)) for (const item of value) walk(item, context);
    else if (value && typeof value === 'object') {
      const inner = {
        title: nonEmpty(value.title) ?? nonEmpty(value.filename) ?? context.title,
        score: typeof value.score === 'number' ? value.score : context.score,
      };
      for (const item of Object.values(value)) walk(item, inner);
    }
  };
  walk(answer?.data, { title: '', score: null });
  return [...found.values()].slice(0, LIMIT);
}

const nonEmpty = (value) => (typeof value === 'string' && value ? value : undefined);

function note(found, text, context) {
  if (!/^https?:/.test(text) || !URL.canParse(text)) return;
  const url = new URL(text);
  const [, id, variant] = ADDRESS.exec(url.pathname) ?? [];
  if (!id) return;
  const address = url.pathname + url.search;
  const known = found.get(id) ?? { id, preview: address, link: address, ...context };
  if (variant === 'original') known.link = address;
  else known.preview = address;
  found.set(id, known);
}
