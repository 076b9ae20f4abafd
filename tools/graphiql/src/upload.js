/** Files in GraphQL variables: "@file:N" stands for the Nth chosen file, "@files" in a list for all of them. No DOM here. */

const ONE = /^@file:(\d+)$/;
const ALL = '@files';

/**
 * @param {unknown} variables as they were written
 * @param {number} count of the chosen files
 * @returns {{variables: unknown, paths: Map<number, string[]>, missing: {reference: string, path: string}[]}}
 *   the variables with null in the place of each file, where each file belongs, e.g.
 *   0 -> ["variables.file"], and the references to files that are not chosen
 */
export function separateFiles(variables, count) {
  const paths = new Map();
  const missing = [];
  const take = (index, path) => {
    paths.set(index, [...(paths.get(index) ?? []), path]);
    return null;
  };
  const all = Array.from({ length: count }, (_, i) => `@file:${i}`);
  const walk = (value, path) => {
    if (typeof value === 'string') {
      const index = ONE.exec(value)?.[1];
      if (index !== undefined && Number(index) < count) return take(Number(index), path);
      if (index === undefined && value !== ALL) return value;
      missing.push({ reference: value, path });
      return null;
    }
    if (Array.isArray(value)) {
      const items = count > 0 ? value.flatMap((item) => (item === ALL ? all : [item])) : value;
      return items.map((item, i) => walk(item, `${path}.${i}`));
    }
    if (value && typeof value === 'object') {
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, walk(item, `${path}.${name}`)]),
      );
    }
    return value;
  };
  return { variables: walk(variables, 'variables'), paths, missing };
}

/** @throws {Error} where the variables name a file that is not chosen */
export function requireChosen(missing) {
  if (missing.length === 0) return;
  const [{ reference, path }] = missing;
  throw new Error(`No file yet for "${reference}" in ${path}: choose or drop it under "Files" at the top.`);
}

/** The request of the GraphQL multipart request specification: operations, map, then the files. */
export function multipartBody(operation, paths, files) {
  const body = new FormData();
  body.append('operations', JSON.stringify(operation));
  body.append('map', JSON.stringify(Object.fromEntries(paths)));
  for (const index of paths.keys()) body.append(String(index), files[index]);
  return body;
}
