import assert from 'node:assert/strict';
import { test } from 'node:test';
import { multipartBody, requireChosen, separateFiles } from './upload.js';

test('references become null and their paths are kept', () => {
  const { variables, paths } = separateFiles({
    input: { files: ['@file:1', '@file:0'], title: 'say @file:0' },
    again: '@file:1',
  });
  assert.deepEqual(variables, { input: { files: [null, null], title: 'say @file:0' }, again: null });
  assert.deepEqual(Object.fromEntries(paths), {
    0: ['variables.input.files.1'],
    1: ['variables.input.files.0', 'variables.again'],
  });
});

test('variables without references stay as they are', () => {
  for (const variables of [undefined, null, {}, { a: [1, null, true, { b: 'c' }] }]) {
    const separated = separateFiles(variables);
    assert.deepEqual(separated.variables, variables);
    assert.equal(separated.paths.size, 0);
  }
});

test('a reference to a file that is not chosen is refused', () => {
  const { paths } = separateFiles({ file: '@file:1' });
  assert.throws(() => requireChosen(paths, [new File(['x'], 'x.png')]), /"@file:1" in variables\.file/);
});

test('the multipart body holds operations, map and files, in this order', () => {
  const { variables, paths } = separateFiles({ file: '@file:0' });
  const file = new File(['bytes'], 'x.png');
  const body = [...multipartBody({ query: 'mutation { a }', variables }, paths, [file]).entries()];
  assert.deepEqual(body.slice(0, 2), [
    ['operations', '{"query":"mutation { a }","variables":{"file":null}}'],
    ['map', '{"0":["variables.file"]}'],
  ]);
  assert.equal(body[2][0], '0');
  assert.equal(body[2][1].name, 'x.png');
  assert.equal(body.length, 3);
});
