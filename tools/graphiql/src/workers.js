/** Monaco's workers, from this package: nothing is fetched from elsewhere or built from a blob. */

const FILES = { json: 'json.worker.js', graphql: 'graphql.worker.js' };

globalThis.MonacoEnvironment = {
  getWorker(_, label) {
    const file = FILES[label] ?? 'editor.worker.js';
    return new Worker(new URL(file, import.meta.url), { type: 'module', name: label });
  },
};
