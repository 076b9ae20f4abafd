/** Files in GraphQL variables: "@file:N" stands for the Nth chosen file. No DOM here. */

const REFERENCE = /^@file:(\d+)$/;

/**
 * @returns {{variables: unknown, paths: Map<number, string[]>}} the variables with null in the place
 *   of each reference, and where each file belongs, e.g. 0 -> ["variables.file"]
 */
export function separateFiles(variables) {
  const paths = new Map();
  const walk = (value, path) => {
    const index = typeof value === 'string' && REFERENCE.exec(value)?.[1];
    if (index) {
      paths.set(Number(index), [...(paths.get(Number(index)) ?? []), path]);
      return null;
    }
    if (Array.isArray(value)) return value.map((item, i) => walk(item, `${path}.${i}`));
    if (value && typeof value === 'object') {
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, walk(item, `${path}.${name}`)]),
      );
    }
    return value;
  };
  return { variables: walk(variables, 'variables'), paths };
}

/** @throws {Error} where the variables name a file that is not chosen */
export function requireChosen(paths, files) {
  for (const [index, [path]] of paths) {
    if (!files[index]) {
      throw new Error(`No file yet for "@file:${index}" in ${path}: choose or drop it under "Files" at the top.`);
    }
  }
}

/** The request of the GraphQL multipart request specification: operations, map, then the files. */
export function multipartBody(operation, paths, files) {
  const body = new FormData();
  body.append('operations', JSON.stringify(operation));
  body.append('map', JSON.stringify(Object.fromEntries(paths)));
  for (const index of paths.keys()) body.append(String(index), files[index]);
  return body;
}
